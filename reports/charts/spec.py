"""Vega-Lite in a few words: a specification is a dict, and these functions write its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"

Spec = dict[str, Any]
Width = int | Literal["container"]
Row = Mapping[str, Any]


def number_of(field: str, **more: Any) -> Spec:
    """A channel that shows a number of each row."""
    return {"field": field, "type": "quantitative", **more}


def time_of(field: str, **more: Any) -> Spec:
    """A channel that shows a time of each row."""
    return {"field": field, "type": "temporal", **more}


def name_of(field: str, domain: Sequence[str] = (), range: Sequence[str] = ()) -> Spec:
    """A channel that shows a name of each row: as it is, or as that of `range` which stands for it."""
    scale = {"scale": {"domain": list(domain), "range": list(range)}, "legend": None} if domain else {}
    return {"field": field, "type": "nominal", **scale}


def as_is(field: str, kind: Literal["nominal", "quantitative"]) -> Spec:
    """A channel whose values stand in the rows as they are drawn: a shape, a size."""
    return {"field": field, "type": kind, "scale": None}


def expr(text: str) -> Spec:
    """A property of a mark that Vega computes when it draws."""
    return {"expr": text}


def either(test: str, yes: Any, no: Any) -> Spec:
    """A channel of one value where the test holds, else of another; `no` may be a channel itself."""
    return {"condition": {"test": test, "value": yes}} | (no if isinstance(no, dict) else {"value": no})


def layer(mark: str, rows: Sequence[Row] | str, style: Row, **channels: Spec) -> Spec:
    """Marks of one style, one for each row; `rows` may be the name of a data set."""
    data = {"name": rows} if isinstance(rows, str) else {"values": list(rows)}
    return {"data": data, "mark": {"type": mark, **style}, "encoding": channels}


def only(where: str, layer: Spec) -> Spec:
    """The layer with those of its rows for which this holds."""
    return layer | {"transform": [{"filter": where}]}


def names(rows: Sequence[Row] | str, style: Mapping[str, Spec], **channels: Spec) -> list[Spec]:
    """The names of points at their `label_positions`: a halo below each, so that lines do not cross the letters."""
    at = {"align": expr("datum.align"), "dx": expr("datum.dx"), "dy": expr("datum.dy")}
    at |= {"aria": False, "baseline": "middle"}
    return [layer("text", rows, {**style[name], **at}, **channels) for name in ("halo", "name")]


def chart(layers: Sequence[Spec], **properties: Any) -> Spec:
    """Layers over each other as one chart."""
    return {"$schema": SCHEMA, "layer": list(layers), **properties}
