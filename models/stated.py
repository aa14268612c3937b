"""What the author of a custom network states of it: attributes of the module, or a table of bench.toml."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from .spec import VIEWS


@dataclass(frozen=True)
class Fact:
    """One thing to state: what a right value is, in words, and whether one is."""

    wanted: str
    right: Callable[[Any], bool]


def _number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and math.isfinite(value) and low <= value <= high


LIKE = 0.6  # from here on one key may be meant for another

_RATE = _number(0.001, 1000)

FACTS: Mapping[str, Fact] = {
    "accuracy_top1": Fact("a percentage, from 0 to 100", _number(0, 100)),
    "accuracy_frames_per_s": Fact("frames per second at which that was measured, from 0.001 to 1000", _RATE),
    "accuracy_view": Fact(f"what it saw of the film: {', '.join(VIEWS)}", lambda value: value in VIEWS),
    "frame_rate_hz": Fact("frames per second of its video, from 0.001 to 1000", _RATE),
    "counterpart": Fact(
        "the name of its clip network: x3d-m, file.py:factory, or a factory of the same file",
        lambda value: isinstance(value, str) and value != "" and value.isprintable() and " " not in value,
    ),
}


def _likeness(a: str, b: str) -> float:
    return difflib.SequenceMatcher(None, a, b).ratio()


def complaints(values: Mapping[str, Any], form: str | None = None) -> Iterator[tuple[str, str]]:
    """(key, what is wrong) of each value; with a `form`, also what does not fit that of the network."""
    for key, value in values.items():
        if key not in FACTS:
            near = max(FACTS, key=partial(_likeness, key))  # of equally near ones the first
            known = f"did you mean {near}?" if _likeness(key, near) >= LIKE else f"there are {', '.join(FACTS)}"
            yield key, f"unknown key; {known}"
        elif not FACTS[key].right(value):
            yield key, f"is {value!r}; it must be {FACTS[key].wanted}"
        elif key == "counterpart" and form not in (None, "frame"):
            yield key, "only a network that is run frame by frame has a clip counterpart; leave it out"
        elif key in ("accuracy_frames_per_s", "accuracy_view") and "accuracy_top1" not in values:
            yield key, "belongs to an accuracy; state accuracy_top1 beside it"


def of_module(net: Any) -> dict[str, Any]:
    """What a module states in its attributes."""
    return {key: getattr(net, key) for key in FACTS if getattr(net, key, None) is not None}
