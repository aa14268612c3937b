"""The latencies of one case, sample by sample: a record in, a Vega-Lite specification (a dict) out.

Each dot is one prediction: how long it took runs to the right, the order in which they were taken downwards. So one
picture shows the distribution and a drift alike. Interrupted samples are diamonds of another colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import altair as alt

from ..bench.record import Record, Samples
from ..bench.stats import disturbed, median, summarise
from . import theme
from .notation import number
from .select import model_title

HEIGHT_PX = 110

# One sample of a hundred times the median would press all others into a line: beyond this they lie at the edge.
EDGE_MEDIANS = 2.5


def edge_s(samples: Samples) -> float | None:
    """Where a strip ends, if some samples lie beyond; None if all are drawn where they are."""
    edge = EDGE_MEDIANS * median(samples.latency_s)
    return edge if max(samples.latency_s) > edge else None


def beyond_edge(samples: Samples) -> int:
    """How many samples lie beyond the end of the strip."""
    edge = edge_s(samples)
    return 0 if edge is None else sum(latency > edge for latency in samples.latency_s)


def _rows(samples: Samples) -> list[dict[str, Any]]:
    edge = edge_s(samples)
    found = []
    for index, (latency_s, hit) in enumerate(zip(samples.latency_s, disturbed(samples), strict=True)):
        tooltip = {"Sample": str(index + 1), "Latency": f"{number(1e3 * latency_s, 4)} ms"}
        if hit and samples.involuntary_switches:
            tooltip["Context switches"] = str(samples.involuntary_switches[index])
        if hit and samples.steal_s and samples.steal_s[index]:
            tooltip["Stolen"] = f"{number(1e3 * samples.steal_s[index])} ms"
        beyond = edge is not None and latency_s > edge
        found.append(
            {
                "ms": 1e3 * (edge if edge is not None and beyond else latency_s),
                "order": index + 1,
                "hit": hit,
                "shape": "triangle-right" if beyond else "diamond" if hit else "circle",
                "large": hit or beyond,
                "tooltip": tooltip,
            }
        )
    return found


def _values(rows: list[dict[str, Any]]) -> alt.Data:
    return alt.Data(values=rows)


def latency_chart(
    record: Record,
    width: int | Literal["container"] = "container",
    palette: Mapping[str, str] = theme.VARIABLES,
) -> dict[str, Any] | None:
    """The samples of one record with median, median absolute deviation and p90; None if it was not timed."""
    if not record.ok or record.timing is None:
        return None
    summary = summarise(record.timing.samples)
    look = theme.looks(palette)
    low = 1e3 * min(record.timing.samples.latency_s)
    high = 1e3 * (edge_s(record.timing.samples) or summary.all_max_s)
    pad = max(0.04 * (high - low), 0.005 * high)
    across = alt.X(
        "ms:Q",
        title=None,
        scale=alt.Scale(domain=[low - pad, high + pad], nice=False, zero=False),
        axis=alt.Axis(tickCount=4, grid=True, labelExpr="datum.label + ' ms'", labelFlush=False),
    )
    down = alt.Y(
        "order:Q",
        scale=alt.Scale(domain=[summary.count + 1, 0], nice=False),
        axis=None,
    )
    # Dots are as they were measured, and so are the lines among them.
    measured = 1e3 / summary.pace_factor
    middle, mad = measured * summary.median_s, measured * summary.mad_s
    band = _values([{"ms": middle - mad, "end": middle + mad}])
    layers: list[Any] = [
        alt.Chart(band).mark_rect(**look["band"], aria=False).encode(x=across, x2="end:Q"),
        alt.Chart(_values([{"ms": middle}])).mark_rule(**look["median"], aria=False).encode(x=across),
    ]
    if summary.p90_s is not None and measured * summary.p90_s <= high:
        at = _values([{"ms": measured * summary.p90_s}])
        layers.append(alt.Chart(at).mark_rule(**look["percentile"], aria=False).encode(x=across))
    form = record.model.form if record.model else "clip"
    hit = alt.when("datum.hit")
    layers.append(
        alt.Chart(alt.NamedData("samples"))
        .mark_point(filled=True, aria=False, opacity=0.8, strokeWidth=0, tooltip=alt.ExprRef(expr="datum.tooltip"))
        .encode(
            x=across,
            y=down,
            fill=hit.then(alt.value(palette["disturbed"])).otherwise(alt.value(palette[form])),
            shape=alt.Shape("shape:N", scale=None),
            size=alt.when("datum.large").then(alt.value(42)).otherwise(alt.value(20)),
        )
    )
    text = f"Latencies of {model_title(record)}: median {number(middle)} ms, {summary.count} samples"
    drawn = alt.layer(*layers).properties(width=width, height=HEIGHT_PX, description=text)
    # The samples go in last: altair would walk through each of them several times.
    return drawn.to_dict(validate=False) | {"datasets": {"samples": _rows(record.timing.samples)}}  # as in charts.py
