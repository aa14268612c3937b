"""What a check can find before it runs, and what it could have found after: for the rule as it is, all of it.

Not a formula for one test: the estimate must reach the practical size and both stages must agree, and each of these
misses something. Noise is taken as normal here. Because every estimate and every end of an interval moves and scales
with the noise, one set of seeded trials of unit noise answers for every sigma: each trial tells the smallest slowdown
that it would have found, and the one that is enough for `rule.power` of them is what can be detected.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy import stats as scipy_stats

from .estimate import Floats, rank_interval, walsh_means
from .rule import Rule

TRIALS = 2000
MOST_UNITS = 1000  # beyond that nobody waits
# Up to so many pairs in both stages the trials are exact; beyond, their medians are drawn from the normal limit.
_EXACT_UNITS = 100


def detectable(sigma: float, rule: Rule, units: int | None = None, cases: int = 1) -> float | None:
    """The smallest slowdown, e.g. 0.04, that is nearly always (`rule.power`) found with so many first pairs, by default
    the rule's fewest, where ln of one pair's ratio has the standard deviation `sigma` and `cases` are judged at once.
    None where so few can find nothing at all."""
    first = rule.min_units if units is None else units
    if first < rule.min_units:
        return None
    means, lows = _unit_noise(first, rule.second_units(first), rule.confidence, 1 - rule.q / cases)
    needed = np.maximum(rule.practical - sigma * means, -sigma * lows if sigma else 0.0)
    found = float(np.quantile(needed, rule.power, method="higher"))
    return math.expm1(found) if math.isfinite(found) else None


def units_needed(sigma: float, rule: Rule, wanted: float | None = None, cases: int = 1) -> int | None:
    """The fewest first pairs that nearly always find a slowdown of `wanted` (by default what must not pass);
    None where no number of them does, because it is below what counts, or more than a thousand."""
    wanted = rule.max_slowdown if wanted is None else wanted

    def enough(units: int) -> bool:
        found = detectable(sigma, rule, units, cases)
        return found is not None and found <= wanted

    if wanted <= math.expm1(rule.practical) or not enough(MOST_UNITS):
        return None
    few, many = rule.min_units - 1, rule.min_units  # too few; enough, once the doubling is over
    while not enough(many):
        few, many = many, min(2 * many, MOST_UNITS)
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if enough(middle) else (middle, many)
    return many


@lru_cache(maxsize=256)
def _unit_noise(first: int, second: int, confidence: float, together: float) -> tuple[Floats, Floats]:
    """Of each trial with unit noise: the lower of both stages' estimates, and the lowest of the lower ends of both
    stages' intervals and of the stricter one of all pairs."""
    noise = np.random.default_rng(0)
    if first + second <= _EXACT_UNITS:
        drawn = noise.standard_normal((TRIALS, first + second))
        parts = [drawn[:, :first], drawn[:, first:]] if second else [drawn]
        looks = [_of_ranks(part, confidence) for part in parts]
        whole = _of_ranks(drawn, together)[1]
    else:
        sizes = [first, second] if second else [first]
        means = [noise.standard_normal(TRIALS) * _error(size) for size in sizes]
        looks = [(mean, mean - _quantile(confidence, n) * _error(n)) for mean, n in zip(means, sizes, strict=True)]
        whole = np.average(means, axis=0, weights=sizes) - _quantile(together, sum(sizes)) * _error(sum(sizes))
    return np.min([mean for mean, _ in looks], axis=0), np.min([whole, *(low for _, low in looks)], axis=0)


def _of_ranks(noise: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Estimate and lower end of every row. The ends are those of ranks, which a bootstrap of few comes close to."""
    sums = np.sort(walsh_means(noise), axis=-1)
    end = rank_interval(noise.shape[-1], confidence)
    count = sums.shape[-1]
    medians = (sums[:, (count - 1) // 2] + sums[:, count // 2]) / 2  # of what is sorted; np.median sorts again
    return medians, sums[:, end - 1] if end else np.full(len(noise), -np.inf)


def _error(units: int) -> float:
    """Standard error of the Hodges-Lehmann median of so many values of unit noise."""
    return math.sqrt(math.pi / 3 / units)


def _quantile(confidence: float, units: int) -> float:
    return float(scipy_stats.t.ppf((1 + confidence) / 2, df=units - 1))
