"""The Pareto plots as a picture: cases in; bytes of a PNG, SVG or PDF out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...bench.stats.case_result import CaseResult
from .. import theme
from ..engines import plotted
from .pareto import PLOTS, pareto_chart

PLOT_WIDTH_PX = 400
PLOT_HEIGHT_PX = 360
FORMATS = ("png", "svg", "pdf")
_OF_THE_TOP = ("$schema", "params", "datasets")

# An exported picture has no style sheet: plain fonts, and paper below it.
_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"


def _row(cases: Sequence[CaseResult], index: int, title: str, palette: Mapping[str, str]) -> dict[str, Any] | None:
    """The plots of one setting beside each other under its name."""
    named = [replace(plot, name=f"{plot.name}{index}", height_px=PLOT_HEIGHT_PX) for plot in PLOTS]
    specs = [(plot.title, pareto_chart(cases, plot, None, PLOT_WIDTH_PX, palette)) for plot in named]
    plots = [spec | {"title": title} for title, spec in specs if spec]
    return {"hconcat": plots, "spacing": 28, "title": {"text": title, "offset": 18}} if plots else None


def picture_spec(cases: Sequence[CaseResult], palette: Mapping[str, str] = theme.LIGHT) -> dict[str, Any] | None:
    """All Pareto plots as one Vega-Lite specification; None where there is nothing to plot."""
    settings = enumerate(plotted(cases).items())
    rows = [row for index, (setting, group) in settings if (row := _row(group, index, setting.title, palette))]
    if not rows:
        return None
    # What may stand at the top alone is taken there from each plot.
    shared = [{name: plot.pop(name) for name in _OF_THE_TOP} for row in rows for plot in row["hconcat"]]
    return {
        "$schema": shared[0]["$schema"],
        "params": shared[0]["params"],
        "datasets": {name: rows for plot in shared for name, rows in plot["datasets"].items()},
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
