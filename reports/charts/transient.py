"""Answers frame by frame after a start (Fig. 5 of the paper): records of one network in, a Vega-Lite specification (a
dict) out.

Starts differ by colour and by dash; delay and receptive field are rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...bench.record.record import Record
from ...bench.record.transient import CurvePoint, Transient
from ...bench.stats.transient import delay, receptive_field
from .. import theme
from ..select import model_title
from ..tables.transient import MEASURE_TITLES, point_text
from .spec import Row, Spec, chart, expr, layer, name_of, names, number_of

HEIGHT_PX = 240
# By start: a colour of the theme, and a dash.
STYLES = {"zeros": ("frame", (1, 0)), "replicate": ("clip", (6, 3)), "cut": ("highlight", (2, 2))}
_SILENT = {"aria": False}


def transient_chart(
    records: Sequence[Record], levels: Mapping[str, float] | None = None, palette: Mapping[str, str] = theme.VARIABLES
) -> Spec:
    """The starts of one network and one figure. `levels`: shares to compare with, by what they are; of the paper the
    clip network's, dotted."""
    runs = [(record, record.transient) for record in records if record.transient]
    rows = [_row(run, number, point) for _, run in runs for number, point in enumerate(run.curve, 1)]
    longest = max(row["frames"] for row in rows)
    high = max([row["high"] for row in rows] + [100 * value for value in (levels or {}).values()])
    across = number_of(
        "frames",
        title="frames since the start",
        scale={"domain": [0, longest + 1], "nice": False},
        axis={"grid": False, "tickMinStep": 1, "format": "d"},
    )
    measure = runs[0][1].measure
    up = number_of(
        "value", title=f"{MEASURE_TITLES[measure]}, %", scale={"domain": [0, 1.1 * high or 1], "nice": False}
    )
    starts = list(dict.fromkeys(run.start for _, run in runs))
    colours = {"domain": starts, "range": [palette[STYLES[start][0]] for start in starts]}
    dashes = {"domain": starts, "range": [list(STYLES[start][1]) for start in starts]}
    legend = {"title": None, "orient": "top", "symbolType": "stroke"}
    colour = {"field": "start", "type": "nominal", "scale": colours, "legend": legend}
    dash = {"field": "start", "type": "nominal", "scale": dashes, "legend": legend}
    shade = {"opacity": 0.14} | _SILENT
    line = {"strokeWidth": 1.8} | _SILENT
    dot = {"filled": True, "size": 22, "opacity": 1, "tooltip": expr("datum.tooltip")} | _SILENT
    layers = [
        layer("area", "answers", shade, x=across, y=up | {"field": "low"}, y2={"field": "high"}, fill=colour),
        *_marks(runs[0][0], longest, across, palette),
        *_levels(levels or {}, longest, across, up, palette),
        layer("line", "answers", line, x=across, y=up, stroke=colour, strokeDash=dash),
        layer("point", "answers", dot, x=across, y=up, fill=colour),
    ]
    return chart(
        layers, width="container", height=HEIGHT_PX, description=_described(records), datasets={"answers": rows}
    )


def _row(run: Transient, number: int, point: CurvePoint) -> dict[str, Any]:
    tooltip = {"Start": run.start, "Frames": str(number), MEASURE_TITLES[run.measure]: f"{point_text(run, point)} %"}
    ends = {name: 100 * getattr(point, name) for name in ("value", "low", "high")}
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


def _levels(
    levels: Mapping[str, float], longest: int, across: Spec, up: Spec, palette: Mapping[str, str]
) -> list[Spec]:
    rows: list[Row] = [
        {"frames": longest, "value": 100 * value, "text": text, "align": "right", "dx": 0, "dy": -8}
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
