"""One figure of one case, run after run: a series in, a Vega-Lite specification (a dict) out.

Time runs to the right. Each run is a dot, hollow where it has a warning; a line marks each level, and its change is
written above the place where the next one begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from statistics import median
from typing import Any

import altair as alt

from ..bench.stats.metrics import Unit
from ..bench.stats.trend import Point, Series
from . import theme
from .history import is_worse, time_text, title
from .notation import number

HEIGHT_PX = 130
# Runs drawn at most, the newest: more dots than pixels tell nothing.
MOST_RUNS = 300


def history_chart(series: Series, palette: Mapping[str, str] = theme.VARIABLES) -> dict[str, Any]:
    """The newest runs of a series with their levels; as wide as its box."""
    hidden = max(0, len(series.points) - MOST_RUNS)
    points = series.points[hidden:]
    unit = series.metric.unit
    form = points[-1].record.model.form if points[-1].record.model else "clip"
    across = alt.X("at:T", title=None, axis=alt.Axis(tickCount=5, grid=False, labelFlush=True))
    values = [unit.of(point.value) for point in points]
    pad = max(0.08 * (max(values) - min(values)), 0.01 * max(values))
    down = alt.Y(
        "value:Q",
        title=None,
        scale=alt.Scale(domain=[min(values) - pad, max(values) + pad], nice=False, zero=False),
        axis=alt.Axis(tickCount=4, labelExpr=f"datum.label + ' {unit.text}'"),
    )
    look = theme.looks(palette)
    dots = [_dot(point, unit) for point in points]
    levels = [level for level in _levels(series) if level["end"] >= dots[0]["at"]]
    layers: list[Any] = [
        alt.Chart(alt.Data(values=levels)).mark_rule(**look["median"], aria=False).encode(x=across, x2="end:T", y=down),
        alt.Chart(alt.NamedData("runs"))
        .mark_point(aria=False, strokeWidth=1.3, size=34, tooltip=alt.ExprRef(expr="datum.tooltip"))
        .encode(
            x=across,
            y=down,
            stroke=alt.value(palette[form]),
            fill=alt.when("datum.hollow").then(alt.value(palette["surface"])).otherwise(alt.value(palette[form])),
        ),
    ]
    if marks := _marks(series, hidden):
        at_steps = alt.Chart(alt.Data(values=marks))
        worse = alt.when("datum.worse")
        layers.append(at_steps.mark_rule(**look["limit"], aria=False).encode(x=across))
        layers.append(
            at_steps.mark_text(aria=False, fontSize=12, fontWeight=600, align="left", dx=4, dy=-8).encode(
                x=across,
                y=alt.value(0),
                text="text:N",
                fill=worse.then(alt.value(palette["error"])).otherwise(alt.value(palette["ink"])),
            )
        )
    text = f"{title(series)}: {len(series.points)} runs, {len(series.steps)} steps"
    drawn = alt.layer(*layers).properties(width="container", height=HEIGHT_PX, description=text)
    # The runs go in last: altair would walk through each of them several times.
    return drawn.to_dict(validate=False) | {"datasets": {"runs": dots}}  # as in charts.py


def _dot(point: Point, unit: Unit) -> dict[str, Any]:
    tooltip = {"Run": f"{time_text(point)} UTC", "Value": f"{number(unit.of(point.value), 4)} {unit.text}"}
    if point.normalised_latency_s:
        tooltip["Normalised"] = f"{number(1e3 * point.normalised_latency_s, 4)} ms"
    if point.commit:
        tooltip["Commit"] = point.commit
    if point.warnings:
        tooltip["Warning"] = "; ".join(point.warnings)
    return {"at": point.started_at, "value": unit.of(point.value), "hollow": bool(point.warnings), "tooltip": tooltip}


def _levels(series: Series) -> list[dict[str, Any]]:
    """Each level as a line from its first run to its last one."""
    borders = [0, *(step.first for step in series.steps), len(series.points)]
    found = []
    for low, high in pairwise(borders):
        clear = [point.value for point in series.points[low:high] if not point.warnings]
        if clear:
            ends = series.points[low].started_at, series.points[high - 1].started_at
            found.append({"at": ends[0], "end": ends[1], "value": series.metric.unit.of(median(clear))})
    return found


def _marks(series: Series, hidden: int) -> list[dict[str, Any]]:
    return [
        {
            "at": series.points[step.first].started_at,
            "text": f"{step.change:+.1%}",
            "worse": is_worse(series, step),
        }
        for step in series.steps
        if step.first >= hidden
    ]
