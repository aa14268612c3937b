"""Named lists of networks, for those who want a whole table and not its rows one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from .published import SOURCE, table1_rows
from .zoo import our_models


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


SUITES: Mapping[str, Suite] = {suite.name: suite for suite in (Suite("paper", SOURCE, paper),)}
