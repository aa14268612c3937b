"""The roofline of one profile: a profile in, a Vega-Lite specification (a dict) out.

Each point is a kind of operator: how many multiply-accumulates it makes for a byte it must move runs to the right, how
many it makes in a second upwards; its area is its share of the step. The roof is what the machine could do: a slope
where the copy rate limits, level where the matrix product does. Both axes are logarithmic, so the slope is straight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from ...bench.profile.operator_profile import Profile, Row, rows_by_kind
from .. import theme
from ..notation import number, percent
from ..profile_table import scaled
from . import labels
from .axis import Axis, axis_of
from .spec import Spec, Width, as_is, chart, expr, layer, name_of, names

HEIGHT_PX = 360
NAMED = 6  # kinds with their names in the plot; all have them under the pointer
MOST_PX2 = 1000  # area of a kind that took the whole step
LEAST_PX2 = 40


def drawable(row: Row) -> bool:
    """Whether a kind has a place in the plot: copies make no multiply-accumulates."""
    return bool(row.macs and row.moved_bytes and row.time_s > 0)


def _tooltip(row: Row) -> dict[str, str]:
    return {
        "title": row.kind,
        "Time": f"{scaled(row.time_s, 1e3)} ms, {percent(row.share)} % of the step",
        "Calls": number(row.calls),
        "Work": f"{scaled(row.macs, 1e-6)} M multiply-accumulates, {scaled(row.moved_bytes, 1e-6)} MB",
        "Rate": f"{scaled(row.macs_per_s, 1e-9)} GMAC/s, {percent(row.gemm_share)} % of the matrix product",
        "Moved": f"{scaled(row.bytes_per_s, 1e-9)} GB/s, {percent(row.copy_share)} % of the copy",
        "Bound by": f"{row.bound}; at best {scaled(row.least_s, 1e3)} ms",
        "Called": ", ".join(row.names),
    }


def _point(row: Row) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "x": row.intensity,
        "y": (row.macs_per_s or 0.0) / 1e9,
        "size": max(LEAST_PX2, MOST_PX2 * row.share),
        "bound": row.bound,
        "tooltip": _tooltip(row),
    }


def roof(profile: Profile, axis: Axis) -> list[dict[str, float]]:
    """The two ceilings as one line over the axis: x in multiply-accumulates a byte, y in GMAC/s."""
    gemm, copy = _ceilings(profile)
    ridge = gemm / copy
    inside = [ridge] if axis.low < ridge < axis.high else []
    return [{"x": x, "y": min(gemm, copy * x)} for x in (axis.low, *inside, axis.high)]


def roofline_chart(
    profile: Profile, width: Width = "container", palette: Mapping[str, str] = theme.VARIABLES
) -> Spec | None:
    """The kinds of operators of a profile under the machine's ceilings; None where no work is known."""
    points = [_point(row) for row in rows_by_kind(profile) if drawable(row)]
    if not points:
        return None
    gemm, copy = _ceilings(profile)
    x = axis_of([*(p["x"] for p in points), gemm / copy], "log", 0.18)
    y = axis_of([*(p["y"] for p in points), gemm], "log", 0.12)
    style, line, named = theme.mark_styles(palette), roof(profile, x), points[:NAMED]
    across, up = x.channel("x", "multiply-accumulates per byte (log) →"), y.channel("y", "GMAC/s (log)")
    for point, spot in zip(named, _label_positions(named, line, x, y), strict=True):
        point |= {"dx": spot.dx, "dy": spot.dy, "align": spot.align}
    circle = {"filled": True, "opacity": 0.75, "shape": "circle", "tooltip": expr("datum.tooltip")}
    bounds = name_of("bound", list(BOUND_COLOURS), [palette[colour] for colour in BOUND_COLOURS.values()])
    at = {"x": across, "y": up}
    layers = [
        layer("line", line, style["roof"] | {"clip": True, "aria": False}, **at),
        *(
            layer("text", [row], style["limit-name"] | side, **at, text=name_of("text"))
            for row, side in _rates(profile, x, y)
        ),
        layer(
            "point",
            points,
            circle,
            **at,
            size=as_is("size", "quantitative"),
            fill=bounds,
            description=name_of("kind"),
        ),
        *names(named, style, **at, text=name_of("kind")),
    ]
    title = f"Roofline of {profile.model.title}: {len(points)} kinds of operators, the figures are in the table"
    return chart(layers, width=width, height=HEIGHT_PX, description=title)


def _ceilings(profile: Profile) -> tuple[float, float]:
    """What the machine does at best: GMAC/s of a matrix product, GB/s of a copy."""
    return profile.ceilings.gemm_macs_per_s / 1e9, profile.ceilings.copy_bytes_per_s / 1e9


def _label_positions(
    named: Sequence[Mapping[str, Any]], line: Sequence[Mapping[str, float]], x: Axis, y: Axis
) -> tuple[labels.LabelPosition, ...]:
    """Where the names of these points go."""

    def at(point: Mapping[str, Any]) -> tuple[float, float]:
        return x.share(point["x"]), 1 - y.share(point["y"])

    lines = [labels.Line(at(a), at(b), 8.0) for a, b in pairwise(line)]
    return labels.label_positions([labels.Point(*at(point), point["kind"]) for point in named], lines, HEIGHT_PX)


# what bounds an operator -> the palette's colour of its point
BOUND_COLOURS = {"compute": "frame", "memory": "clip", "calls": "highlight"}


def _rates(profile: Profile, x: Axis, y: Axis) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The rate of each ceiling, written at its line: where, and on which side of it."""
    gemm, copy = _ceilings(profile)
    low = max(x.low, y.low / copy)
    # Half-way up the slope and to the left of it: below it lie the operators.
    centre = (low * max(low, min(gemm / copy, x.high))) ** 0.5
    side = {"align": "right", "aria": False}
    return [
        ({"x": x.high, "y": gemm, "text": f"matrix product {number(gemm)} GMAC/s"}, side | {"dx": -5, "dy": -7}),
        ({"x": centre, "y": copy * centre, "text": f"copy {number(copy)} GB/s"}, side | {"dx": -8, "dy": -6}),
    ]
