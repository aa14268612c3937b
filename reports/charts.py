"""The Pareto plots: accuracy against what a network costs. Records in, Vega-Lite specifications (dicts) out.

`PLOTS` is the list of plots; a new one is a line there. Clip networks are squares, frame networks circles, others
triangles; an arrow leads from a clip network to its frame version, and from there to the longer pool. The front is
drawn broad and pale. A point with a warning is hollow and dashed. Every plot has a parameter `picked`, a list of
models; where it is not empty, the other networks fade. The page sets it in all plots at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import altair as alt

from ..bench.stats.case_result import CaseResult
from ..bench.stats.metrics import Metric, get_metric
from . import labels, theme
from .headline import REAL_TIME_PER_S
from .pareto import front
from .select import FORM_TITLES, Pair, model_title, pairs
from .tables.results import build

SHAPES = {"clip": "square", "frame": "circle", "input": "triangle-up"}
FORMS = tuple(FORM_TITLES)
EXTRA_HEIGHT_PX = 10  # for each network beyond eight: their names need room

_PICKED = "length(picked) == 0 || indexof(picked, datum.model) >= 0"
_FADED = 0.22


@dataclass(frozen=True)
class Plot:
    """One Pareto plot: which metric lies on the horizontal axis, and what to call the plot."""

    name: str
    metric: str
    title: str
    axis: str
    scale: Literal["log", "linear"] = "log"
    height_px: int = 320
    limit: float | None = None  # a line to compare with
    limit_text: str = ""
    least_share: float = 0.0  # of the networks that must have the figure; of fewer, the plot would show a few as all


PLOTS = (
    Plot(
        "throughput",
        "throughput",
        "Accuracy against speed on this machine",
        "throughput, predictions/s (log) →",
        height_px=380,
        limit=REAL_TIME_PER_S,
        limit_text=f"{REAL_TIME_PER_S:.0f} frames/s video",
    ),
    Plot("macs", "macs", "Accuracy against computation", "← multiply-accumulates per prediction, G (log)"),
    Plot("memory", "peak_allocated", "Accuracy against memory", "← peak allocated memory, MB (log)"),
    Plot(
        "energy",
        "energy",
        "Accuracy against energy",
        "← energy per prediction, idle part included, mJ (log)",
        least_share=0.5,
    ),
)


@dataclass(frozen=True)
class Axis:
    """A scale with its limits written out, so that labels can be placed where the chart will draw them."""

    low: float
    high: float
    scale: Literal["log", "linear"]

    def share(self, value: float) -> float:
        """Where a value lies between the ends, from 0 to 1."""
        if self.scale == "log":
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """1, 2 and 5 of every decade, or round steps; never more than the eye wants."""
        if self.scale == "log":
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found = [round(m * 10.0**d, 12) for d in decades for m in (1, 2, 5)]
            inside = [tick for tick in found if self.low <= tick <= self.high]
            many = len(inside) > 9
            return [tick for tick in inside if not many or f"{tick:e}".startswith("1")]
        step = 10.0 ** math.floor(math.log10(self.high - self.low))
        step = next(s for s in (step / 5, step / 2, step, 2 * step) if (self.high - self.low) / s <= 8)
        first = math.ceil(self.low / step)
        found = [round(k * step, 12) for k in range(first, math.floor(self.high / step) + 1)]
        return [tick for tick in found if self.low <= tick <= self.high]


def axis_of(
    values: Sequence[float], scale: Literal["log", "linear"], margin: float, below: float | None = None
) -> Axis:
    """An axis over these values with a margin (a share of the span) at both ends; never of no length."""
    low, high = min(values), max(values)
    margin_low = margin if below is None else below
    if scale == "log":
        span = math.log10(high / low)
        room = (0.45 - span) / 2  # at least so wide that one of the ticks 1, 2 and 5 lies inside
        return Axis(low / 10 ** max(margin_low * span, room), high * 10 ** max(margin * span, room), "log")
    span = max(high - low, 4.0)
    return Axis(low - margin_low * span, high + margin * span, "linear")


def _tooltip(case: CaseResult) -> dict[str, str]:
    """Every figure of a network as text, in the order in which it is shown."""
    table = build([case])
    row = table.rows[0]
    shown = {"title": row.title}  # which the tooltip shows as its heading
    for column, cell in zip(table.columns, row.cells, strict=True):
        if cell.value is None:
            continue
        paper = f"  (paper {cell.paper_text})" if cell.paper_text else ""
        shown[column.head] = f"{cell.text} {column.unit.text}{paper}"
    if case.warnings:
        shown["Warnings"] = "; ".join(case.warnings)
    return shown


def _point(record: CaseResult, x: Metric, y: Metric) -> dict[str, Any] | None:
    """One record as a datum; None where it has no place in this plot."""
    if not record.ok or record.model is None:
        return None
    values = record.value(x), record.value(y)
    if values[0] is None or values[1] is None or values[0] <= 0:
        return None
    return {
        "model": record.case.model,
        "title": model_title(record),
        "form": record.model.form,
        "x": x.unit.of(values[0]),
        "y": y.unit.of(values[1]),
        # Counted figures have no noise: a warning about the speed is none about the MACs.
        "hollow": x.noisy and bool(record.warnings),
        "tooltip": _tooltip(record),
    }


def _arrow(pair: Pair, points: Mapping[str, dict[str, Any]]) -> dict[str, Any] | None:
    start, end = points.get(pair.origin.case.model), points.get(pair.result.case.model)
    if start is None or end is None:
        return None
    return {
        "kind": pair.kind,
        "model": end["model"],
        "x": start["x"],
        "y": start["y"],
        "x2": end["x"],
        "y2": end["y"],
    }


def _staircase(chosen: Sequence[CaseResult], x: Metric, y: Metric) -> list[dict[str, float]]:
    found = sorted({(x.unit.of(r.value(x) or 0.0), y.unit.of(r.value(y) or 0.0)) for r in front(chosen, x, y)})
    return [{"x": a, "y": b} for a, b in found]


def _corners(steps: Sequence[Mapping[str, float]], x: Metric) -> list[tuple[float, float]]:
    """The staircase with its corners, as it is drawn: first across, then up, or the other way round."""
    found = []
    for left, right in pairwise(steps):
        corner = (right["x"], left["y"]) if x.better == "lower" else (left["x"], right["y"])
        found += [(left["x"], left["y"]), corner]
    return found + [(step["x"], step["y"]) for step in steps[-1:]]


@dataclass(frozen=True)
class _Data:
    """Everything one plot draws."""

    points: list[dict[str, Any]]
    arrows: list[dict[str, Any]]
    steps: list[dict[str, float]]
    x: Axis
    y: Axis


def _data(records: Sequence[CaseResult], plot: Plot, x: Metric, y: Metric) -> _Data | None:
    chosen = [record for record in records if _point(record, x, y)]
    if not chosen:
        return None
    points = [point for record in chosen if (point := _point(record, x, y))]
    by_model = {point["model"]: point for point in points}
    arrows = [arrow for pair in pairs(chosen) if (arrow := _arrow(pair, by_model))]
    across = [p["x"] for p in points]
    if plot.limit is not None and max(across) > plot.limit / 3:
        across.append(plot.limit)
    floor = 0.16 if plot.limit is None else 0.26  # the limit's name stands at the bottom
    axes = axis_of(across, plot.scale, 0.14), axis_of([p["y"] for p in points], "linear", 0.16, below=floor)
    steps = _staircase(chosen, x, y)

    def at(across: float, down: float) -> tuple[float, float]:
        return axes[0].share(across), 1 - axes[1].share(down)

    corners = [at(*corner) for corner in _corners(steps, x)]
    lines = [labels.Line(at(a["x"], a["y"]), at(a["x2"], a["y2"]), 10.0) for a in arrows]
    lines += [labels.Line(a, b, 8.0) for a, b in pairwise(corners)]
    if plot.limit is not None:
        lines.append(labels.Line(at(plot.limit, axes[1].low), at(plot.limit, axes[1].high), 3.0))
    places = labels.place([labels.Point(*at(p["x"], p["y"]), p["title"]) for p in points], lines, plot.height_px)
    for point, spot in zip(points, places, strict=True):
        point |= {"dx": spot.dx, "dy": spot.dy, "align": spot.align, "far": spot.far}
    return _Data(points, arrows, steps, *axes)


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


def _at_end(channel: Any, field: str) -> Any:
    """The same axis, read from another field."""
    changed = channel.copy()
    changed.shorthand = field
    return changed


def _expr(text: str) -> Any:
    return alt.ExprRef(expr=text)


def _either(test: str, yes: Any, no: Any) -> Any:
    return alt.when(test).then(alt.value(yes)).otherwise(alt.value(no))


def _values(rows: Sequence[Mapping[str, Any]]) -> alt.Data:
    return alt.Data(values=list(rows))


def _layers(
    data: _Data, plot: Plot, better_x: str, titles: tuple[str, str], palette: Mapping[str, str]
) -> list[alt.Chart]:
    look, view = theme.looks(palette), plot.name
    across = alt.X(
        "x:Q",
        title=titles[0],
        scale=alt.Scale(type=plot.scale, domain=[data.x.low, data.x.high], nice=False),
        axis=alt.Axis(values=data.x.ticks(), format="~r", grid=True, labelFlush=False),
    )
    down = alt.Y(
        "y:Q",
        title=titles[1],
        scale=alt.Scale(domain=[data.y.low, data.y.high], nice=False, zero=False),
        axis=alt.Axis(values=data.y.ticks(), format="~r"),
    )
    opacity = _either(_PICKED, 1, _FADED)
    # The best that can be had at a cost up to x (or at a speed of at least x): steps, not slopes.
    step = "step-after" if better_x == "lower" else "step-before"

    layers = []
    if plot.limit is not None and data.x.low < plot.limit < data.x.high:
        at = _values([{"x": plot.limit, "text": plot.limit_text}])
        late = data.x.share(plot.limit) > 0.5  # where there is no room to the right of it on a phone
        layers += [
            alt.Chart(at).mark_rule(**look["limit"]).encode(x=across),
            alt.Chart(at)
            .mark_text(
                **look["limit-name"],
                align="right" if late else "left",
                baseline="bottom",
                dx=-5 if late else 5,
                dy=-4,
                y="height",
            )
            .encode(x=across, text="text:N"),
        ]
    if len(data.steps) > 1:
        layers.append(
            alt.Chart(_values(data.steps))
            .mark_line(**look["front"], interpolate=step, strokeJoin="round", strokeCap="round", aria=False)
            .encode(x=across, y=down)
        )
    if data.arrows:
        arrows = alt.Chart(_values(data.arrows))
        layers += [
            arrows.mark_rule(
                **look["arrow"],
                aria=False,
                x2Offset=_expr(_before_end(view, "x", 13)),
                y2Offset=_expr(_before_end(view, "y", 13)),
            ).encode(x=across, y=down, x2="x2:Q", y2="y2:Q", opacity=opacity),
            arrows.mark_point(
                **look["arrow-head"],
                aria=False,
                shape="M-0.9,-0.7L0.9,0L-0.9,0.7Z",
                size=200,
                filled=True,
                opacity=1,
                xOffset=_expr(_before_end(view, "x", 14)),
                yOffset=_expr(_before_end(view, "y", 14)),
                angle=_expr(f"{_angle(view)} * 180 / PI"),
            ).encode(x=_at_end(across, "x2:Q"), y=_at_end(down, "y2:Q"), opacity=opacity),
        ]
    far = [point for point in data.points if point["far"]]
    if far:
        layers.append(
            alt.Chart(_values(far))
            .mark_rule(
                **look["leader"],
                aria=False,
                xOffset=_expr("0.3 * datum.dx"),
                yOffset=_expr("0.3 * datum.dy"),
                x2Offset=_expr("0.86 * datum.dx"),
                y2Offset=_expr("0.86 * datum.dy"),
            )
            .encode(x=across, y=down, x2="x:Q", y2="y:Q", opacity=opacity)
        )
    colour = alt.Scale(domain=list(FORMS), range=[palette[form] for form in FORMS])
    points = alt.Chart(_values(data.points))
    layers += [
        points.mark_point(size=150, strokeWidth=2, opacity=1, cursor="pointer", tooltip=_expr("datum.tooltip")).encode(
            x=across,
            y=down,
            shape=alt.Shape(
                "form:N", scale=alt.Scale(domain=list(FORMS), range=[SHAPES[form] for form in FORMS]), legend=None
            ),
            stroke=alt.Stroke("form:N", scale=colour, legend=None),
            fill=alt.when("datum.hollow")
            .then(alt.value(palette["surface"]))
            .otherwise(alt.Fill("form:N", scale=colour, legend=None)),
            strokeDash=_either("datum.hollow", [3, 2], [1, 0]),
            opacity=opacity,
            description="title:N",
        ),
    ]
    layers += [
        points.mark_text(
            **look[name],
            aria=False,
            baseline="middle",
            cursor="pointer",
            align=_expr("datum.align"),
            dx=_expr("datum.dx"),
            dy=_expr("datum.dy"),
        ).encode(x=across, y=down, text="title:N", opacity=opacity)
        for name in ("halo", "name")
    ]
    return layers


def pareto_chart(
    records: Sequence[CaseResult],
    plot: Plot,
    width: int | Literal["container"] = "container",
    palette: Mapping[str, str] = theme.VARIABLES,
) -> dict[str, Any] | None:
    """One Pareto plot of records of one setting; None where no record has both figures, or too few have the cost.

    To be drawn with `theme.config(palette)`. The palette of CSS variables is for SVG inside the page only.
    """
    x, y = get_metric(plot.metric), get_metric("accuracy")
    measured = [record for record in records if record.ok]
    many = len(measured)
    if sum(record.value(x) is not None for record in measured) < plot.least_share * many:
        return None
    plot = replace(plot, height_px=plot.height_px + EXTRA_HEIGHT_PX * max(0, many - 8))
    data = _data(records, plot, x, y)
    if data is None:
        return None
    titles = plot.axis, f"{y.label}, {y.unit.text}"
    chart = (
        alt.layer(*_layers(data, plot, x.better, titles, palette))
        .add_params(alt.param(name="picked", value=[]))
        .properties(
            name=plot.name,
            width=width,
            height=plot.height_px,
            description=f"{plot.title}: {len(data.points)} networks, the figures are in the table",
        )
    )
    # The tests validate against the schema of Vega-Lite; a reader need not wait for it.
    return chart.to_dict(validate=False)
