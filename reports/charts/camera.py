"""The frames of one camera: their times in, Vega-Lite specifications (dicts) out.

The strip says when frames were answered in time, late, or not at all; the curve what share was answered by a time
since they were due. Of long runs neighbours are drawn as one, and no miss is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...bench.stats.camera import FrameTimes
from .. import theme
from ..notation import number
from .axis import axis_of
from .spec import Spec, chart, expr, layer, name_of, names, number_of

OUTCOMES = ("in time", "late", "dropped")
# There are no more pixels: of more frames, neighbours are one mark in each lane in which one of them is.
MOST_PLACES = 300
MOST_STEPS = 200  # of the curve
HEIGHT_PX = 130  # of the curve
STRIP_PX = 300  # about as wide as a strip is
_SHORTEST_MS = 0.01  # on a scale of powers of ten nothing is 0

_SILENT = {"aria": False}


def _colours(palette: Mapping[str, str], form: str) -> dict[str, str]:
    return dict(zip(OUTCOMES, (palette[form], palette["warn"], palette["error"]), strict=True))


def outcomes(times: FrameTimes) -> list[dict[str, Any]]:
    """The marks of the strip: for each place in time, and each lane in which there are frames, one."""
    if not times.due:
        return []
    which = np.where(np.isinf(times.latency_s), 2, np.where(times.latency_s > times.deadline_s, 1, 0))
    found = []
    for part in np.array_split(np.arange(times.due), min(times.due, MOST_PLACES)):
        begin_s, end_s = float(times.due_s[part[0]]), float(times.due_s[part[-1]])
        at = f"{number(begin_s)} s" if len(part) == 1 else f"{number(begin_s)} to {number(end_s)} s"
        for place, outcome in enumerate(OUTCOMES):
            if count := int((which[part] == place).sum()):
                what = outcome if len(part) == 1 else f"{count} of {len(part)}"
                found.append({"s": begin_s, "outcome": outcome, "tooltip": {"Due": at, outcome.capitalize(): what}})
    return found


def strip_chart(times: FrameTimes, form: str, palette: Mapping[str, str] = theme.VARIABLES) -> Spec:
    """What became of the frames, over the time at which they were due: a lane for each outcome that there was."""
    marks, colours = outcomes(times), _colours(palette, form)
    present = [each for each in OUTCOMES if any(mark["outcome"] == each for mark in marks)]
    long = times.end_s >= 120
    across = number_of(
        "s",
        title=None,
        scale={"domain": [0, max(times.end_s, 1e-3)], "nice": False},
        axis={"tickCount": 5, "grid": False, "labelFlush": True}
        | {"labelExpr": "(datum.value / 60) + ' min'" if long else "datum.label + ' s'"}
        | ({"values": _minute_ticks(times.end_s)} if long else {}),
    )
    beside = {"ticks": False, "domain": False, "labelPadding": 8}  # the first mark is half outside
    down = name_of("outcome") | {"scale": {"domain": present}, "title": None, "axis": beside}
    # Neighbours touch, so that a lane without a gap is one band.
    thick = min(6.0, STRIP_PX / min(max(1, times.due), MOST_PLACES) + 0.5)
    tick = {"thickness": thick, "bandSize": 15, "opacity": 1, "tooltip": expr("datum.tooltip")} | _SILENT
    fill = name_of("outcome", present, [colours[each] for each in present])
    text = f"Over {number(times.end_s)} s: {times.in_time} frames in time, {times.late} late, {times.dropped} dropped"
    layers = [layer("tick", "frames", tick, x=across, y=down, color=fill)]
    height = 18 * max(1, len(present))
    return chart(layers, width="container", height=height, description=text, datasets={"frames": marks})


def _minute_ticks(end_s: float) -> list[float]:
    """Whole minutes, five at most, in seconds."""
    step = next((step for step in (1, 2, 5, 10, 15, 30, 60, 120, 360) if end_s / 60 / step <= 5), 1440)
    return [60.0 * step * count for count in range(int(end_s / 60 / step) + 1)]


def answered_by(times: FrameTimes) -> list[dict[str, Any]]:
    """The curve: by which time since they were due which share of the frames was answered. It ends below 1 where
    frames were dropped."""
    ordered = np.sort(times.latency_s[np.isfinite(times.latency_s)])
    count = len(ordered)
    ranks = range(count) if count <= MOST_STEPS else np.linspace(0, count - 1, MOST_STEPS).round().astype(int).tolist()
    return [_step(float(ordered[rank]), (rank + 1) / times.due) for rank in ranks]


def _step(latency_s: float, share: float) -> dict[str, Any]:
    ms = max(_SHORTEST_MS, 1e3 * latency_s)
    tooltip = {"Answered": f"{number(100 * share)} %", "Within": f"{number(ms)} ms"}
    return {"ms": ms, "share": share, "tooltip": tooltip}


def answered_chart(times: FrameTimes, form: str, palette: Mapping[str, str] = theme.VARIABLES) -> Spec | None:
    """The share of frames that were answered by a time since they were due, with the deadline; None: none was."""
    steps = answered_by(times)
    if not steps:
        return None
    style, deadline = theme.mark_styles(palette), 1e3 * times.deadline_s
    axis = axis_of([steps[0]["ms"], steps[-1]["ms"], deadline], "log", margin=0.06)
    across = axis.channel("ms", "ms since the frame was due")
    up = number_of(
        "share",
        title=None,
        scale={"domain": [0, 1], "nice": False},
        axis={"values": [0, 0.25, 0.5, 0.75, 1], "format": "%"},
    )
    ends = {"tooltip": steps[-1]["tooltip"], "share": steps[-1]["share"], "ms": axis.high}
    line = [{"ms": axis.low, "share": 0.0, "tooltip": steps[0]["tooltip"]}, *steps, ends]
    drawn = {"stroke": palette[form], "strokeWidth": 2, "interpolate": "step-after", "clip": True} | _SILENT
    dot = {"filled": True, "opacity": 0, "size": 90, "fill": palette[form], "tooltip": expr("datum.tooltip")} | _SILENT
    text = f"deadline {number(deadline)} ms"
    left = axis.share(deadline) > 0.5  # its name stands where there is room
    limit = [{"ms": deadline, "text": text, "align": "right" if left else "left", "dx": -5 if left else 5}]
    place = 0.9 if times.in_time > 0.3 * times.due else 0.1  # below a high curve, above a low one
    layers = [
        layer("rule", limit, style["limit"] | _SILENT, x=across),
        layer("line", line, drawn, x=across, y=up),
        layer("point", "steps", dot, x=across, y=up),
        *names(limit, style, x=across, y={"value": place * HEIGHT_PX}, text=name_of("text")),
    ]
    share = times.in_time / times.due
    text = f"{number(100 * share)} % of {times.due} frames were answered within {number(deadline)} ms"
    return chart(layers, width="container", height=HEIGHT_PX, description=text, datasets={"steps": steps})
