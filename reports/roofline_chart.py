"""The roofline of one profile: a profile in, a Vega-Lite specification (a dict) out.

Each point is a kind of operator: how many multiply-accumulates it makes for a byte it must move runs to the right, how
many it makes in a second upwards; its area is its share of the step. The roof is what the machine could do: a slope
where the copy rate limits, level where the matrix product does. Both axes are logarithmic, so the slope is straight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import altair as alt

from ..bench.profile.operator_profile import Profile, Row, rows_by_kind
from . import labels, theme
from .charts import Axis, axis_of
from .notation import number, percent
from .profile_table import scaled

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
    gemm, copy = profile.ceilings.gemm_macs_per_s / 1e9, profile.ceilings.copy_bytes_per_s / 1e9
    ridge = gemm / copy
    inside = [ridge] if axis.low < ridge < axis.high else []
    return [{"x": x, "y": min(gemm, copy * x)} for x in (axis.low, *inside, axis.high)]


def _values(found: Sequence[Mapping[str, Any]]) -> alt.Data:
    return alt.Data(values=list(found))


def roofline_chart(
    profile: Profile,
    width: int | Literal["container"] = "container",
    palette: Mapping[str, str] = theme.VARIABLES,
) -> dict[str, Any] | None:
    """The kinds of operators of a profile under the machine's ceilings; None where no work is known."""
    points = [_point(row) for row in rows_by_kind(profile) if drawable(row)]
    if not points:
        return None
    gemm, copy = profile.ceilings.gemm_macs_per_s / 1e9, profile.ceilings.copy_bytes_per_s / 1e9
    x_axis = axis_of([*(p["x"] for p in points), gemm / copy], "log", 0.18)
    y_axis = axis_of([*(p["y"] for p in points), gemm], "log", 0.12)
    look = theme.looks(palette)
    across = alt.X(
        "x:Q",
        title="multiply-accumulates per byte (log) →",
        scale=alt.Scale(type="log", domain=[x_axis.low, x_axis.high], nice=False),
        axis=alt.Axis(values=x_axis.ticks(), format="~r", grid=True, labelFlush=False),
    )
    up = alt.Y(
        "y:Q",
        title="GMAC/s (log)",
        scale=alt.Scale(type="log", domain=[y_axis.low, y_axis.high], nice=False),
        axis=alt.Axis(values=y_axis.ticks(), format="~r"),
    )
    line = roof(profile, x_axis)
    named = points[:NAMED]

    def at(x: float, y: float) -> tuple[float, float]:
        return x_axis.share(x), 1 - y_axis.share(y)

    lines = [labels.Line(at(a["x"], a["y"]), at(b["x"], b["y"]), 8.0) for a, b in pairwise(line)]
    places = labels.place([labels.Point(*at(p["x"], p["y"]), p["kind"]) for p in named], lines, HEIGHT_PX)
    for point, spot in zip(named, places, strict=True):
        point |= {"dx": spot.dx, "dy": spot.dy, "align": spot.align}
    drawn = alt.Chart(_values(line))
    layers = [
        drawn.mark_line(**look["roof"], clip=True, aria=False).encode(x=across, y=up),
        *_ceiling_names(profile, x_axis, y_axis, across, up, look),
        alt.Chart(_values(points))
        .mark_point(filled=True, opacity=0.75, shape="circle", tooltip=alt.ExprRef(expr="datum.tooltip"))
        .encode(
            x=across,
            y=up,
            size=alt.Size("size:Q", scale=None),
            fill=alt.Fill(
                "bound:N",
                scale=alt.Scale(
                    domain=list(BOUND_COLOURS), range=[palette[colour] for colour in BOUND_COLOURS.values()]
                ),
                legend=None,
            ),
            description="kind:N",
        ),
        *(
            alt.Chart(_values(named))
            .mark_text(
                **look[name],
                aria=False,
                baseline="middle",
                align=alt.ExprRef(expr="datum.align"),
                dx=alt.ExprRef(expr="datum.dx"),
                dy=alt.ExprRef(expr="datum.dy"),
            )
            .encode(x=across, y=up, text="kind:N")
            for name in ("halo", "name")
        ),
    ]
    title = f"Roofline of {profile.model.title}: {len(points)} kinds of operators, the figures are in the table"
    return alt.layer(*layers).properties(width=width, height=HEIGHT_PX, description=title).to_dict(validate=False)


# what bounds an operator -> the palette's colour of its point
BOUND_COLOURS = {"compute": "frame", "memory": "clip", "calls": "highlight"}


def _ceiling_names(
    profile: Profile, x_axis: Axis, y_axis: Axis, across: Any, up: Any, look: Mapping[str, dict[str, Any]]
) -> list[alt.Chart]:
    """The rate of each ceiling, written at its line."""
    gemm, copy = profile.ceilings.gemm_macs_per_s / 1e9, profile.ceilings.copy_bytes_per_s / 1e9
    low = max(x_axis.low, y_axis.low / copy)
    # Half-way up the slope and to the left of it: below it lie the operators.
    middle = (low * max(low, min(gemm / copy, x_axis.high))) ** 0.5
    found: list[tuple[dict[str, Any], labels.Align, int, int]] = [
        ({"x": x_axis.high, "y": gemm, "text": f"matrix product {number(gemm)} GMAC/s"}, "right", -5, -7),
        ({"x": middle, "y": copy * middle, "text": f"copy {number(copy)} GB/s"}, "right", -8, -6),
    ]
    return [
        alt.Chart(_values([each]))
        .mark_text(**look["limit-name"], aria=False, align=align, dx=dx, dy=dy)
        .encode(x=across, y=up, text="text:N")
        for each, align, dx, dy in found
    ]
