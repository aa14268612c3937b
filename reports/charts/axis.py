"""Scales whose ends are known before the chart is drawn, and the shorthands of altair that all charts use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt

Width = int | Literal["container"]


@dataclass(frozen=True)
class Axis:
    """A scale with its limits written out, so that labels can be placed where the chart will draw them."""

    low: float
    high: float
    scale: Literal["log", "linear"]

    def share(self, value: float) -> float:
        """Where a value lies between the ends, from 0 to 1."""
        if self.scale == "log":
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """1, 2 and 5 of every decade, or round steps; never more than the eye wants."""
        if self.scale == "log":
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found = [round(m * 10.0**d, 12) for d in decades for m in (1, 2, 5)]
            inside = [tick for tick in found if self.low <= tick <= self.high]
            many = len(inside) > 9
            return [tick for tick in inside if not many or f"{tick:e}".startswith("1")]
        step = 10.0 ** math.floor(math.log10(self.high - self.low))
        step = next(s for s in (step / 5, step / 2, step, 2 * step) if (self.high - self.low) / s <= 8)
        first = math.ceil(self.low / step)
        found = [round(k * step, 12) for k in range(first, math.floor(self.high / step) + 1)]
        return [tick for tick in found if self.low <= tick <= self.high]

    def channel(self, of: type[alt.X] | type[alt.Y], title: str) -> Any:
        """The axis as a channel of a chart; its data is in the fields x and y."""
        zero = alt.Undefined if self.scale == "log" else False  # which has none
        return of(
            f"{of.__name__.lower()}:Q",
            title=title,
            scale=alt.Scale(type=self.scale, domain=[self.low, self.high], nice=False, zero=zero),
            axis=alt.Axis(values=self.ticks(), format="~r", labelFlush=False),
        )


def axis_of(
    values: Sequence[float], scale: Literal["log", "linear"], margin: float, below: float | None = None
) -> Axis:
    """An axis over these values with a margin (a share of the span) at both ends; never of no length."""
    low, high = min(values), max(values)
    margin_low = margin if below is None else below
    if scale == "log":
        span = math.log10(high / low)
        room = (0.45 - span) / 2  # at least so wide that one of the ticks 1, 2 and 5 lies inside
        return Axis(low / 10 ** max(margin_low * span, room), high * 10 ** max(margin * span, room), "log")
    span = max(high - low, 4.0)
    return Axis(low - margin_low * span, high + margin * span, "linear")


def values(rows: Sequence[Mapping[str, Any]]) -> alt.Data:
    """Rows as data that stands where it is used."""
    return alt.Data(values=list(rows))


def expr(text: str) -> Any:
    """A property of a mark that Vega computes when it draws."""
    return alt.ExprRef(expr=text)


def either(test: str, yes: Any, no: Any) -> Any:
    """One value where the test holds, else the other."""
    return alt.when(test).then(alt.value(yes)).otherwise(alt.value(no))


def names(chart: alt.Chart, look: Mapping[str, dict[str, Any]], across: Any, up: Any, field: str, **more: Any) -> Any:
    """The names of points where `labels.place` put them: a halo below each, so that lines do not cross the letters."""
    at = {"align": expr("datum.align"), "dx": expr("datum.dx"), "dy": expr("datum.dy")}
    return [
        chart.mark_text(**look[name], **at, aria=False, baseline="middle").encode(x=across, y=up, text=field, **more)
        for name in ("halo", "name")
    ]
