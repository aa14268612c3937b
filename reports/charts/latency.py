"""The latencies of one case, sample by sample: a case's processes in, a Vega-Lite specification (a dict) out.

Each dot is one prediction: how long it took runs to the right, the order in which they were taken downwards, with a
thin line between two processes. So one picture shows the distribution, a drift and a process that differs. What the
kernel counted beside a sample is in its tooltip.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from ...bench.record.record import Samples
from ...bench.stats.case_result import CaseResult
from ...bench.stats.metrics import MS
from .. import theme
from ..notation import number
from ..select import model_title
from .spec import Spec, Width, as_is, chart, either, expr, layer, number_of

HEIGHT_PX = 110

# One sample of a hundred times the median would press all others into a line: beyond this they lie at the edge.
EDGE_MEDIANS = 2.5


def edge_s(result: CaseResult) -> float | None:
    """Where a strip ends, if some samples lie beyond; None if all are drawn where they are."""
    edge = EDGE_MEDIANS * (result.value("latency_s") or math.inf)
    return edge if max(result.latency_s, default=0.0) > edge else None


def beyond_edge(result: CaseResult) -> int:
    """How many samples lie beyond the end of the strip."""
    edge = edge_s(result)
    return 0 if edge is None else sum(latency > edge for latency in result.latency_s)


def _rows(result: CaseResult) -> list[dict[str, Any]]:
    edge = edge_s(result)
    found = []
    for record in result.timed:
        samples = record.timing.samples if record.timing else Samples(latency_s=[])
        for index, latency_s in enumerate(samples.latency_s):
            tooltip = {"Process": str(record.process), "Sample": str(index + 1)}
            tooltip |= {"Latency": f"{number(1e3 * latency_s, 4)} ms"} | _evidence(samples, index)
            beyond = edge is not None and latency_s > edge
            found.append(
                {
                    "ms": 1e3 * (edge if edge is not None and beyond else latency_s),
                    "order": len(found) + 1,
                    "shape": "triangle-right" if beyond else "circle",
                    "large": beyond,
                    "tooltip": tooltip,
                }
            )
    return found


def _borders(result: CaseResult) -> list[dict[str, Any]]:
    """Where one process ends and the next begins."""
    ends = accumulate(len(record.timing.samples) for record in result.timed if record.timing)
    return [{"order": end + 0.5} for end in ends][:-1]


def _evidence(samples: Samples, index: int) -> dict[str, str]:
    """What the kernel counted meanwhile, where it counted anything."""
    found = {}
    if samples.involuntary_switches and samples.involuntary_switches[index]:
        found["Context switches"] = str(samples.involuntary_switches[index])
    for head, series in (("Stolen", samples.steal_s), ("Run-queue wait", samples.waited_s)):
        if series and series[index]:
            found[head] = f"{number(1e3 * series[index])} ms"
    return found


def latency_chart(
    result: CaseResult,
    width: Width = "container",
    palette: Mapping[str, str] = theme.VARIABLES,
) -> Spec | None:
    """The samples of a case with its figure, the interval of that and p90; None if it was not timed."""
    figure, summary = result.figure("latency_s"), result.summary
    if figure is None or summary is None:
        return None
    style = theme.mark_styles(palette)
    low, high = 1e3 * summary.min_s, 1e3 * (edge_s(result) or summary.max_s)
    pad = max(0.04 * (high - low), 0.005 * high)
    across = number_of(
        "ms",
        title=None,
        scale={"domain": [low - pad, high + pad], "nice": False, "zero": False, "clamp": True},
        axis={"tickCount": 4, "grid": True, "labelExpr": "datum.label + ' ms'", "labelFlush": False},
    )
    down = number_of("order", scale={"domain": [summary.count + 1, 0], "nice": False}, axis=None)
    silent = {"aria": False}
    band = [{"ms": MS.of(figure.low), "end": MS.of(figure.high)}]
    layers = [
        layer("rect", band, style["band"] | silent, x=across, x2={"field": "end"}),
        layer("rule", [{"ms": MS.of(figure.value)}], style["median"] | silent, x=across),
    ]
    if summary.p90_s is not None and 1e3 * summary.p90_s <= high:
        layers.append(layer("rule", [{"ms": 1e3 * summary.p90_s}], style["percentile"] | silent, x=across))
    if borders := _borders(result):
        layers.append(layer("rule", borders, {"stroke": palette["line"], "strokeWidth": 1} | silent, y=down))
    form = result.model.form if result.model else "clip"
    dot = {"filled": True, "opacity": 0.8, "strokeWidth": 0, "fill": palette[form], "tooltip": expr("datum.tooltip")}
    size = either("datum.large", 42, 20)
    layers.append(layer("point", "samples", dot | silent, x=across, y=down, shape=as_is("shape", "nominal"), size=size))
    text = f"Latencies of {model_title(result)}: median {number(MS.of(figure.value))} ms, {summary.count} predictions"
    samples = {"samples": _rows(result)}
    return chart(layers, width=width, height=HEIGHT_PX, description=text, datasets=samples)
