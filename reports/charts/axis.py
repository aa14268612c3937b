"""Scales whose ends are known before the chart is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .spec import Spec, number_of


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

    def channel(self, field: str, title: str) -> Spec:
        """The axis as a channel of a chart that shows this field."""
        scale = {"type": self.scale, "domain": [self.low, self.high], "nice": False}
        scale |= {"zero": False} if self.scale == "linear" else {}
        axis = {"values": self.ticks(), "format": "~r", "labelFlush": False}
        return number_of(field, title=title, scale=scale, axis=axis)


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
    span = max(high - low, 4.0, 1e-6 * abs(high))  # of numbers so large that 4 more are none
    return Axis(low - margin_low * span, high + margin * span, "linear")
