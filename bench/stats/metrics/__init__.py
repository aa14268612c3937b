"""The figures a record can show. One file each; tables, axes, the Pareto front and the gate all read these.

A metric is found by its file: put `METRIC = Metric(...)` into a new file of this folder and it is listed.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from ...record.record import Record


@dataclass(frozen=True)
class Metric:
    """One figure: what it is called, in which unit, which direction is better, and how it is read."""

    name: str  # as in the record, with its unit: latency_s, peak_allocated_bytes
    label: str  # for axes and table heads
    unit: str  # the unit shown to people
    better: Literal["lower", "higher"]
    value: Callable[[Record], float | None]  # in the shown unit; None where the record has no such figure
    order: int = 100
    noisy: bool = False  # True where two runs on one machine differ


@cache
def all_metrics() -> tuple[Metric, ...]:
    """Every metric of this folder, by `order`, then by name; two of one name are an error."""
    found: dict[str, Metric] = {}
    for module in pkgutil.iter_modules(__path__):
        metric = importlib.import_module(f"{__name__}.{module.name}").METRIC
        if metric.name in found:
            raise ValueError(f"two metrics are called {metric.name!r}; rename the one in {module.name}.py")
        found[metric.name] = metric
    return tuple(sorted(found.values(), key=lambda m: (m.order, m.name)))


def get_metric(name: str) -> Metric:
    """The metric of that name; KeyError names the ones there are."""
    for metric in all_metrics():
        if metric.name == name:
            return metric
    raise KeyError(f"no metric {name!r}; there are {', '.join(m.name for m in all_metrics())}")
