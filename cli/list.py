"""`co3d-bench list`: what there is to choose from. Imports no torch."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer


class What(str, Enum):
    """What can be listed."""

    models = "models"
    devices = "devices"
    backends = "backends"
    suites = "suites"


def list_(what: Annotated[What, typer.Argument(help="What to list.")]) -> None:
    """List the networks, devices, backends or suites, one a line: name, then what it is."""
    rows = {What.models: models, What.devices: devices, What.backends: backends, What.suites: suites}[what]()
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        typer.echo(f"{name:<{width}}  {text}".rstrip())


def models() -> list[tuple[str, str]]:
    """Every listed network, then the patterns by which others are found."""
    from ..models.zoo import families, installed, list_models

    rows = []
    specs = list_models()
    width = max(len(spec.title) for spec in specs)
    for spec in specs:
        shape = "x".join(str(length) for length in spec.input_shape)
        package = f"  from {spec.source.package}" if spec.source else ""
        rows.append((spec.name, f"{spec.title:<{width}}  {spec.form:<5}  {shape}{package}"))
    rows += [(name, f"from {offer.source.package}") for name, offer in installed().factories.items()]
    rows += [(family.pattern, "any pool length, in frames") for family in families() if family.pattern]
    rows += [
        (family.pattern, "likewise, from an installed package") for family in installed().families if family.pattern
    ]
    return rows


def suites() -> list[tuple[str, str]]:
    """Every named list of networks."""
    from ..models.suites import SUITES

    return [(suite.name, f"{suite.title}: {', '.join(suite.models())}") for suite in SUITES.values()]


def devices() -> list[tuple[str, str]]:
    """Every device profile, those of the bench.toml here included, and where each is."""
    from ..bench.plan.catalog import Names
    from ..bench.plan.config import find_profiles
    from ..bench.plan.locate import state

    names = Names()
    seen = names.look()
    return [(profile.name, f"{profile.title}: {state(profile, seen)}") for profile in find_profiles(names)]


def backends() -> list[tuple[str, str]]:
    """Every backend, and what it lacks to be used here."""
    from ..bench.backends import list_backends

    return [
        (backend.name, f"{backend.title} ({', '.join(backend.precisions)}): {backend.missing() or 'ready'}")
        for backend in list_backends()
    ]
