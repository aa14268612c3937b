"""The Pareto plots: accuracy against what a network costs. Cases in, Vega-Lite specifications (dicts) out.

`PLOTS` is the list of plots; a new one is a line there. Clip networks are squares, frame networks circles, others
triangles; an arrow leads from a clip network to its frame version, and from there to the longer pool. An accuracy that
was measured has its 95 % interval as a line through its point. A point with a warning is hollow and dashed. Every plot
has two parameters that the page sets in all plots at once: of `picked`, a list of models or case keys, the others fade;
of `hidden`, a list of case keys, the points are not drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from ...bench.stats.accuracy import Accuracy, MeasuredAccuracy, films_of, most_films
from ...bench.stats.case_result import ACCURACIES, CaseResult
from ...bench.stats.metrics import ACCURACY_15FPS_RATE, Metric, get_metric
from .. import theme
from ..front import front
from ..headline import REAL_TIME_PER_S
from ..select import FORM_TITLES, model_title, pairs
from ..tables.table import Table
from . import labels
from .axis import Axis, axis_of
from .spec import Spec, Width, chart, either, expr, layer, name_of, names, only

SHAPES = {"clip": "square", "frame": "circle", "input": "triangle-up"}
FORMS = tuple(FORM_TITLES)
EXTRA_HEIGHT_PX = 10  # for each network beyond eight: their names need room

_LIT = "length(picked) == 0 || indexof(picked, datum.model) >= 0 || indexof(picked, datum.case) >= 0"
_OPACITY = either(_LIT, 1, 0.22)
_SHOWN = "indexof(hidden, datum.case) < 0"

MarkStyles = Mapping[str, dict[str, Any]]  # of theme.mark_styles


@dataclass(frozen=True)
class Plot:
    """One Pareto plot: a cost on the horizontal axis, an accuracy on the vertical one, and what to call the plot."""

    name: str
    metric: str
    word: str  # the cost in a word, for the table
    title: str
    axis: str
    scale: Literal["log", "linear"] = "log"
    height_px: int = 320
    limit: float | None = None  # a line to compare with
    limit_text: str = ""
    least_share: float = 0.0  # of the networks that must have the figure; of fewer, the plot would show a few as all
    accuracy_metric: str = "accuracy"
    at_rate: str = ""  # which accuracies these are, for the axis; empty: each at its own
    least: int = 1  # points that are worth a plot

    @property
    def cost(self) -> Metric:
        """What lies on the horizontal axis."""
        return get_metric(self.metric)

    @property
    def accuracy(self) -> Metric:
        """What lies on the vertical axis."""
        return get_metric(self.accuracy_metric)

    def position(self, case: CaseResult) -> tuple[float, float]:
        """The point of a case: across and up, each in the unit of its axis; 0 for a missing figure."""
        cost, accuracy = (metric.unit.of(case.value(metric) or 0.0) for metric in (self.cost, self.accuracy))
        return cost, accuracy

    def known(self, case: CaseResult) -> Accuracy | None:
        """The accuracy of a case that lies on the vertical axis."""
        return ACCURACIES[self.accuracy.name](case.accuracy)

    def accuracy_axis(self, cases: Sequence[CaseResult]) -> str:
        """What the vertical axis shows of these cases."""
        measured = next((each for case in cases if isinstance(each := self.known(case), MeasuredAccuracy)), None)
        if measured is None:
            return f"published accuracy{self.at_rate or ', each at its own frame rate'}, %"
        return f"top-1 on {measured.data}, {measured.films} films{self.at_rate}, %"


PLOTS = (
    Plot(
        "throughput",
        "throughput",
        "speed",
        "Accuracy against speed on this machine",
        "throughput, predictions/s (log) →",
        height_px=380,
        limit=REAL_TIME_PER_S,
        limit_text=f"every frame of {REAL_TIME_PER_S:.0f} a second",
    ),
    Plot(
        "throughput15",
        "throughput",
        "speed at 15 frames/s",
        "Accuracy at 15 frames/s against speed on this machine",
        "throughput, predictions/s (log) →",
        height_px=380,
        limit=ACCURACY_15FPS_RATE,
        limit_text="every frame of 15 a second",
        accuracy_metric="accuracy_15fps",
        at_rate=" at 15 frames/s",
        least=2,
    ),
    Plot("macs", "macs", "MACs", "Accuracy against computation", "← multiply-accumulates per prediction, G (log)"),
    Plot("memory", "peak_allocated", "memory", "Accuracy against memory", "← peak allocated memory, MB (log)"),
    Plot(
        "energy",
        "energy",
        "energy",
        "Accuracy against energy",
        "← energy per prediction, idle part included, mJ (log)",
        least_share=0.5,
    ),
)


def drawable(cases: Sequence[CaseResult], plot: Plot) -> tuple[CaseResult, ...]:
    """The cases that have a point in this plot; none where too few have the cost. Accuracies of other films are no
    height in it: it has those of the films that most of these cases have."""
    measured = [case for case in cases if case.ok]
    if sum(case.value(plot.cost) is not None for case in measured) < plot.least_share * len(measured):
        return ()
    found = [case for case in measured if case.model and plot.known(case) and (case.value(plot.cost) or 0) > 0]
    films = most_films(plot.known(case) for case in found)
    found = [case for case in found if films_of(plot.known(case)) == films]
    return tuple(found) if len(found) >= plot.least else ()


def front_of(cases: Sequence[CaseResult], plot: Plot) -> tuple[CaseResult, ...]:
    """The front of a plot of these cases, of one setting, cheapest first; none where there is nothing to compare."""
    shown = drawable(cases, plot)
    found = front(shown, plot.cost, plot.accuracy) if len(shown) > 1 else ()
    return tuple(sorted(found, key=lambda case: case.value(plot.accuracy) or 0.0))


def tooltips(table: Table) -> dict[str, dict[str, str]]:
    """By case key: every figure of a case as text, in the order in which it is shown."""
    found = {}
    for row in table.rows:
        shown = {"title": row.title}  # which the tooltip shows as its heading
        for column, cell in zip(table.columns, row.cells, strict=True):
            if cell.value is not None:
                paper = f"  (paper {cell.paper_text})" if cell.paper_text else ""
                detail = f"  ({cell.detail})" if cell.detail else ""
                shown[column.head] = f"{cell.text} {column.unit.text}{paper}{detail}"
        if row.warnings:
            shown["Warnings"] = "; ".join(row.warnings)
        found[row.key] = shown
    return found


@dataclass(frozen=True)
class _Drawing:
    """Everything one plot draws."""

    plot: Plot
    points: list[dict[str, Any]]
    arrows: list[dict[str, Any]]
    steps: list[dict[str, float]]  # the front, from left to right
    front: tuple[str, ...]  # its members' titles
    x: Axis
    y: Axis


def _point(case: CaseResult, plot: Plot, tooltip: Mapping[str, str]) -> dict[str, Any]:
    x, y = plot.position(case)
    known = plot.known(case)
    low, high = known.ends if isinstance(known, MeasuredAccuracy) else (y, y)
    return {
        "case": case.key,
        "model": case.case.model,
        "title": model_title(case),
        "form": case.model.form if case.model else "",
        "x": x,
        "y": y,
        "low": low,
        "high": high,
        # Counted figures have no noise: a warning about the speed does not concern the MACs.
        "hollow": plot.cost.noisy and bool(case.warnings),
        "tooltip": tooltip,
    }


def _arrows(cases: Sequence[CaseResult], points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    at = {point["case"]: point for point in points}
    found = []
    for pair in pairs(cases):
        start, end = at[pair.origin.key], at[pair.result.key]
        ends = {"x": start["x"], "y": start["y"], "x2": end["x"], "y2": end["y"]}
        found.append({"kind": pair.kind, "case": end["case"], "origin": start["case"], "model": end["model"]} | ends)
    return found


def _corners(steps: Sequence[Mapping[str, float]], plot: Plot) -> list[tuple[float, float]]:
    """The staircase with its corners, as it is drawn: first across, then up, or the other way round."""
    found = []
    for left, right in pairwise(steps):
        corner = (right["x"], left["y"]) if plot.cost.better == "lower" else (left["x"], right["y"])
        found += [(left["x"], left["y"]), corner]
    return found + [(step["x"], step["y"]) for step in steps[-1:]]


def _drawing(cases: Sequence[CaseResult], plot: Plot, texts: Mapping[str, Mapping[str, str]]) -> _Drawing:
    points = [_point(case, plot, texts.get(case.key, {})) for case in cases]
    across = [point["x"] for point in points]
    if plot.limit is not None and max(across) > plot.limit / 3:
        across.append(plot.limit)
    floor = 0.16 if plot.limit is None else 0.26  # the limit's name stands at the bottom
    members = front_of(cases, plot)
    drawing = _Drawing(
        plot,
        points,
        _arrows(cases, points),
        [{"x": x, "y": y} for x, y in sorted(set(map(plot.position, members)))],
        tuple(model_title(case) for case in members),
        axis_of(across, plot.scale, 0.14),
        axis_of([point[end] for point in points for end in ("low", "high")], "linear", 0.16, below=floor),
    )
    for point, spot in zip(points, _label_positions(drawing), strict=True):
        point |= {"dx": spot.dx, "dy": spot.dy, "align": spot.align, "far": spot.far}
    return drawing


def _label_positions(drawing: _Drawing) -> tuple[labels.LabelPosition, ...]:
    """Where the name of each point goes."""
    plot, x, y = drawing.plot, drawing.x, drawing.y

    def at(across: float, up: float) -> tuple[float, float]:
        return x.share(across), 1 - y.share(up)

    corners = [at(*corner) for corner in _corners(drawing.steps, plot)]
    lines = [labels.Line(at(a["x"], a["y"]), at(a["x2"], a["y2"]), 10.0) for a in drawing.arrows]
    lines += [labels.Line(a, b, 8.0) for a, b in pairwise(corners)]
    lines += [labels.Line(at(p["x"], p["low"]), at(p["x"], p["high"]), 4.0) for p in _uncertain(drawing.points)]
    if plot.limit is not None:
        lines.append(labels.Line(at(plot.limit, y.low), at(plot.limit, y.high), 3.0))
    named = [labels.Point(*at(point["x"], point["y"]), point["title"]) for point in drawing.points]
    return labels.label_positions(named, lines, plot.height_px)


def _scaled(view: str, axis: Literal["x", "y"]) -> str:
    """The length of an arrow along one axis in pixels: computed when drawn, since only then the width is known.

    Vega-Lite calls the scales of a named view by that name, which keeps them apart where plots stand together.
    """
    return f"(scale('{view}_{axis}', datum.{axis}2) - scale('{view}_{axis}', datum.{axis}))"


def _angle(view: str) -> str:
    """The direction of an arrow on the screen, in radians."""
    return f"atan2({_scaled(view, 'y')}, {_scaled(view, 'x')})"


def _before_end(view: str, axis: Literal["x", "y"], gap_px: float) -> str:
    """The offset from an arrow's end to the point on it that is `gap_px` before (half-way, if it is short)."""
    across, down = _scaled(view, "x"), _scaled(view, "y")
    length = f"sqrt({across} * {across} + {down} * {down})"
    turn = "cos" if axis == "x" else "sin"
    return f"-min({gap_px}, {length} / 2) * {turn}({_angle(view)})"


def _of_streams(plot: Plot, batch: int) -> Plot:
    """The plot with its limit for so many streams at once, which the throughput of a batch is shared by."""
    if plot.limit is None or batch == 1:
        return plot
    return replace(plot, limit=batch * plot.limit, limit_text=f"{plot.limit_text}, {batch} streams")


def _limit(drawing: _Drawing, style: MarkStyles, across: Spec) -> list[Spec]:
    """The line to compare with and its name."""
    plot = drawing.plot
    if plot.limit is None or not drawing.x.low < plot.limit < drawing.x.high:
        return []
    at = [{"x": plot.limit, "text": plot.limit_text}]
    late = drawing.x.share(plot.limit) > 0.5  # where there is no room to the right of it on a phone
    side = {
        "align": "right" if late else "left",
        "dx": -5 if late else 5,
        "baseline": "bottom",
        "dy": -4,
        "y": "height",
    }
    return [
        layer("rule", at, style["limit"], x=across),
        layer("text", at, style["limit-name"] | side, x=across, text=name_of("text")),
    ]


def _front(drawing: _Drawing, style: MarkStyles, across: Spec, up: Spec) -> list[Spec]:
    """The best that can be had at a cost up to x (or at a speed of at least x): steps, not slopes."""
    if len(drawing.steps) < 2:
        return []
    step = "step-after" if drawing.plot.cost.better == "lower" else "step-before"
    line = {"interpolate": step, "description": f"Pareto front: {', '.join(drawing.front)}"}
    return [layer("line", drawing.steps, style["front"] | line, x=across, y=up)]


def _arrow_marks(drawing: _Drawing, style: MarkStyles, across: Spec, up: Spec) -> list[Spec]:
    """From each network to what was made of it; the head lies just before the point."""
    if not drawing.arrows:
        return []
    view = drawing.plot.name
    where = f"{_SHOWN} && indexof(hidden, datum.origin) < 0"
    shaft = {"x2Offset": expr(_before_end(view, "x", 13)), "y2Offset": expr(_before_end(view, "y", 13))}
    head = {"xOffset": expr(_before_end(view, "x", 14)), "yOffset": expr(_before_end(view, "y", 14))}
    head |= {"shape": "M-0.9,-0.7L0.9,0L-0.9,0.7Z", "size": 200, "filled": True, "opacity": 1}
    head |= {"angle": expr(f"{_angle(view)} * 180 / PI")}
    from_to = {"x": across, "y": up, "x2": {"field": "x2"}, "y2": {"field": "y2"}}
    at_end = {"x": across | {"field": "x2"}, "y": up | {"field": "y2"}}
    shafts = layer("rule", drawing.arrows, style["arrow"] | shaft | {"aria": False}, **from_to, opacity=_OPACITY)
    heads = layer("point", drawing.arrows, style["arrow-head"] | head | {"aria": False}, **at_end, opacity=_OPACITY)
    return [only(where, shafts), only(where, heads)]


def _uncertain(points: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those whose accuracy has an interval."""
    return [point for point in points if point["low"] < point["high"]]


def _intervals(drawing: _Drawing, palette: Mapping[str, str], across: Spec, up: Spec) -> list[Spec]:
    """The 95 % intervals of accuracies that were measured, with a bar at both ends."""
    rows = _uncertain(drawing.points)
    if not rows:
        return []
    colour = name_of("form", FORMS, [palette[form] for form in FORMS])
    more = {"opacity": _OPACITY, "color": colour}
    line, bar = (
        {"strokeWidth": 1.5, "aria": False},
        {"orient": "horizontal", "size": 9, "thickness": 1.5, "aria": False},
    )
    ends = [layer("tick", rows, bar, x=across, y=up | {"field": end}, **more) for end in ("low", "high")]
    whole = layer("rule", rows, line, x=across, y=up | {"field": "low"}, y2={"field": "high"}, **more)
    return [only(_SHOWN, each) for each in (whole, *ends)]


def _networks(drawing: _Drawing, style: MarkStyles, palette: Mapping[str, str], across: Spec, up: Spec) -> list[Spec]:
    """Each network as a point with its name, and a thin line between the two where the name had to go far."""
    rows = _dataset(drawing.plot)
    leader = {"xOffset": expr("0.3 * datum.dx"), "yOffset": expr("0.3 * datum.dy"), "aria": False}
    leader |= {"x2Offset": expr("0.86 * datum.dx"), "y2Offset": expr("0.86 * datum.dy")}
    to_itself = {"x2": {"field": "x"}, "y2": {"field": "y"}}
    point = {"size": 150, "strokeWidth": 2, "opacity": 1, "cursor": "pointer", "tooltip": expr("datum.tooltip")}
    colour = name_of("form", FORMS, [palette[form] for form in FORMS])
    at = {"x": across, "y": up, "opacity": _OPACITY}
    leaders = layer("rule", rows, style["leader"] | leader, **at, **to_itself)
    points = layer(
        "point",
        rows,
        point,
        **at,
        shape=name_of("form", FORMS, [SHAPES[form] for form in FORMS]),
        stroke=colour,
        fill=either("datum.hollow", palette["surface"], colour),
        strokeDash=either("datum.hollow", [3, 2], [1, 0]),
        description=name_of("title"),
    )
    shown = [points, *names(rows, style, **at, text=name_of("title"))]
    return [only(f"{_SHOWN} && datum.far", leaders), *(only(_SHOWN, each) for each in shown)]


def _dataset(plot: Plot) -> str:
    return f"{plot.name}-points"


def pareto_chart(
    cases: Sequence[CaseResult],
    plot: Plot,
    texts: Mapping[str, Mapping[str, str]] | None = None,
    width: Width = "container",
    palette: Mapping[str, str] = theme.VARIABLES,
) -> Spec | None:
    """One Pareto plot of cases of one setting; None where none has both figures, or too few have the cost.

    `texts` are the tooltips by case key (`tooltips`). To be drawn with `theme.config(palette)`. The palette of CSS
    variables is for SVG inside the page only.
    """
    shown = drawable(cases, plot)
    if not shown:
        return None
    many = sum(case.ok for case in cases)
    plot = replace(plot, height_px=plot.height_px + EXTRA_HEIGHT_PX * max(0, many - 8))
    plot = _of_streams(plot, shown[0].case.batch)
    drawing, style = _drawing(shown, plot, texts or {}), theme.mark_styles(palette)
    across, up = drawing.x.channel("x", plot.axis), drawing.y.channel("y", plot.accuracy_axis(shown))
    return chart(
        [
            *_limit(drawing, style, across),
            *_front(drawing, style, across, up),
            *_arrow_marks(drawing, style, across, up),
            *_intervals(drawing, palette, across, up),
            *_networks(drawing, style, palette, across, up),
        ],
        params=[{"name": "picked", "value": []}, {"name": "hidden", "value": []}],
        name=plot.name,
        width=width,
        height=plot.height_px,
        description=f"{plot.title}: {len(shown)} networks, the figures are in the table",
        datasets={_dataset(plot): drawing.points},
    )
