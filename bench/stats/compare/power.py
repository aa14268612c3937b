"""What a comparison can find before it runs, and what it could have found after.

By the width that an interval of so many units has on average, for noise that is normal, and at the last look alone: a
check that looks earlier too finds a little more.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats as scipy_stats

MOST_UNITS = 1000  # beyond that nobody waits


class _Rule(Protocol):
    @property
    def limit(self) -> float: ...
    @property
    def practical(self) -> float: ...
    @property
    def min_units(self) -> int: ...
    @property
    def power(self) -> float: ...
    def chance(self, cases: int) -> float: ...


def detectable(sigma: float, rule: _Rule, units: int | None = None, cases: int = 1) -> float | None:
    """The smallest slowdown, e.g. 0.04, that is nearly always (`rule.power`) found with so many units, by default the
    rule's fewest, where ln of one unit's ratio has the standard deviation `sigma` and `cases` are judged at once.
    None where so few can find nothing at all."""
    units = rule.min_units if units is None else units
    if units < max(rule.min_units, 2):
        return None
    return math.expm1(float(_found(sigma, rule, np.array([units]), cases)[0]))


def units_needed(sigma: float, rule: _Rule, wanted: float | None = None, cases: int = 1) -> int | None:
    """The fewest units that nearly always find a slowdown of `wanted` (by default what must not pass); None where no
    number of them does, because it is below what counts, or more than a thousand. As many exclude it in equal code."""
    limit = rule.limit if wanted is None else math.log1p(wanted)
    if limit <= rule.practical:
        return None
    units = np.arange(max(rule.min_units, 2), MOST_UNITS + 1)
    enough = units[_found(sigma, rule, units, cases) <= limit]
    return int(enough[0]) if enough.size else None


def _found(sigma: float, rule: _Rule, units: NDArray[np.int_], cases: int) -> NDArray[np.float64]:
    """ln of the smallest slowdown: both the size that counts and the interval's half-width must be passed, by as much
    as an estimate falls short of the truth in all but the share that may be missed."""
    error = sigma / np.sqrt(units)
    half = scipy_stats.t.isf(rule.chance(cases) / 2, units - 1) * error
    return np.maximum(rule.practical, half) + scipy_stats.norm.ppf(rule.power) * error
