"""One figure of one case, run after run: a series in, a Vega-Lite specification (a dict) out.

Time runs to the right. Each run is a dot, hollow where it has a warning; a line marks each level, and its change is
written above where the next one begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from statistics import median
from typing import Any

from ...bench.stats.metrics import Unit
from ...bench.stats.trend import Point, Series
from .. import theme
from ..history import is_worse, time_text, title
from ..notation import number
from .spec import Spec, chart, either, expr, layer, name_of, number_of, time_of

HEIGHT_PX = 130
# Runs drawn at most, the newest: there are no more pixels.
MOST_RUNS = 300


def history_chart(series: Series, palette: Mapping[str, str] = theme.VARIABLES) -> Spec:
    """The newest runs of a series with their levels; as wide as its box."""
    hidden = max(0, len(series.points) - MOST_RUNS)
    points = series.points[hidden:]
    unit = series.metric.unit
    form = points[-1].record.model.form if points[-1].record.model else "clip"
    values = [unit.of(point.value) for point in points]
    low, high = min(values), max(values)
    pad = max(0.08 * (high - low), 0.01 * high)
    style, silent = theme.mark_styles(palette), {"aria": False}
    dots = [_dot(point, unit) for point in points]
    levels = [level for level in _levels(series) if level["end"] >= dots[0]["at"]]
    across = time_of("at", title=None, axis={"tickCount": 5, "grid": False, "labelFlush": True})
    up = number_of(
        "value",
        title=None,
        scale={"domain": [low - pad, high + pad], "nice": False, "zero": False},
        axis={"tickCount": 4, "labelExpr": f"datum.label + ' {unit.text}'"},
    )
    dot = {"strokeWidth": 1.3, "size": 34, "stroke": palette[form], "tooltip": expr("datum.tooltip")}
    fill = either("datum.hollow", palette["surface"], palette[form])
    layers = [
        layer("rule", levels, style["median"] | silent, x=across, x2={"field": "end"}, y=up),
        layer("point", "runs", dot | silent, x=across, y=up, fill=fill),
    ]
    if marks := _marks(series, hidden):
        change = {"fontSize": 12, "fontWeight": 600, "align": "left", "dx": 4, "dy": -8}
        fill = either("datum.worse", palette["error"], palette["ink"])
        layers.append(layer("rule", marks, style["limit"] | silent, x=across))
        layers.append(layer("text", marks, change | silent, x=across, y={"value": 0}, text=name_of("text"), fill=fill))
    text = f"{title(series)}: {len(series.points)} runs, {len(series.steps)} steps"
    return chart(layers, width="container", height=HEIGHT_PX, description=text, datasets={"runs": dots})


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
