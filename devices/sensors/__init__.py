"""How hot, fast and hungry a machine is: sensors, each with figures that have a value or the reason why not.

One file for each kind. A missing sensor is no error: its figures have the reason. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from ..root import Contents, Reason


@dataclass(frozen=True)
class Figure:
    """One thing that can be read. Names carry their unit; behind a slash is which one: `temperature_c/GPU-therm`."""

    name: str
    # gauge: as it is now; counter: only differences mean something; flags: a set of words
    kind: Literal["gauge", "counter", "flags"] = "gauge"
    note: str | None = None  # what a reader should know of it


@dataclass(frozen=True)
class Reading:
    """A value, or words, or the reason why there is neither. Never 0 for what is not known."""

    value: float | None = None
    words: tuple[str, ...] = ()
    reason: str | None = None


class Sensor(Protocol):
    """Figures that are read together."""

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What can be read."""
        ...

    def read(self) -> Mapping[str, Reading]:
        """Every figure, now. Raises nothing."""
        ...


@dataclass(frozen=True)
class Absent:
    """A sensor that is missing: its figures have the reason."""

    figures: tuple[Figure, ...]
    reason: str

    def read(self) -> Mapping[str, Reading]:
        return {figure.name: Reading(reason=self.reason) for figure in self.figures}


_REASONS = {
    Reason.MISSING: "there is no such file",
    Reason.FORBIDDEN: "not permitted; only root may read it",
    Reason.GATED: "switched off with the part of the chip it belongs to",
    Reason.FAILED: "the driver gave an error",
}


def scaled(contents: Contents, factor: float = 1.0) -> Reading:
    """The number in a file in our unit, or why there is none."""
    if contents.text is None:
        return Reading(reason=_REASONS[contents.reason or Reason.MISSING])
    try:
        return Reading(float(contents.text) * factor)
    except ValueError:
        return Reading(reason=f"no number: {contents.text[:40]!r}" if contents.text else _REASONS[Reason.GATED])
