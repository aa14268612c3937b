"""Figures 1 and 5 of the paper with what was measured here: data in, Vega-Lite specifications (dicts) out.

In both the paper's figures are hollow or thin, ours are filled or broad, with their intervals. Figure 1 has a square
for each clip network and a circle for each frame network; lines lead from a clip network to its frame version, and on
to the longer pool.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import theme
from . import labels
from .axis import axis_of
from .pareto import FORMS, SHAPES, MarkStyles
from .spec import Spec, Width, chart, either, expr, layer, name_of, names, number_of, only

HEIGHT_PX = 380
WIDTHS_PX = (280.0, 500.0)  # phone, half a desk; on a whole one points lie further apart
_POINTS = "points"


@dataclass(frozen=True)
class Spot:
    """A network in Figure 1: its cost across, its accuracy in percent up."""

    model: str
    title: str
    form: str
    before: str | None  # the network that it was made from
    x: float
    y: float
    low: float | None = None  # the interval of a measured accuracy
    high: float | None = None
    here: bool = False  # both figures were measured here
    tooltip: Mapping[str, str] | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """From where to where it reaches upwards."""
        return (self.y if self.low is None else self.low), (self.y if self.high is None else self.high)


def tradeoff_chart(
    spots: Sequence[Spot],
    title: str,
    across: str,
    width: Width = "container",
    palette: Mapping[str, str] = theme.VARIABLES,
) -> Spec | None:
    """Accuracy over a cost (logarithmic; `across` names it); None where there is no network."""
    if not spots:
        return None
    x = axis_of([spot.x for spot in spots], "log", 0.14)
    y = axis_of([end for spot in spots for end in spot.ends], "linear", 0.16)
    lines = list(_lines(spots))

    def at(spot: Spot) -> tuple[float, float]:
        return x.share(spot.x), 1 - y.share(spot.y)

    named = [labels.Point(*at(spot), spot.title) for spot in spots]
    crossed = [labels.Line(at(start), at(end), 10.0) for start, end in lines]
    positions = labels.label_positions(named, crossed, HEIGHT_PX, WIDTHS_PX)
    rows = [_row(spot, position) for spot, position in zip(spots, positions, strict=True)]
    style, channels = theme.mark_styles(palette), {"x": x.channel("x", across), "y": y.channel("y", "accuracy, %")}
    ties = [{"x": a.x, "y": a.y, "x2": b.x, "y2": b.y} for a, b in lines]
    ends = [{"x": spot.x, "low": spot.ends[0], "high": spot.ends[1]} for spot in spots if spot.low is not None]
    return chart(
        [
            layer("rule", ties, style["leader"] | {"aria": False}, **channels, x2={"field": "x2"}, y2={"field": "y2"}),
            layer(
                "rule",
                ends,
                style["median"] | {"aria": False},
                x=channels["x"],
                **_ends(y.channel("low", "accuracy, %")),
            ),
            *_networks(style, palette, channels),
        ],
        width=width,
        height=HEIGHT_PX,
        description=f"{title}: {len(spots)} points, the figures are in the table",
        datasets={_POINTS: rows},
    )


def _ends(low: Spec) -> dict[str, Spec]:
    return {"y": low, "y2": {"field": "high"}}


def _lines(spots: Sequence[Spot]) -> Iterator[tuple[Spot, Spot]]:
    """From each network to what was made of it, ours to ours and the paper's to the paper's."""
    known = {(spot.model, spot.here): spot for spot in spots}
    for spot in spots:
        if start := known.get((spot.before or "", spot.here)):
            yield start, spot


def _row(spot: Spot, position: labels.LabelPosition) -> dict[str, Any]:
    return {
        "title": spot.title,
        "form": spot.form,
        "x": spot.x,
        "y": spot.y,
        "hollow": not spot.here,
        "tooltip": {"title": spot.title, **(spot.tooltip or {})},
        "dx": position.dx,
        "dy": position.dy,
        "align": position.align,
        "far": position.far,
    }


def _networks(style: MarkStyles, palette: Mapping[str, str], at: Mapping[str, Spec]) -> list[Spec]:
    colour = name_of("form", FORMS, [palette[form] for form in FORMS])
    leader = {"xOffset": expr("0.3 * datum.dx"), "yOffset": expr("0.3 * datum.dy"), "aria": False}
    leader |= {"x2Offset": expr("0.86 * datum.dx"), "y2Offset": expr("0.86 * datum.dy")}
    leaders = layer("rule", _POINTS, style["leader"] | leader, **at, x2={"field": "x"}, y2={"field": "y"})
    points = layer(
        "point",
        _POINTS,
        {"size": 110, "strokeWidth": 2, "opacity": 1, "tooltip": expr("datum.tooltip")},
        **at,
        shape=name_of("form", FORMS, [SHAPES[form] for form in FORMS]),
        stroke=colour,
        fill=either("datum.hollow", palette["surface"], colour),
        description=name_of("title"),
    )
    return [only("datum.far", leaders), points, *names(_POINTS, style, **at, text=name_of("title"))]


@dataclass(frozen=True)
class StartLines:
    """The start of a network in Figure 5: what the paper prints of it, and the curves that were measured."""

    title: str
    clip_title: str
    delay: int  # frames before normal operation
    steady: float  # percent
    clip: float
    peak: tuple[int, float]  # frames seen, percent
    curves: Mapping[
        str, Sequence[tuple[float, float, float]]
    ]  # by start: (value, low, high) in percent, frame by frame


START_HEIGHT_PX = 340
MOST_PERCENT = 75
NEAR_PERCENT = 3  # of two figures whose names would stand in the same place
LEAST_FRAMES = 80  # across, where no curve is longer
# How the curves of a start are drawn; a start that is not here is drawn as the last one.
DASHES: Mapping[str, list[int]] = {"zeros": [1, 0], "replicate": [7, 4]}


def start_chart(lines: StartLines, width: Width = "container", palette: Mapping[str, str] = theme.VARIABLES) -> Spec:
    """Accuracy over frames seen since the start, of one network."""
    style, silent = theme.mark_styles(palette), {"aria": False}
    longest = max([LEAST_FRAMES, *map(len, lines.curves.values())])
    scale = {"domain": [0, longest], "nice": False}
    across = number_of("seen", title="frames seen", scale=scale, axis={"labelFlush": False, "tickCount": 6})
    up = number_of("value", title="accuracy at 15 frames/s, %", scale={"domain": [0, MOST_PERCENT]})
    delay = [{"seen": lines.delay, "text": f"delay: {lines.delay} frames"}]
    seen, value = lines.peak
    peak = [{"seen": seen, "value": value, "text": f"{value} % at {seen} frames (paper)"}]
    # Above the name of the clip network's level, where that lies at the same height.
    above = -26 if abs(lines.clip - value) < NEAR_PERCENT else -12
    top = {"align": "right", "dx": -5, "dy": 8, "y": 0}
    point = {"size": 110, "strokeWidth": 2, "stroke": palette["ink"], "fill": palette["surface"], "opacity": 1}
    return chart(
        [
            layer("rule", delay, style["limit"] | silent, x=across),
            layer("text", delay, style["limit-name"] | silent | top, x=across, text=name_of("text")),
            *_level(lines.clip, f"{lines.clip_title}, one clip: {lines.clip} % (paper)", style, [2, 3], up, above=True),
            *_level(lines.steady, f"steady state: {lines.steady} % (paper)", style, [8, 4], up, above=False),
            *_curves(lines, palette, across, up),
            layer("point", peak, point | silent, x=across, y=up),
            layer("text", peak, style["limit-name"] | silent | {"dy": above}, x=across, y=up, text=name_of("text")),
        ],
        width=width,
        height=START_HEIGHT_PX,
        description=f"{lines.title} since its start: {len(lines.curves)} curves measured here",
    )


def _curves(lines: StartLines, palette: Mapping[str, str], across: Spec, up: Spec) -> list[Spec]:
    """Those that were measured, with their intervals."""
    points = [
        {"start": start, "seen": seen, "value": value, "low": low, "high": high, "tooltip": _tip(start, seen, value)}
        for start, curve in lines.curves.items()
        for seen, (value, low, high) in enumerate(curve, 1)
    ]
    if not points:
        return []
    band = {"fill": palette["frame"], "fillOpacity": 0.16, "aria": False}
    line = {"stroke": palette["frame"], "strokeWidth": 2.4, "tooltip": expr("datum.tooltip")}
    dash = name_of("start") | {"scale": {"domain": list(DASHES), "range": list(DASHES.values())}, "legend": None}
    return [
        layer("area", points, band, x=across, **_ends(up | {"field": "low"}), detail=name_of("start")),
        layer("line", points, line, x=across, y=up, strokeDash=dash),
    ]


def _tip(start: str, seen: int, value: float) -> dict[str, str]:
    return {"title": f"{seen} frames seen", "Accuracy": f"{value:.1f} %", "Start": start}


def _level(value: float, text: str, style: MarkStyles, dash: list[int], up: Spec, *, above: bool) -> list[Spec]:
    """A horizontal line with its name at its left end, above or below it."""
    row = [{"value": value, "text": text}]
    at = {"align": "left", "dx": 4, "x": 0, "aria": False}
    at |= {"baseline": "bottom", "dy": -3} if above else {"baseline": "top", "dy": 4}
    return [
        layer("rule", row, style["percentile"] | {"strokeDash": dash, "aria": False}, y=up),
        layer("text", row, style["limit-name"] | at, y=up, text=name_of("text")),
    ]
