"""The Pareto front: the networks of which no other is at least as good in both figures and better in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..bench.stats.case_result import CaseResult
from ..bench.stats.metrics import Metric

Better = Literal["lower", "higher"]


def dominates(
    a: tuple[float, float], b: tuple[float, float], better: tuple[Better, Better] = ("lower", "higher")
) -> bool:
    """True if `a` is nowhere worse than `b` and somewhere better."""
    signed_a = [-value if way == "higher" else value for value, way in zip(a, better, strict=True)]
    signed_b = [-value if way == "higher" else value for value, way in zip(b, better, strict=True)]
    return all(x <= y for x, y in zip(signed_a, signed_b, strict=True)) and signed_a != signed_b


def front_of_points(
    points: Sequence[tuple[float | None, float | None]], better: tuple[Better, Better]
) -> tuple[int, ...]:
    """Indices of the points on the front, in the given order. None is missing and never on it; 0 is a value.

    Equal points do not dominate each other, so a tie is kept whole. Quadratic, which for tens of networks
    is nothing.
    """
    known = [(index, (x, y)) for index, (x, y) in enumerate(points) if x is not None and y is not None]
    return tuple(index for index, point in known if not any(dominates(other, point, better) for _, other in known))


def front(records: Sequence[CaseResult], x: Metric, y: Metric) -> tuple[CaseResult, ...]:
    """The cases on the front of two metrics; each metric states which direction is better."""
    points = [(record.value(x), record.value(y)) for record in records]
    return tuple(records[index] for index in front_of_points(points, (x.better, y.better)))
