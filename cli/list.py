"""`co3d-bench list`: networks, devices, engines and suites. Imports no torch."""

from __future__ import annotations

import click

from .options import verb


def models() -> list[tuple[str, str]]:
    """Every listed network, then the name patterns of all others."""
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
        (family.pattern, "any pool length, in frames; from an installed package")
        for family in installed().families
        if family.pattern
    ]
    return rows


def devices() -> list[tuple[str, str]]:
    """Every device profile, those of the bench.toml here included, and where each is."""
    from ..bench.plan.config import find_profiles
    from ..bench.plan.locate import state
    from ..devices.detect import read_hardware

    hardware = read_hardware()
    return [(name, f"{profile.title}: {state(profile, hardware)}") for name, profile in find_profiles().items()]


def backends() -> list[tuple[str, str]]:
    """Every backend, and what is missing to use it here."""
    from ..bench.backends import list_backends

    return [
        (backend.name, f"{backend.title} ({', '.join(backend.precisions)}): {backend.missing() or 'ready'}")
        for backend in list_backends()
    ]


def suites() -> list[tuple[str, str]]:
    """Every named list of networks."""
    from ..models.suites import SUITES

    return [(suite.name, f"{suite.title}: {', '.join(suite.models())}") for suite in SUITES.values()]


LISTS = {"models": models, "devices": devices, "backends": backends, "suites": suites}


@verb("list")
@click.argument("what", type=click.Choice(tuple(LISTS)), metavar="WHAT", help=f"One of {', '.join(LISTS)}.")
def list_(what: str) -> None:
    """List networks, devices, engines or suites, one a line.

    Each line has the name that options take, then a description.

    Example: co3d-bench list models
    """
    rows = LISTS[what]()
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        click.echo(f"{name:<{width}}  {text}".rstrip())
