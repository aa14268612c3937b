"""Settings that a doctor applied to the machine and did not live to put back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ..devices.doctor.fix import Fixer


def fixer_of(sysroot: Path) -> Fixer:
    """The one who changes settings below that folder; the board's tools are called only where it is the machine."""
    from ..devices.doctor.fix import STATE, Fixer
    from ..devices.nvpmodel import run_quietly
    from ..devices.root import Local

    return Fixer(Local(sysroot), sysroot / STATE, run_quietly if sysroot == Path("/") else None)


def after_a_kill(fixer: Fixer) -> None:
    """Put back what a doctor that was killed left behind; without root say how. What --fix alone left is meant to stay.

    Raises FixError where its file cannot be read or written.
    """
    from ..devices.doctor.fix import alive

    left = fixer.leftover()
    if left is None or not left.pid or alive(left.pid):
        return
    if os.geteuid():
        typer.echo(
            f"settings of an earlier doctor (process {left.pid}), which was killed, are still in force; "
            "`sudo co3d-bench doctor --restore` puts them back",
            err=True,
        )
        return
    typer.echo(f"an earlier doctor (process {left.pid}) was killed; putting its settings back", err=True)
    for line in fixer.restore():
        typer.echo(line, err=True)
