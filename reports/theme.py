"""Colours and type of the charts and of the page. A chart names its marks; the tables here say how they look.

Blue and orange stay apart in every common form of colour blindness, and form has a shape besides: clip networks are
squares, frame networks circles, and networks whose input is neither are triangles. On the page the colours are CSS
variables, so charts follow the reader's light or dark mode (and paper) by themselves; in an exported picture they
are written out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Each system's own interface font; plain system-ui is last, since on Linux it may be anything.
FONT = '-apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, system-ui, sans-serif'

LIGHT: Mapping[str, str] = {
    "ink": "#1b2430",
    "muted": "#5a6676",
    "line": "#dde2e9",
    "page": "#f5f6f8",
    "surface": "#ffffff",
    "clip": "#b8500a",
    "frame": "#0b62a8",
    "input": "#4b6b2a",
    "frame-soft": "#e8f1fa",
    "warn": "#8a4b00",
    "warn-soft": "#fdf1dc",
    "error": "#b3261e",
    "highlight": "#b0307c",
    "front": "#7e8998",
}
DARK: Mapping[str, str] = {
    "ink": "#e7ebf1",
    "muted": "#a3afbf",
    "line": "#323c4a",
    "page": "#10151c",
    "surface": "#18202a",
    "clip": "#f2994a",
    "frame": "#62b5f5",
    "input": "#a8cf7f",
    "frame-soft": "#1c3247",
    "warn": "#f3bd6a",
    "warn-soft": "#3a2c14",
    "error": "#ff8a80",
    "highlight": "#f08cc4",
    "front": "#66748a",
}

# What a chart on the page uses: the variables that the style sheet sets from LIGHT and DARK.
VARIABLES: Mapping[str, str] = {name: f"var(--{name})" for name in LIGHT}


def css_variables(palette: Mapping[str, str]) -> str:
    """The palette as declarations for a style sheet."""
    return "".join(f"--{name}:{colour};" for name, colour in palette.items())


def config(palette: Mapping[str, str], font: str = FONT) -> dict[str, Any]:
    """The Vega-Lite `config` of a palette."""
    muted, ink = palette["muted"], palette["ink"]
    return {
        "background": None,
        "font": font,
        "view": {"stroke": None},
        "axis": {
            "labelColor": muted,
            "titleColor": ink,
            "gridColor": palette["line"],
            "domainColor": palette["front"],
            "tickColor": palette["front"],
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": 500,
            "titlePadding": 8,
            "labelPadding": 4,
        },
        "title": {"color": ink, "fontSize": 14, "fontWeight": 600, "anchor": "start", "offset": 12},
        "legend": {"labelColor": ink, "titleColor": ink, "labelFontSize": 12},
    }


def mark_styles(palette: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """How each kind of mark is drawn: properties of a Vega-Lite mark, by the name charts use for it."""
    muted, ink, front = palette["muted"], palette["ink"], palette["front"]
    return {
        "front": {"stroke": front, "strokeWidth": 4, "strokeJoin": "round", "strokeCap": "round"},
        "arrow": {"stroke": muted, "strokeWidth": 1.3},
        "arrow-head": {"fill": muted, "strokeWidth": 0},
        "leader": {"stroke": muted, "strokeWidth": 0.8},
        "name": {"fill": ink, "fontSize": 12, "fontWeight": 500},
        # Below each name, so that it can be read where a line has to cross it.
        "halo": {
            "fill": palette["surface"],
            "stroke": palette["surface"],
            "strokeWidth": 4,
            "strokeJoin": "round",
            "fontSize": 12,
            "fontWeight": 500,
        },
        "limit": {"stroke": muted, "strokeWidth": 1, "strokeDash": [3, 3]},
        "limit-name": {"fill": muted, "fontSize": 11},
        "median": {"stroke": ink, "strokeWidth": 1.6},
        "percentile": {"stroke": muted, "strokeWidth": 1.4, "strokeDash": [4, 3]},
        "roof": {"stroke": muted, "strokeWidth": 2},
        "band": {"fill": muted, "fillOpacity": 0.16},
    }
