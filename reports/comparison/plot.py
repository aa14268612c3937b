"""The intervals of a comparison as a plot: findings in, a Vega-Lite specification (a dict) out.

One row for each judged figure: its name, below it the estimate with its interval. In the shaded band base and head
count as the same; to the right of it the head is worse. The outcome is in the shape and in the colour.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

from ...bench.stats.compare.findings import Comparison, Finding
from .. import theme
from ..charts.axis import Axis
from ..charts.latency import HEIGHT_PX as _STRIP_PX
from ..charts.spec import Row, Spec, Width, as_is, chart, either, expr, layer, name_of, number_of
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
    centres = [0.0, *(math.log(_inside(found.slowdown)) for found in estimates)]
    low, high = min(-1.6 * band, *centres), max(1.6 * band, *centres)
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
    for index, finding in enumerate(findings):
        found = words.estimate(finding)
        if found is None:
            continue
        style = words.style(finding)
        name = words.plain(names[finding.key])
        low, high = max(found.low, axis.low), min(found.high, axis.high)
        rows.append(
            {
                "row": index,
                "name": f"{name} · {words.label(finding)}" if several else name,
                "outcome_text": f"{style.sign} {style.word}",
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
        "Outcome": words.style(finding).word,
        words.label(finding).capitalize(): (
            f"{words.figure(finding, finding.base)} \u2192 {words.figure(finding, finding.head)} {words.unit(finding)}"
        ),
        "Cost": words.change(finding),
        f"{words.percent(found.confidence)} interval": words.interval(finding),
        "Pairs" if found.paired else "Processes": str(found.replicates),
    }
    return shown | {"Why": words.plain("; ".join(words.reasons(finding)))}


def interval_chart(
    comparison: Comparison,
    width: Width = "container",
    palette: Mapping[str, str] = theme.VARIABLES,
) -> Spec | None:
    """The plot of the judged rows; None where there is no estimate. To be drawn with `theme.config(palette)`."""
    findings = drawn(comparison)
    if not findings:
        return None
    axis, style = axis_of(findings, comparison.max_slowdown), theme.mark_styles(palette)
    rows = _rows(findings, axis)
    across = _cost_channel(axis)
    down = number_of("row", scale={"domain": [len(rows) - 0.5, -0.5], "nice": False}, axis=None)
    band = {"x": max(1 / (1 + comparison.max_slowdown), axis.low), "x2": min(1 + comparison.max_slowdown, axis.high)}
    silent = {"aria": False}
    return chart(
        [
            layer("rect", [band], style["band"] | silent, x=across, x2={"field": "x2"}),
            layer("rule", [{"x": 1}], style["limit"] | silent, x=across),
            *_estimates(rows, palette, across, down),
            *_texts(rows, style, down, _colours(rows, palette)),
        ],
        width=width,
        height=max(_STRIP_PX, ROW_PX * len(rows)),
        description=f"{len(rows)} estimates with their intervals, the figures are in the table",
    )


def _cost_channel(axis: Axis) -> Spec:
    marks = ticks(axis)
    scale = {"type": axis.scale, "domain": [axis.low, axis.high], "nice": False}
    return number_of(
        "x",
        title="\u2190 better \u00b7 cost of the head \u00b7 worse \u2192",
        scale=scale | ({"zero": False} if axis.scale == "linear" else {}),
        axis={"values": marks, "labelExpr": _label_expression(marks, axis), "labelFlush": False, "grid": True},
    )


def _outcomes(rows: Sequence[Row]) -> list[str]:
    return [name for name in words.OUTCOMES if any(row["outcome"] == name for row in rows)]


def _colours(rows: Sequence[Row], palette: Mapping[str, str]) -> Spec:
    outcomes = _outcomes(rows)
    return name_of("outcome", outcomes, [palette[words.OUTCOMES[name].colour] for name in outcomes])


def _estimates(rows: Sequence[Row], palette: Mapping[str, str], across: Spec, down: Spec) -> list[Spec]:
    """Each interval as a line with its two ends, and the estimate as a point on it."""
    outcomes, colour = _outcomes(rows), _colours(rows, palette)
    hollow = [name for name in outcomes if words.OUTCOMES[name].hollow]
    line = {"strokeWidth": 2, "yOffset": 9, "y2Offset": 9, "aria": False}
    point = {"size": 130, "strokeWidth": 2, "opacity": 1, "yOffset": 9, "tooltip": expr("datum.tooltip")}
    between = {"x": across | {"field": "low"}, "x2": {"field": "high"}, "y": down}
    return [
        layer("rule", rows, line, **between, color=colour, strokeDash=as_is("dash", "nominal")),
        *(end for which in ("low", "high") for end in _ends(rows, which, x=across, y=down, color=colour)),
        layer(
            "point",
            rows,
            point,
            x=across,
            y=down,
            shape=name_of("outcome", outcomes, [words.OUTCOMES[name].shape for name in outcomes]),
            stroke=colour,
            fill=either(f"indexof({hollow}, datum.outcome) >= 0", palette["surface"], colour),
            description=name_of("name"),
        ),
    ]


def _texts(rows: Sequence[Row], style: Mapping[str, Spec], down: Spec, colour: Spec) -> list[Spec]:
    """The name of each row, left, and its outcome, right, both above its interval."""
    above = {"baseline": "middle", "dy": -10, "aria": False}
    name = above | {"align": "left", "x": 0, "limit": expr("width - 110")}
    outcome = above | {"align": "right", "x": "width", "fontSize": 12, "fontWeight": 500}
    return [
        *(layer("text", rows, style[part] | name, y=down, text=name_of("name")) for part in ("halo", "name")),
        layer("text", rows, outcome, y=down, text=name_of("outcome_text"), color=colour),
    ]


def _ends(rows: Sequence[Row], which: Literal["low", "high"], **channels: Spec) -> list[Spec]:
    """One end of each interval: a tick, or an arrow head where it goes on beyond the plot."""
    at = channels | {"x": channels["x"] | {"field": which}}
    tick = {"thickness": 2, "size": 9, "yOffset": 9, "aria": False}
    arrow = {"shape": "triangle-up", "angle": {"low": 270, "high": 90}[which], "size": 50, "filled": True, "opacity": 1}
    cut, whole = ([row for row in rows if (which in row["cut"]) == is_cut] for is_cut in (True, False))
    found = [("tick", whole, tick), ("point", cut, arrow | {"yOffset": 9, "aria": False})]
    return [layer(mark, some, style, **at) for mark, some, style in found if some]


def _label_expression(marks: Sequence[float], axis: Axis) -> str:
    """Vega's expression that writes each tick as `words.ratio` does."""
    # The expression compares with a margin, since the number may have been written and read in between.
    pairs = [f"abs(datum.value - {mark}) < {1e-9 * axis.high} ? '{words.tick(mark)}'" for mark in marks]
    return " : ".join([*pairs, "''"])
