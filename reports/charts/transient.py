"""Answers frame by frame after a start (Fig. 5 of the paper): records of one network in, a Vega-Lite specification (a
dict) out.

Starts differ by colour and by dash; delay and receptive field are rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...bench.record.record import Record
from ...bench.record.transient import CurvePoint, Measure, Transient
from ...bench.stats.transient import delay, receptive_field
from .. import theme
from ..select import model_title
from ..tables.transient import LEAST, MEASURE_TITLES, point_text
from .spec import Row, Spec, chart, expr, layer, name_of, names, number_of

HEIGHT_PX = 240
# By start: a colour of the theme, and a dash.
STYLES = {"zeros": ("frame", (1, 0)), "replicate": ("clip", (6, 3)), "cut": ("highlight", (2, 2))}
_SILENT = {"aria": False}
_LEGEND = {"title": None, "orient": "top", "symbolType": "stroke", "symbolSize": 400, "symbolStrokeWidth": 2}
_FLOOR = 100 * LEAST  # errors below it are rounding, and are drawn there


def transient_chart(
    records: Sequence[Record], levels: Mapping[str, float] | None = None, palette: Mapping[str, str] = theme.VARIABLES
) -> Spec:
    """The starts of one network and one figure. `levels`: shares to compare with, by what they are; of the paper the
    clip network's, dotted."""
    runs = [(record, record.transient) for record in records if record.transient]
    rows = [_row(run, number, point) for _, run in runs for number, point in enumerate(run.curve, 1)]
    longest = max(row["frames"] for row in rows)
    high = max([row["high"] for row in rows] + [100 * value for value in (levels or {}).values()])
    across, up = _across(longest), _upwards(runs[0][1].measure, high)
    starts = list(dict.fromkeys(run.start for _, run in runs))
    colours = {"domain": starts, "range": [palette[STYLES[start][0]] for start in starts]}
    dashes = {"domain": starts, "range": [list(STYLES[start][1]) for start in starts]}
    colour = {"field": "start", "type": "nominal", "scale": colours, "legend": _LEGEND}
    dash = {"field": "start", "type": "nominal", "scale": dashes, "legend": _LEGEND}
    dot = {"filled": True, "size": 22, "opacity": 1, "tooltip": expr("datum.tooltip")} | _SILENT
    ends = {"y": up | {"field": "low"}, "y2": {"field": "high"}}
    layers = [
        layer("area", "answers", {"fillOpacity": 0.14} | _SILENT, x=across, fill=colour, **ends),
        layer("line", "answers", {"strokeWidth": 1.8} | _SILENT, x=across, y=up, stroke=colour, strokeDash=dash),
        layer("point", "answers", dot, x=across, y=up, fill=colour),
        *_marks(runs[0][0], longest, across, palette),
        *_levels(levels or {}, across, up, palette),
    ]
    text = _described(records)
    return chart(layers, width="container", height=HEIGHT_PX, description=text, datasets={"answers": rows})


def _across(longest: int) -> Spec:
    scale = {"domain": [0, longest + 1], "nice": False}
    axis = {"grid": False, "tickMinStep": 1, "format": "d"}
    return number_of("frames", title="frames since the start", scale=scale, axis=axis)


def _upwards(measure: Measure, high: float) -> Spec:
    """In per cent. An error falls by decades, down to where it is rounding; above it is room for names."""
    title = f"{MEASURE_TITLES[measure]}, %"
    if measure == "top1":
        return number_of("value", title=title, scale={"domain": [0, 1.1 * high or 1], "nice": False})
    scale = {"type": "log", "domain": [_FLOOR, max(8 * high, 10 * _FLOOR)], "nice": False, "zero": False}
    axis = {"values": [10.0**power for power in range(-3, 6)], "format": "~r"}
    return number_of("value", title=f"{title} (log)", scale=scale, axis=axis)


def _row(run: Transient, number: int, point: CurvePoint) -> dict[str, Any]:
    tooltip = {"Start": run.start, "Frames": str(number), MEASURE_TITLES[run.measure]: f"{point_text(run, point)} %"}
    ends = {name: 100 * getattr(point, name) for name in ("value", "low", "high")}
    if run.measure == "error":
        ends = {name: max(value, _FLOOR) for name, value in ends.items()}
    return {"frames": number, "start": run.start, "tooltip": tooltip, **ends}


def _marks(record: Record, longest: int, across: Spec, palette: Mapping[str, str]) -> list[Spec]:
    """The delay and the receptive field, where the network has them and the curve reaches them."""
    known = {"delay": delay(record), "receptive field": receptive_field(record)}
    rows = [{"frames": at, "text": f"{word} {at}"} for word, at in known.items() if at is not None and at <= longest]
    if not rows:
        return []
    placed = [row | {"align": "right", "dx": -5, "dy": 8 + 16 * number} for number, row in enumerate(rows)]
    style = theme.mark_styles(palette)
    top: dict[str, Any] = {"value": 0}
    return [
        layer("rule", rows, style["limit"] | _SILENT, x=across),
        *names(placed, style, x=across, y=top, text=name_of("text")),
    ]


def _levels(levels: Mapping[str, float], across: Spec, up: Spec, palette: Mapping[str, str]) -> list[Spec]:
    rows: list[Row] = [
        {"frames": 0, "value": 100 * value, "text": text, "align": "left", "dx": 6, "dy": -8}
        for text, value in levels.items()
    ]
    if not rows:
        return []
    style = theme.mark_styles(palette)
    dotted = {"stroke": palette["ink"], "strokeWidth": 1.2, "strokeDash": [1, 3]} | _SILENT
    return [
        layer("rule", rows, dotted, y=up),
        *names(rows, style, x=across, y=up, text=name_of("text")),
    ]


def _described(records: Sequence[Record]) -> str:
    known = [f"{word} {at} frames" for word, at in (("delay", delay(records[0])),
             ("receptive field", receptive_field(records[0]))) if at is not None]  # fmt: skip
    return ", ".join((f"Answers of {model_title(records[0])} over the frames since a start", *known))
