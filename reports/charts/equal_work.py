"""What a second of video costs over the stride of a clip network: a pair's costs in, a Vega-Lite specification out.

Clips are squares on a falling line, one for each stride worth a look; the frame network is the flat line. Where the two
cross, both cost the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import theme
from ..equal_work import Work, cost_of_video, of_video
from ..notation import number
from .axis import axis_of
from .pareto import SHAPES
from .spec import Spec, chart, expr, layer, name_of, names

HEIGHT_PX = 200
_SILENT = {"aria": False}


def equal_work_chart(work: Work, palette: Mapping[str, str] = theme.VARIABLES) -> Spec:
    """The costs of one pair; as wide as its box."""
    costs, unit, style = work.costs, work.cost.unit, theme.mark_styles(palette)
    flat = unit.of(cost_of_video(costs))
    points = [_point(work, stride) for stride in costs.strides]
    x = axis_of([1, costs.strides[-1]], "log", margin=0.07)
    y = axis_of([flat, *(point["y"] for point in points)], "log", margin=0.12)
    across = x.channel("x", "stride of the clips, frames (log)")
    up = y.channel("y", f"{of_video(costs)}, {unit.text} (log)")
    line = {"stroke": palette["clip"], "strokeWidth": 1.6} | _SILENT
    square = {"shape": SHAPES["clip"], "filled": True, "fill": palette["clip"], "size": 60, "opacity": 1}
    level = [{"x": x.low, "x2": x.high, "y": flat, "tooltip": {work.frame: f"{number(flat)} {unit.text}"}}]
    level_line = {"stroke": palette["frame"], "strokeWidth": 2.2, "tooltip": expr("datum.tooltip")} | _SILENT
    named = [
        {"x": points[0]["x"], "y": points[0]["y"], "text": work.clip, "align": "left", "dx": 9, "dy": 0},
        {"x": x.low, "y": flat, "text": work.frame, "align": "left", "dx": 6, "dy": -10},
    ]
    layers = [
        layer("line", "strides", line, x=across, y=up),
        layer("rule", level, level_line, x=across, y=up, x2={"field": "x2"}),
        *_crossing(work, flat, style, palette, across, up),
        layer("point", "strides", square | {"tooltip": expr("datum.tooltip")} | _SILENT, x=across, y=up),
        *names(named, style, x=across, y=up, text=name_of("text")),
    ]
    text = f"{work.clip} and {work.frame} cost the same at a stride of {number(costs.stride)} frames"
    return chart(layers, width="container", height=HEIGHT_PX, description=text, datasets={"strides": points})


def _point(work: Work, stride: int) -> dict[str, Any]:
    value = work.cost.unit.of(cost_of_video(work.costs, stride))
    tooltip = {"Stride": f"{stride} frames", work.clip: f"{number(value)} {work.cost.unit.text}"}
    return {"x": stride, "y": value, "tooltip": tooltip}


def _crossing(
    work: Work, flat: float, style: Mapping[str, Any], palette: Mapping[str, str], across: Spec, up: Spec
) -> list[Spec]:
    """Where both cost the same, if clips are dearer at stride 1."""
    if work.costs.stride < 1:
        return []
    at = [{"x": work.costs.stride, "y": flat, "tooltip": {"Same cost": f"stride {number(work.costs.stride)}"}}]
    ring = {"filled": False, "stroke": palette["ink"], "strokeWidth": 2, "size": 160, "opacity": 1}
    said = {"align": "right", "dx": -12, "dy": 16, "text": f"same at {number(work.costs.stride)}"}
    return [
        layer("rule", at, style["limit"] | _SILENT, x=across),
        layer("point", at, ring | {"tooltip": expr("datum.tooltip")} | _SILENT, x=across, y=up),
        *names([at[0] | said], style, x=across, y=up, text=name_of("text")),
    ]
