"""Which classes a network takes for which: counts of films in, a Vega-Lite specification (a dict) out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...bench.stats.scores import Scores
from .. import theme
from .spec import Spec, chart, expr, layer, name_of, number_of

MOST_CLASSES = 30  # with more no cell could be told from the next
_SIDE_PX = 18
_SILENT = {"aria": False}


def cells(scores: Scores) -> list[dict[str, Any]]:
    """A row for each pair of classes with a film: the share of the films of a class that had that answer."""
    counts = scores.confusion
    if counts is None:
        return []
    found = []
    for truth, answer in zip(*np.nonzero(counts), strict=True):
        films, of = int(counts[truth, answer]), int(counts[truth].sum())
        names = scores.name(int(truth)), scores.name(int(answer))
        tooltip = {"Class": names[0], "Answer": names[1], "Films": f"{films} of {of}"}
        found.append({"truth": names[0], "answer": names[1], "share": films / of, "tooltip": tooltip})
    return found


def shown_classes(scores: Scores) -> list[str]:
    """The classes that a film is of, or was taken for, in their order."""
    counts = scores.confusion
    if counts is None:
        return []
    return [scores.name(place) for place in range(scores.classes) if counts[place].any() or counts[:, place].any()]


def confusion_chart(scores: Scores, form: str, palette: Mapping[str, str] = theme.VARIABLES) -> Spec | None:
    """A cell for each pair of classes, the stronger the more of a row's films it holds; None where films have several
    labels, and for too many classes."""
    rows, names = cells(scores), shown_classes(scores)
    if not rows or len(names) > MOST_CLASSES:
        return None
    side = {"domain": names, "paddingInner": 0.06, "paddingOuter": 0}
    plain = {"ticks": False, "domain": False, "labelLimit": 160}
    across = name_of("answer") | {"scale": side, "title": "answer", "axis": plain | {"labelAngle": -45}}
    down = name_of("truth") | {"scale": side, "title": "class", "axis": plain}
    shade = number_of("share", scale={"domain": [0, 1], "range": [0.06, 1]}, legend=None)
    cell = {"fill": palette[form], "tooltip": expr("datum.tooltip")} | _SILENT
    right = scores.top1
    text = f"Classes and answers of {scores.films} films" + (
        f", {100 * right.value:.1f} % of them right" if right else ""
    )
    layers = [layer("rect", "cells", cell, x=across, y=down, opacity=shade)]
    height = _SIDE_PX * len(names)
    return chart(layers, width="container", height=height, description=text, datasets={"cells": rows})
