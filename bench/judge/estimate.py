"""How much slower the head is than the base, with an interval, from the figures of fresh processes.

The unit is a pair of fresh processes, or one fresh process of a store; never a sample of one process. What differs
from process to process (memory layout, the choice of algorithms, the neighbours of that minute) is the same for all
samples of one of them, so ten thousand of its samples know no more of it than one.

Everything is done on r = ln(slowdown): base and head swapped gives -r, and both scaled gives the same r.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from .findings import Estimate

Better = Literal["lower", "higher"]
Floats = NDArray[np.float64]

# Below this many units an interval is the exact one of ranks: a bootstrap of so few is too narrow.
BOOTSTRAP_FROM = 8
RESAMPLES = 10_000
# Sums of two that are held at once while resampling, 8 bytes each: what stays in a core's cache is twice as quick.
_SUMS_AT_ONCE = 50_000


def paired(
    base: Sequence[float], head: Sequence[float], *, better: Better, seed: int = 0, confidence: float = 0.95
) -> Estimate:
    """The slowdown from pairs of fresh processes, `base[i]` and `head[i]` having run together.

    The estimate is the Hodges-Lehmann median of the r of all pairs: nearly as sharp as a mean, and two wild pairs of
    seven do not move it far. Pairs whose order alternates cancel what the second place costs.
    Raises ValueError if there are no pairs, the sides differ in length or a figure is negative or not finite.
    """
    if len(base) != len(head):
        raise ValueError(f"{len(base)} figures of the base and {len(head)} of the head are no pairs")
    before, after = _figures(base), _figures(head)
    if np.any((before == 0) != (after == 0)):
        return _unknown(before, after, better, confidence, paired=True)
    ratios = _slowdowns(_log_ratio(after, before), better)
    return _estimate((ratios,), _walsh_median, _signed_rank, confidence, seed)


def unpaired(
    base: Sequence[float], head: Sequence[float], *, better: Better, seed: int = 0, confidence: float = 0.95
) -> Estimate:
    """The slowdown from fresh processes of two stores, one figure a process, that did not run side by side.

    What the machine did between the two runs is in the ratio, and no number of processes takes it out.
    With fewer than 2 processes on a side the interval is unknown: from 0 to infinity. Raises ValueError like `paired`.
    """
    before, after = _figures(base), _figures(head)
    if not (before.all() and after.all()):
        return _unknown(before, after, better, confidence, paired=False)
    sides = np.log(before), np.log(after)
    ordered = sides if better == "lower" else (-sides[0], -sides[1])
    return _estimate(ordered, _shift_median, _rank_sum, confidence, seed)


def within(base: Sequence[float], head: Sequence[float], *, seed: int = 0, confidence: float = 0.95) -> Estimate:
    """The ratio of the medians of two single processes, with a bootstrap interval over their samples (lower is better).

    For showing only: the interval says how well each of the two medians is known, not whether base and head differ.
    `units` is 1, so no verdict can come of it. Raises ValueError like `paired`.
    """
    before, after = _figures(base), _figures(head)
    if not (before.all() and after.all()):
        return _unknown(before, after, "lower", confidence, paired=False)

    ends = -math.inf, math.inf
    if min(len(before), len(after)) > 1:
        noise = np.random.default_rng(seed)
        ratios = _resampled_medians(after, noise) / _resampled_medians(before, noise)
        ends = tuple(np.log(np.quantile(ratios, [(1 - confidence) / 2, (1 + confidence) / 2])))
    slowdown = float(np.median(after) / np.median(before))
    return Estimate(slowdown, _exp(ends[0]), _exp(ends[1]), confidence, units=1, paired=False)


def call_by_call(base: Sequence[float], head: Sequence[float]) -> float:
    """How many times as long the head takes, where two processes made their calls in turn: `base[i]` and `head[i]` are
    seconds of calls beside each other. The figure of one pair, so without an interval.

    Of the ratios of all these it is the Hodges-Lehmann median: on a machine whose speed changes within a second, what
    slows one call slows the one beside it, and drops out here, but not of a ratio of two medians.
    Raises ValueError like `paired`; of sides that differ in length the longer one's last calls are left out.
    """
    count = min(len(base), len(head))
    ratios = _log_ratio(_figures(head[:count]), _figures(base[:count]))
    return math.exp(np.median(walsh_means(ratios)))


def rank_interval(units: int, confidence: float) -> int | None:
    """Which of the ordered sums of two (1 is the smallest) ends the exact interval of signed ranks of so many pairs;
    None where there are too few for that confidence (fewer than 6 for 95 %)."""
    chances = np.ones(1)  # of each sum of ranks: every rank is in it or not, like a coin's side
    for rank in range(1, units + 1):
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    return _end(chances, confidence)


def walsh_means(values: Floats) -> Floats:
    """The means of all pairs of values along the last axis, each with itself included."""
    first, second = np.triu_indices(values.shape[-1])
    return (values[..., first] + values[..., second]) / 2


def _figures(values: Sequence[float]) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if not found.size:
        raise ValueError("no figures: nothing can be compared")
    if not np.isfinite(found).all() or (found < 0).any():
        raise ValueError("a figure is negative or not finite: it has no ratio")
    return found


def _log_ratio(after: Floats, before: Floats) -> Floats:
    """ln(after / before); two zeros are equal."""
    both = before > 0
    return np.log(np.where(both, after, 1.0)) - np.log(np.where(both, before, 1.0))


def _slowdowns(ratios: Floats, better: Better) -> Floats:
    return ratios if better == "lower" else -ratios


def _unknown(before: Floats, after: Floats, better: Better, confidence: float, *, paired: bool) -> Estimate:
    """Where a figure is 0 its ratio says nothing: the interval is as wide as can be."""
    a, b = float(np.median(before)), float(np.median(after))
    worse, than = (b, a) if better == "lower" else (a, b)
    slowdown = 1.0 if worse == than else worse / than if than else math.inf
    return Estimate(slowdown, 0.0, math.inf, confidence, min(len(before), len(after)), paired)


def _estimate(sides, statistic, exact, confidence: float, seed: int) -> Estimate:
    """`sides` are the r of pairs, or ln of the figures of each side; the rest is the same for both."""
    units = min(len(side) for side in sides)
    low, high, p = exact(*sides, confidence)
    if units >= BOOTSTRAP_FROM:
        low, high = _resampled(sides, statistic, confidence, seed)
    sigma = math.sqrt(sum(float(np.var(side, ddof=1)) for side in sides)) if units > 1 else None
    return Estimate(
        slowdown=_exp(float(statistic(*sides))),
        low=_exp(low),
        high=_exp(high),
        confidence=confidence,
        units=units,
        paired=len(sides) == 1,
        sigma=sigma,
        p=p,
    )


def _walsh_median(ratios: Floats, axis: int = -1) -> Floats:
    """The Hodges-Lehmann median: of the means of all pairs of values, each with itself included."""
    values = np.moveaxis(ratios, axis, -1)
    return _middle(walsh_means(values))


def _shift_median(before: Floats, after: Floats, axis: int = -1) -> Floats:
    """The Hodges-Lehmann shift: the median of the differences of each of one side with each of the other."""
    before, after = np.moveaxis(before, axis, -1), np.moveaxis(after, axis, -1)
    differences = after[..., :, None] - before[..., None, :]
    return _middle(differences.reshape(*differences.shape[:-2], -1))


def _middle(values: Floats) -> Floats:
    """The median along the last axis, by sorting: of so few values quicker than numpy's own."""
    ordered, half = np.sort(values, axis=-1), values.shape[-1] // 2
    return ordered[..., half] if values.shape[-1] % 2 else (ordered[..., half - 1] + ordered[..., half]) / 2


def _signed_rank(ratios: Floats, confidence: float) -> tuple[float, float, float]:
    """The exact interval of Wilcoxon's signed ranks, and the two-sided chance of such ranks where nothing differs."""
    end = rank_interval(len(ratios), confidence) if len(ratios) < BOOTSTRAP_FROM else None
    low, high = _ends(walsh_means(ratios), end)
    if not ratios.any():
        return low, high, 1.0
    _, chance = cast("tuple[float, float]", scipy_stats.wilcoxon(ratios))
    return low, high, float(chance)


def _rank_sum(before: Floats, after: Floats, confidence: float) -> tuple[float, float, float]:
    """The same of Mann and Whitney's ranks, for processes that are no pairs."""
    few, many = sorted((len(before), len(after)))
    end = _end(_rank_sum_chances(few, many), confidence) if few < BOOTSTRAP_FROM else None
    low, high = _ends((after[:, None] - before[None, :]).ravel(), end)
    return low, high, float(scipy_stats.mannwhitneyu(after, before)[1])


def _rank_sum_chances(few: int, many: int) -> Floats:
    """The chance of each count of positive differences between two groups that do not differ."""
    ways = np.zeros((few + 1, few * many + few * (few + 1) // 2 + 1))  # to choose so many ranks of that sum
    ways[0, 0] = 1
    for rank in range(1, few + many + 1):
        ways[1:, rank:] += ways[:-1, : ways.shape[1] - rank].copy()
    chosen = ways[few, few * (few + 1) // 2 :]
    return chosen / chosen.sum()


def _end(chances: Floats, confidence: float) -> int | None:
    """How many of the ordered sums may be left out at each end; the last of them is the interval's end."""
    # Beyond rounding; at 6 pairs and a confidence of 1 - 2/64 the smallest sum itself must still count.
    return int(np.searchsorted(np.cumsum(chances), (1 - confidence) / 2 + 1e-12, side="right")) or None


def _ends(sums: Floats, end: int | None) -> tuple[float, float]:
    if end is None:
        return -math.inf, math.inf
    ordered = np.sort(sums)
    return float(ordered[end - 1]), float(ordered[-end])


def _resampled(sides, statistic, confidence: float, seed: int) -> tuple[float, float]:
    """The bootstrap interval (bias-corrected and accelerated; by plain percentiles where that is not defined)."""
    if all(np.ptp(side) == 0 for side in sides):
        same = float(statistic(*sides))
        return same, same
    sums = math.prod(len(side) for side in sides) if len(sides) == 2 else len(sides[0]) * (len(sides[0]) + 1) // 2
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that BCa is not defined is seen from its result
            found = scipy_stats.bootstrap(
                sides,
                statistic,
                n_resamples=RESAMPLES,
                confidence_level=confidence,
                method=method,
                batch=max(1, _SUMS_AT_ONCE // sums),
                rng=np.random.default_rng(seed),
            ).confidence_interval
        if math.isfinite(found.low) and math.isfinite(found.high):
            return float(found.low), float(found.high)
    return -math.inf, math.inf


def _resampled_medians(values: Floats, noise: np.random.Generator) -> Floats:
    """Medians of resamples, without drawing any of them: of n values the one in the middle of a resample has a rank
    that is n times a Beta(n/2 + 1/2, n/2 + 1/2). Ten thousand samples take no longer than ten."""
    half = (len(values) + 1) / 2
    return np.quantile(values, noise.beta(half, half, RESAMPLES))


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf
