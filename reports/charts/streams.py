"""Misses over the number of cameras: what was tried in, a Vega-Lite specification (a dict) out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...bench.record.camera import Streams, StreamsTrial, Way
from ...bench.stats.capacity import SHARE, longest, share_interval
from .. import theme
from ..notation import number
from .spec import Spec, chart, expr, layer, names, number_of

HEIGHT_PX = 130
WAYS: tuple[Way, ...] = ("one after the other", "one call for all")
_TICKS = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
_SILENT = {"aria": False}
_APART = 0.08  # of a camera, to the left and to the right: so that intervals do not cover each other


def missed_over_cameras(found: Streams, form: str, palette: Mapping[str, str] = theme.VARIABLES) -> Spec | None:
    """The share of misses over the number of cameras, a line for each way, with the limit of 1 %; None: of one number
    there is nothing to draw."""
    trials = longest(found)
    if len({trial.streams for trial in trials}) < 2:
        return None
    style, most = theme.mark_styles(palette), max(trial.streams for trial in trials)
    across = number_of(
        "x",
        title="cameras",
        scale={"domain": [0.5, most + 0.5], "nice": False, "zero": False},
        axis={"grid": False, "tickCount": min(most, 8), "tickMinStep": 1, "format": "d"},
    )
    high = max(0.02, 1.05 * max(trial.missed_share or 0.0 for trial in trials))
    up = number_of(
        "share",
        title=None,
        scale={"type": "sqrt", "domain": [0, min(1.0, high)], "nice": False, "clamp": True},
        axis={"values": [tick for tick in _TICKS if tick <= high], "format": "~%"},
    )
    limit = [{"share": SHARE, "x": most + 0.5, "text": f"{100 * SHARE:g} %", "align": "right", "dx": 0, "dy": -7}]
    layers = [layer("rule", limit, style["limit"] | _SILENT, y=up)]
    for way in WAYS:
        rows = [_row(trial) for trial in trials if trial.way == way]
        layers += _way(rows, way, palette[form], palette["surface"], {"x": across, "y": up})
    layers += names(limit, style, x=across, y=up, text={"field": "text", "type": "nominal"})
    said = ", ".join(f"{row.streams}: {number(100 * (row.missed_share or 0.0))} %" for row in _of_shown(trials, found))
    return chart(layers, width="container", height=HEIGHT_PX, description=f"Missed by cameras, {found.way}: {said}")


def _of_shown(trials: Sequence[StreamsTrial], found: Streams) -> list[StreamsTrial]:
    return [trial for trial in trials if trial.way == found.way]


def _row(trial: StreamsTrial) -> dict[str, Any]:
    low, high = share_interval(trial)
    tooltip = {
        "Cameras": f"{trial.streams}, {trial.way}",
        "Missed": f"{trial.missed} of {trial.due} in {number(trial.seconds)} s",
        "Worst camera": f"{trial.worst_missed} of {trial.worst_due}",
        "At most 1 %": trial.verdict,
    }
    x = trial.streams + (_APART if trial.way == WAYS[1] else -_APART)
    return {"x": x, "share": trial.missed_share, "low": low, "high": high, "tooltip": tooltip}


def _way(rows: Sequence[Mapping[str, Any]], way: Way, colour: str, surface: str, at: Mapping[str, Spec]) -> list[Spec]:
    """Intervals, a line and points; of one call for all the line is dashed and the points are rings."""
    dashed = {} if way == WAYS[0] else {"strokeDash": [4, 3]}
    point = {"filled": True, "opacity": 1, "size": 45, "stroke": colour, "strokeWidth": 1.5}
    point |= {"fill": colour if way == WAYS[0] else surface, "tooltip": expr("datum.tooltip")}
    ends = {"y": at["y"] | {"field": "low"}, "y2": {"field": "high"}}
    return [
        layer("rule", rows, {"stroke": colour, "strokeWidth": 1, "opacity": 0.6} | _SILENT, x=at["x"], **ends),
        layer("line", rows, {"stroke": colour, "strokeWidth": 1.5} | dashed | _SILENT, **at),
        layer("point", rows, point | _SILENT, **at),
    ]
