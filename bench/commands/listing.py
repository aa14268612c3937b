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


def list_(what: Annotated[What, typer.Argument(help="What to list.")]) -> None:
    """List the networks, devices or backends, one a line: name, then what it is."""
    rows = {What.models: models, What.devices: devices, What.backends: backends}[what]()
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        typer.echo(f"{name:<{width}}  {text}".rstrip())


def models() -> list[tuple[str, str]]:
    """Every listed network, then the patterns by which others are found."""
    from ...models.zoo import families, list_models

    rows = []
    for spec in list_models():
        shape = "x".join(str(length) for length in spec.input_shape)
        rows.append((spec.name, f"{spec.title:<13} {spec.form:<5} {shape}"))
    rows += [(family.pattern, "any pool length, in frames") for family in families() if family.pattern]
    return rows


def devices() -> list[tuple[str, str]]:
    """Every device profile, and whether this machine is one."""
    from ...devices.host import read_host
    from ...devices.profile import list_profiles, matches

    host = read_host()
    return [
        (
            profile.name,
            f"{profile.title}{f': {host.cpu_model}, {host.usable_cores} cores' if matches(profile, host) else ''}",
        )
        for profile in list_profiles()
    ]


def backends() -> list[tuple[str, str]]:
    """Every backend, and what it lacks to be used here."""
    from ..backends import list_backends

    return [
        (backend.name, f"{backend.title} ({', '.join(backend.precisions)}): {backend.missing() or 'ready'}")
        for backend in list_backends()
    ]
