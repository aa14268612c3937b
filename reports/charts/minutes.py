"""A long run minute by minute: its minutes in, Vega-Lite specifications (dicts) out.

Misses are bars, all else is a line. Minutes in which the device throttled are shaded in every chart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import theme
from ..minutes import COLUMNS, RunMinute
from ..notation import number
from .spec import Spec, chart, expr, layer, number_of

_SILENT = {"aria": False}
_TOOLTIP = {"tooltip": expr("datum.tooltip")}


def missed_by_minute(found: Sequence[RunMinute], palette: Mapping[str, str] = theme.VARIABLES) -> Spec:
    """The share of frames that were missed, minute by minute."""
    rows = _rows(found, lambda each: each.frames.missed_share)
    high = max((row["value"] for row in rows), default=0.0)
    up = _upwards(0, max(0.01, 1.1 * high), {"format": ".1~%"})
    wide = expr(f"max(1, 0.7 * width / {len(found)})")
    bar = {"fill": palette["error"], "width": wide} | _TOOLTIP
    layers = [*_throttled(found, palette), layer("bar", "minutes", bar | _SILENT, x=_across(found), y=up)]
    return _chart(layers, rows, f"Missed frames, minute by minute: at most {number(100 * high)} %")


def median_by_minute(
    found: Sequence[RunMinute], form: str, palette: Mapping[str, str] = theme.VARIABLES
) -> Spec | None:
    """The median latency, minute by minute; None where most frames of every minute were dropped."""
    rows = _rows(found, lambda each: None if each.frames.median_s is None else 1e3 * each.frames.median_s)
    if not rows:
        return None
    high = max(row["value"] for row in rows)
    layers = [*_throttled(found, palette), *_line(found, palette[form], 0, 1.15 * high, "ms")]
    return _chart(layers, rows, f"Median latency, minute by minute: at most {number(high)} ms")


# What the device did: the name of the column -> the label of its chart, and its unit, in which the axis is.
DEVICE = {"Heat": "Heat of the hottest zone", "CPU clock": "CPU clock", "GPU clock": "GPU clock"}


def device_by_minute(
    found: Sequence[RunMinute], palette: Mapping[str, str] = theme.VARIABLES
) -> list[tuple[str, Spec]]:
    """Heat and clocks as far as they were read, each with its label."""
    drawn = []
    for column in COLUMNS:
        label = DEVICE.get(column.head)
        rows = _rows(found, lambda each, column=column: _shown(column, each)) if label else []
        if label and rows:
            values = [row["value"] for row in rows]
            low = 10 * math.floor(min(values) / 10 - 0.5) if column.head == "Heat" else 0
            high = 10 * math.ceil(max(values) / 10 + 0.5) if column.head == "Heat" else 1.15 * max(values)
            layers = [*_throttled(found, palette), *_line(found, palette["ink"], low, high, column.unit.text)]
            text = f"{label}, minute by minute: {number(min(values))} to {number(max(values))} {column.unit.text}"
            drawn.append((label, _chart(layers, rows, text)))
    return drawn


def _shown(column: Any, each: RunMinute) -> float | None:
    value = column.cell(each).value
    return None if value is None else column.unit.of(value)


def _rows(found: Sequence[RunMinute], value: Callable[[RunMinute], float | None]) -> list[dict[str, Any]]:
    values = [(each, value(each)) for each in found]
    return [
        {"minute": each.place, "value": shown, "tooltip": _tooltip(each)}
        for each, shown in values
        if shown is not None and math.isfinite(shown)
    ]


def _tooltip(each: RunMinute) -> dict[str, str]:
    shown = {"Minute": str(each.place), "Missed": f"{each.frames.missed} of {each.frames.due}"}
    for column in COLUMNS[1:]:
        cell = column.cell(each)
        if cell.value is not None:
            unit = "" if cell.text == "dropped" else column.unit.text
            shown[column.head] = f"{cell.text} {unit}".strip()
    return shown


def _throttled(found: Sequence[RunMinute], palette: Mapping[str, str]) -> list[Spec]:
    """A shade over each minute in which the device throttled."""
    rows = [
        {"minute": each.place - 0.5, "end": each.place + 0.5, "tooltip": _tooltip(each)} for each in found if each.signs
    ]
    shade = {"fill": palette["warn"], "fillOpacity": 0.18} | _TOOLTIP | _SILENT
    return [layer("rect", rows, shade, x=_across(found), x2={"field": "end"})] if rows else []


def _line(found: Sequence[RunMinute], colour: str, low: float, high: float, unit: str) -> list[Spec]:
    across, up = _across(found), _upwards(low, high, {"labelExpr": f"datum.label + ' {unit}'"})
    line = {"stroke": colour, "strokeWidth": 1.6, "point": False} | _SILENT
    dot = {"filled": True, "fill": colour, "size": 30, "opacity": 1} | _TOOLTIP | _SILENT
    return [layer("line", "minutes", line, x=across, y=up), layer("point", "minutes", dot, x=across, y=up)]


def _across(found: Sequence[RunMinute]) -> Spec:
    count = len(found)
    return number_of(
        "minute",
        title="minute",
        scale={"domain": [0.4, count + 0.6], "nice": False, "zero": False},
        axis={"grid": False, "tickCount": min(count, 10), "tickMinStep": 1, "format": "d"},
    )


def _upwards(low: float, high: float, axis: Spec) -> Spec:
    scale = {"domain": [low, high], "nice": False, "zero": False}
    return number_of("value", title=None, scale=scale, axis={"tickCount": 4} | axis)


def _chart(layers: Sequence[Spec], rows: Sequence[Mapping[str, Any]], text: str) -> Spec:
    return chart(layers, width="container", height=90, description=text, datasets={"minutes": list(rows)})
