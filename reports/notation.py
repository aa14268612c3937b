"""How numbers are written for people, and how notes are marked. Used by every table, chart and page."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from string import ascii_lowercase

from ..bench.stats.accuracy import Accuracy, MeasuredAccuracy
from ..bench.stats.case_result import Figure, rank_of_interval
from ..bench.stats.metrics import MS, Unit

MISSING = "\u2013"
# Of units, where there is little room.
SHORT_UNITS = {"predictions/s": "pred/s"}


def number(value: float | None, digits: int = 3) -> str:
    """About `digits` significant figures, never in exponent form, at least the whole units: 0.166, 26.4, 1250."""
    if value is None:
        return MISSING
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    if round(abs(value), places) >= 10 ** (math.floor(math.log10(abs(value))) + 1):
        places = max(0, places - 1)  # 9.996 rounds up to 10.0, not to 10.00
    return f"{value:.{places}f}"


def rate(per_s: float) -> str:
    """Of a camera: three figures, and no zeros behind the point: 30, 23.2, 6."""
    whole, point, decimals = number(per_s).partition(".")
    return (whole + point + decimals.rstrip("0")).rstrip(".") if point else whole


def answers_due(per_s: float, every: int, states: int, *more: str) -> str:
    """How often an answer is due of a camera: `6/s (1 in 5)`, `30/s (5 states)`."""
    said = [f"1 in {every}"] if every > 1 else []
    said += [f"{states} states"] if states > 1 else []
    said += more
    return f"{rate(per_s)}/s" + (f" ({', '.join(said)})" if said else "")


def fixed(places: int) -> Callable[[float | None], str]:
    """A writer with that many decimals: Table 1 of the paper prints 62.80, not 62.8."""
    return lambda value: MISSING if value is None else f"{value:.{places}f}"


def plus_minus(value: float | None, spread: float | None) -> str:
    """`39.4 ± 0.7`: the spread with as many decimals as the value, and at least one figure that is not zero."""
    if value is None or spread is None:
        return number(value)
    text = number(value)
    places = len(text.partition(".")[2])
    if spread > 0 and round(spread, places) == 0:
        return f"{text} ± {number(spread, 1)}"
    return f"{text} ± {spread:.{places}f}"


def with_ends(value: float, ends: tuple[float, float]) -> str:
    """`8.00 (7.80 to 8.40)`: a figure and the ends of its interval or range, each with three figures."""
    return f"{number(value)} ({number(ends[0])} to {number(ends[1])})"


def with_interval(figure: Figure | None, unit: Unit = MS) -> str:
    """`27.4 (26.9 to 28.1)`; of fewer than six processes, whose range it is then, also how many: `27.4 (n = 1)`."""
    if figure is None:
        return MISSING
    text = number(unit.of(figure.value))
    places = len(text.partition(".")[2])
    ends = [f"{unit.of(figure.low):.{places}f} to {unit.of(figure.high):.{places}f}"] if figure.processes > 1 else []
    few = [f"n = {figure.processes}"] if rank_of_interval(figure.processes) is None else []
    return f"{text} ({', '.join((*ends, *few))})"


def percent(share: float | None) -> str:
    """A share of one, in percent, to the whole or to one decimal below ten."""
    return MISSING if share is None else f"{100 * share:.{0 if abs(share) >= 0.0995 else 1}f}"


def conditions(accuracy: Accuracy) -> str:
    """Under which conditions an accuracy was measured: `6 frames/s, whole film`; of one that is not published, also on
    which films: `measured on val, 500 films, 6 frames/s, one clip`."""
    found = [accuracy.source] if isinstance(accuracy, MeasuredAccuracy) else []
    found += [] if accuracy.frames_per_s is None else [f"{accuracy.frames_per_s:.3g} frames/s"]
    return ", ".join((*found, *([accuracy.view] if accuracy.view else []))) or "conditions not known"


def accuracy_text(accuracy: Accuracy, places: int = 2) -> str:
    """`67.24` as published, `67.2 (64.1 to 70.2)` as measured: what is less certain has fewer digits."""
    if isinstance(accuracy, MeasuredAccuracy):
        value, low, high = (f"{each:.1f}" for each in (accuracy.top1, *accuracy.ends))
        return f"{value} ({low} to {high})"
    return f"{accuracy.top1:.{places}f}"


def times(ratio: float) -> str:
    """A ratio in words: `9.1 times`, `15 times`."""
    return f"{number(ratio, 2)} times"


def mark(index: int) -> str:
    """The mark of the footnote of that index: a, b, ... z, aa, ab, ..."""
    text, index = "", index + 1
    while index:
        index, rest = divmod(index - 1, len(ascii_lowercase))
        text = ascii_lowercase[rest] + text
    return text


class Footnotes:
    """Gives one mark per distinct text, in the order of first use."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def marks(self, texts: Iterable[str]) -> tuple[str, ...]:
        """The marks of these texts."""
        return tuple(self._marks.setdefault(text, mark(len(self._marks))) for text in texts)

    def all(self) -> tuple[tuple[str, str], ...]:
        """Every (mark, text), in order."""
        return tuple((mark_, text) for text, mark_ in self._marks.items())
