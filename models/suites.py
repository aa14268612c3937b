"""Named lists of networks: whole tables of the paper, and those by which boards are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from .published import SOURCE, TABLE3, lines, table1_rows
from .weights.sources import checkpoints_for
from .zoo import find_model, our_models


@dataclass(frozen=True)
class Suite:
    """A list of networks; `models` finds them when asked, so that a network that is added is in it."""

    name: str
    title: str
    models: Callable[[], tuple[str, ...]]


def paper() -> tuple[str, ...]:
    """Every network of which the paper prints a row of Table 1, in its order."""
    figures = {spec.name: replace(spec.published, accuracies=()) for spec in our_models() if spec.published}
    return tuple(name for row in table1_rows() for name, printed in figures.items() if printed == row)


def public() -> tuple[str, ...]:
    """Those of them that have public weights."""
    return tuple(name for name in paper() if checkpoints_for(find_model(name)))


def table3() -> tuple[str, ...]:
    """Every network of the paper's Table 3, in its order."""
    return tuple(
        f"{row['model']}-{row['size']}" + (f"-{row['pool']}" if row["model"].startswith("co") else "")
        for row in lines("table3_pool_size.csv")
    )


def board() -> tuple[str, ...]:
    """Three regular 3D CNNs, light to heavy, each before its frame form. Fixed, so that what comes in is comparable."""
    return ("x3d-s", "cox3d-s-13", "x3d-m", "cox3d-m-16", "slow-8x8-r50", "coslow-r50-8")


SUITES: Mapping[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite("paper", SOURCE, paper),
        Suite("paper-public", f"{SOURCE}, with public weights", public),
        Suite("paper-table3", TABLE3, table3),
        Suite("board", "six networks by which boards are compared", board),
    )
}
