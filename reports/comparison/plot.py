"""The intervals of a comparison as a plot: findings in, a Vega-Lite specification (a dict) out.

One row for each judged figure: its name, below it the estimate with its interval. The shaded band is what counts as the
same; to the right of it the head is worse. The outcome is in the shape and in the colour.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import altair as alt

from ...bench.stats.compare.findings import Comparison, Finding
from .. import theme
from ..charts import Axis
from ..latency_chart import HEIGHT_PX as _STRIP_PX
from . import words

# More rows than this are no picture; the table has them all.
MOST_ROWS = 60
ROW_PX = 54

# Beyond these a slowdown is drawn at the edge of the plot, with an arrow head: one wild row must not flatten the rest.
EDGES = (1 / 100, 100.0)
# Ends of intervals may leave the plot; the estimates never do. Up to this many times their span there is room for ends.
ROOM_FOR_ENDS = 3.0


def drawn(comparison: Comparison) -> tuple[Finding, ...]:
    """The rows that are drawn, in order: those with an estimate, most wanted first."""
    found = [f for f in words.judged(comparison) if (e := words.estimate(f)) and 0 < e.slowdown < math.inf]
    return tuple(found[:MOST_ROWS])


def axis_of(findings: Sequence[Finding], max_slowdown: float) -> Axis:
    """An axis that holds the band, every estimate and, as far as that leaves these legible, the intervals."""
    estimates = [found for finding in findings if (found := words.estimate(finding))]
    band = math.log1p(max_slowdown)
    middles = [0.0, *(math.log(_inside(found.slowdown)) for found in estimates)]
    low, high = min(-1.6 * band, *middles), max(1.6 * band, *middles)
    room = ROOM_FOR_ENDS * (high - low)
    ends = [math.log(_inside(end)) for found in estimates for end in (found.low, found.high)]
    low = max(min([low, *ends]), low - room)
    high = min(max([high, *ends]), high + room)
    pad = 0.06 * (high - low)
    low, high = math.exp(low - pad), math.exp(high + pad)
    return Axis(low, high, "log" if high / low > 3 else "linear")


def _inside(slowdown: float) -> float:
    return min(max(slowdown, EDGES[0]), EDGES[1])


def ticks(axis: Axis) -> list[float]:
    """Round steps; 1, which means no change, is always among them."""
    found = axis.ticks()
    if not any(math.isclose(tick, 1.0) for tick in found):
        step = min((b - a for a, b in pairwise(found)), default=1.0)
        found = sorted([1.0, *(tick for tick in found if axis.scale == "log" or abs(tick - 1) > step / 2)])
    return found


def _rows(findings: Sequence[Finding], axis: Axis) -> list[dict[str, Any]]:
    names = words.short_keys(findings).names
    several = len({finding.metric for finding in findings}) > 1
    rows = []
    for place, finding in enumerate(findings):
        found = words.estimate(finding)
        if found is None:
            continue
        look = words.look(finding)
        name = words.plain(names[finding.key])
        low, high = max(found.low, axis.low), min(found.high, axis.high)
        rows.append(
            {
                "place": place,
                "name": f"{name} · {words.label(finding)}" if several else name,
                "says": f"{look.sign} {look.word}",
                "outcome": words.outcome(finding),
                "x": min(max(found.slowdown, axis.low), axis.high),
                "low": low,
                "high": high,
                "dash": [4, 3] if words.is_within(found) else [1, 0],
                # An interval that goes on beyond the plot ends in an arrow head, any other in a tick.
                "cut": [*(["low"] if found.low < low else []), *(["high"] if found.high > high else [])],
                "tooltip": _tooltip(finding, name),
            }
        )
    return rows


def _tooltip(finding: Finding, name: str) -> dict[str, str]:
    found = words.estimate(finding)
    assert found is not None  # noqa: S101 - only rows with one are drawn
    shown = {
        "title": name,
        "Outcome": words.look(finding).word,
        words.label(finding).capitalize(): (
            f"{words.figure(finding, finding.base)} \u2192 {words.figure(finding, finding.head)} {words.unit(finding)}"
        ),
        "Cost": words.change(finding),
        f"{words.percent(found.confidence)} interval": words.interval(finding),
        "Pairs" if found.paired else "Processes": str(found.units),
    }
    return shown | {"Why": words.plain("; ".join(words.reasons(finding)))}


def _values(rows: Sequence[Mapping[str, Any]]) -> alt.Data:
    return alt.Data(values=list(rows))


def interval_chart(
    comparison: Comparison,
    width: int | Literal["container"] = "container",
    palette: Mapping[str, str] = theme.VARIABLES,
) -> dict[str, Any] | None:
    """The plot of the judged rows; None where there is no estimate. To be drawn with `theme.config(palette)`."""
    findings = drawn(comparison)
    if not findings:
        return None
    axis, look = axis_of(findings, comparison.max_slowdown), theme.looks(palette)
    rows = _rows(findings, axis)
    shown = [name for name in words.LOOKS if any(row["outcome"] == name for row in rows)]
    colours = alt.Scale(domain=shown, range=[palette[words.LOOKS[name].colour] for name in shown])
    shapes = alt.Scale(domain=shown, range=[words.LOOKS[name].shape for name in shown])
    hollow = [name for name in shown if words.LOOKS[name].hollow]

    marks = ticks(axis)
    across = alt.X(
        "x:Q",
        title="\u2190 better \u00b7 cost of the head \u00b7 worse \u2192",
        scale=alt.Scale(type=axis.scale, domain=[axis.low, axis.high], nice=False, zero=False),
        axis=alt.Axis(values=marks, labelExpr=_label_expression(marks, axis), labelFlush=False, grid=True),
    )
    down = alt.Y("place:Q", axis=None, scale=alt.Scale(domain=[len(rows) - 0.5, -0.5], nice=False))
    colour = alt.Color("outcome:N", scale=colours, legend=None)
    band = {"x": max(1 / (1 + comparison.max_slowdown), axis.low), "x2": min(1 + comparison.max_slowdown, axis.high)}
    data = alt.Chart(_values(rows))

    def end(which: Literal["low", "high"]) -> list[alt.Chart]:
        cut = [row for row in rows if which in row["cut"]]
        whole = [row for row in rows if which not in row["cut"]]
        point = {"low": 270, "high": 90}[which]
        at = across.copy()
        at.shorthand = f"{which}:Q"
        return [
            alt.Chart(_values(whole)).mark_tick(thickness=2, size=9, yOffset=9, aria=False).encode(at, down, colour),
            alt.Chart(_values(cut))
            .mark_point(shape="triangle-up", angle=point, size=50, filled=True, opacity=1, yOffset=9, aria=False)
            .encode(at, down, colour),
        ]

    low = across.copy()
    low.shorthand = "low:Q"
    layers = [
        alt.Chart(_values([band])).mark_rect(**look["band"], aria=False).encode(x=across, x2="x2:Q"),
        alt.Chart(_values([{"x": 1}])).mark_rule(**look["limit"], aria=False).encode(x=across),
        data.mark_rule(strokeWidth=2, yOffset=9, y2Offset=9, aria=False).encode(
            low, down, colour, x2="high:Q", strokeDash=alt.StrokeDash("dash:N", scale=None)
        ),
        *(chart for which in ("low", "high") for chart in end(which) if chart.data.values),
        data.mark_point(
            size=130, strokeWidth=2, opacity=1, yOffset=9, tooltip=alt.ExprRef(expr="datum.tooltip")
        ).encode(
            across,
            down,
            shape=alt.Shape("outcome:N", scale=shapes, legend=None),
            stroke=alt.Stroke("outcome:N", scale=colours, legend=None),
            fill=alt.when(f"indexof({hollow}, datum.outcome) >= 0")
            .then(alt.value(palette["surface"]))
            .otherwise(alt.Fill("outcome:N", scale=colours, legend=None)),
            description="name:N",
        ),
    ]
    above = {"baseline": "middle", "dy": -10, "aria": False}
    layers += [
        data.mark_text(**look[name], **above, align="left", x=0, limit=alt.ExprRef(expr="width - 110")).encode(
            y=down, text="name:N"
        )
        for name in ("halo", "name")
    ]
    layers.append(
        data.mark_text(**above, align="right", x="width", fontSize=12, fontWeight=500).encode(
            y=down, text="says:N", color=colour
        )
    )
    return (
        alt.layer(*layers)
        .properties(
            width=width,
            height=max(_STRIP_PX, ROW_PX * len(rows)),
            description=f"{len(rows)} estimates with their intervals, the figures are in the table",
        )
        .to_dict(validate=False)
    )  # as in charts.py


def _label_expression(marks: Sequence[float], axis: Axis) -> str:
    """Vega's expression that writes each tick as `words.ratio` does."""
    # The expression compares with a margin, since the number may have been written and read in between.
    pairs = [f"abs(datum.value - {mark}) < {1e-9 * axis.high} ? '{words.tick(mark)}'" for mark in marks]
    return " : ".join([*pairs, "''"])
