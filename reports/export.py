"""The Pareto plots as a picture: records in; bytes of a PNG, SVG or PDF out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..bench.stats.case_result import CaseResult
from . import theme
from .charts import PLOTS, pareto_chart
from .engines import plotted

PLOT_WIDTH_PX = 400
PLOT_HEIGHT_PX = 360
FORMATS = ("png", "svg", "pdf")

# An exported picture has no style sheet: plain fonts, and paper below it.
_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"


def _row(records: Sequence[CaseResult], index: int, title: str, palette: Mapping[str, str]) -> dict[str, Any] | None:
    """The plots of one setting beside each other under its name."""
    plots = []
    for plot in PLOTS:
        named = replace(plot, name=f"{plot.name}{index}", height_px=PLOT_HEIGHT_PX)
        spec = pareto_chart(records, named, PLOT_WIDTH_PX, palette)
        if spec is not None:
            # One parameter for the whole picture; a picture has nothing to pick.
            shared = {key: value for key, value in spec.items() if key not in ("$schema", "config", "params")}
            plots.append(shared | {"title": plot.title})
    return {"hconcat": plots, "spacing": 28, "title": {"text": title, "offset": 18}} if plots else None


def picture_spec(cases: Sequence[CaseResult], palette: Mapping[str, str] = theme.LIGHT) -> dict[str, Any] | None:
    """All Pareto plots as one Vega-Lite specification; None where there is nothing to plot."""
    groups = plotted(cases)
    rows = [
        row
        for index, (setting, group) in enumerate(groups.items())
        if (row := _row(group, index, setting.title, palette))
    ]
    if not rows:
        return None
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "params": [{"name": "picked", "value": []}],
        "vconcat": rows,
        "spacing": 36,
        "padding": 16,
        "config": theme.config(palette, _FONT) | {"background": palette["surface"]},
    }


def picture(cases: Sequence[CaseResult], format: str) -> bytes | None:
    """The Pareto plots as a PNG, SVG or PDF file; None where there is nothing to plot."""
    import vl_convert  # here, since only pictures need it

    spec = picture_spec(cases)
    if spec is None:
        return None
    if format == "svg":
        return vl_convert.vegalite_to_svg(spec).encode()
    if format == "pdf":
        return vl_convert.vegalite_to_pdf(spec)
    return vl_convert.vegalite_to_png(spec, scale=2)
