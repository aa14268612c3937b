"""What a comparison can find before it runs, and what it could have found after.

Computed from the mean width of an interval of so many replicates, for normal noise, at the last analysis only: a check
that is also analysed earlier finds a little more.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats as scipy_stats

MOST_REPLICATES = 1000  # nobody waits longer


class _Rule(Protocol):
    @property
    def limit(self) -> float: ...
    @property
    def practical(self) -> float: ...
    @property
    def min_replicates(self) -> int: ...
    @property
    def power(self) -> float: ...
    def chance(self, cases: int) -> float: ...


def detectable(sigma: float, rule: _Rule, replicates: int | None = None, cases: int = 1) -> float | None:
    """The smallest slowdown, e.g. 0.04, that is found with probability `rule.power`.

    `replicates` defaults to the rule's fewest, `sigma` is the standard deviation of ln of one replicate's ratio, and
    `cases` are judged at once. None where so few replicates cannot find anything.
    """
    replicates = rule.min_replicates if replicates is None else replicates
    if replicates < max(rule.min_replicates, 2):
        return None
    return math.expm1(float(_found(sigma, rule, np.array([replicates]), cases)[0]))


def replicates_needed(sigma: float, rule: _Rule, wanted: float | None = None, cases: int = 1) -> int | None:
    """The fewest replicates that find a slowdown of `wanted` (default: the rule's limit) with probability `rule.power`.

    None where it is smaller than what counts, or would need more than a thousand. Of equal code as many exclude it.
    """
    limit = rule.limit if wanted is None else math.log1p(wanted)
    if limit <= rule.practical:
        return None
    replicates = np.arange(max(rule.min_replicates, 2), MOST_REPLICATES + 1)
    enough = replicates[_found(sigma, rule, replicates, cases) <= limit]
    return int(enough[0]) if enough.size else None


def _found(sigma: float, rule: _Rule, replicates: NDArray[np.int_], cases: int) -> NDArray[np.float64]:
    """ln of the smallest slowdown: the larger of the size that counts and the interval's half-width, plus the error
    that an estimate exceeds with probability 1 - `rule.power`."""
    error = sigma / np.sqrt(replicates)
    half = scipy_stats.t.isf(rule.chance(cases) / 2, replicates - 1) * error
    return np.maximum(rule.practical, half) + scipy_stats.norm.ppf(rule.power) * error
