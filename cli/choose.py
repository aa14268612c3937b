"""`co3d-bench choose`: which network to take."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from ..bench.errors import NOTHING, OK, UserError
from .options import stores, verb
from .streams import drawn

FORMATS = ("md", "csv", "json")


@dataclass(frozen=True)
class Limit:
    """An option: what may be typed after a number, each with its size in SI."""

    name: str
    metavar: str
    help: str
    example: str
    must_be: str
    units: Mapping[str, float]
    most: float = 1e18


_PLAIN = {"": 1.0}
_TIME = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_A_TIME = "a time above 0: 100ms, 90s, 8m, 1h, or a number of seconds"
_SIZE = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}

# fmt: off
LIMITS = (
    Limit("fps", "N", "Frames a second of the camera.", "30", "a number above 0, of frames a second", _PLAIN),
    Limit("deadline", "TIME", "Highest latency.", "100ms", _A_TIME, _TIME),
    Limit("react", "TIME", "Longest reaction to a change of scene, until half of the way to the new answer.", "3s",
          _A_TIME, _TIME),
    Limit("memory", "SIZE", "Most resident memory of the whole process.", "512MB",
          "an amount of memory above 0: 512MB, 2GB, 512MiB", _SIZE),
    Limit("watts", "W", "Highest mean power.", "10", "a number above 0, of watts", {**_PLAIN, "W": 1.0, "mW": 1e-3}),
    Limit("accuracy", "PERCENT", "Lowest accuracy, at the frame rate that the network sees.", "65",
          "a percentage above 0, up to 100", {**_PLAIN, "%": 1.0}, most=100.0),
)
# fmt: on


def _amount(limit: Limit) -> Callable[[str], float]:
    """Reads what is typed. Raises click.BadParameter for anything else."""

    def read(text: str) -> float:
        found = re.fullmatch(r"([0-9]*\.?[0-9]+) ?([A-Za-z%]*)", text.strip(), flags=re.ASCII)
        value = float(found[1]) * limit.units.get(found[2], 0.0) if found else 0.0
        if not 0 < value <= limit.most:
            raise click.BadParameter(f"{text!r}: must be {limit.must_be}")
        return value

    read.__name__ = limit.name
    return read


def _limits(command: click.Command) -> click.Command:
    options = [
        click.Option(
            [f"--{each.name}"],
            type=_amount(each),
            metavar=each.metavar,
            help=f"{each.help} Default: no limit; e.g. {each.example}.",
        )
        for each in LIMITS
    ]
    command.params = [*command.params[:1], *options, *command.params[1:]]
    return command


@_limits
@verb("choose")
@stores
@click.option(
    "--all", "everything", is_flag=True, help="Show each way to use each case, not only the best of each network."
)
@click.option("--format", type=click.Choice(FORMATS), help="Form of the output. Default: a table; e.g. csv.")
def choose(stores: tuple[Path, ...], everything: bool, format: str | None, **asked: float | None) -> int:
    """Choose the networks that fit your limits.

    The most accurate comes first. Of the others it says which limit they do not keep, and by how much. Figures are
    those of the records; what is not known excludes where a limit asks for it. The exit code is 3 where none fits.

    Example: co3d-bench choose --fps 30 --deadline 100ms --accuracy 65
    """
    from ..bench.stats.case_result import speed_records
    from ..reports.commands import read
    from ..reports.tables import choose as tables

    limits = {name: limit for name, limit in asked.items() if limit is not None}
    content = read(stores)
    records = content.records
    choice = tables.choice_of(records, limits, everything=everything)
    if not choice.candidates:
        speed_records(records, content.named)  # says so where there are none
        raise UserError(
            f"{content.named}: no network was measured without an error, so there is none to choose", NOTHING
        )
    click.echo(tables.render(choice, format) if format else drawn(tables.render_choice(choice)), nl=False)
    return OK if choice.feasible else NOTHING
