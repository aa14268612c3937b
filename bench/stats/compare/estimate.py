"""How much slower the head is than the base: from the processes of two stores, or from the calls of one pair.

The replicate is a fresh process, or a pair of them; never a sample of one process. What differs
from process to process (memory layout, the choice of algorithms, the neighbours of that minute) is the same for all
samples of one of them, so ten thousand of its samples say no more about it than one.

Everything is done on r = ln(slowdown): base and head swapped gives -r, and both scaled gives the same r.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from ..metrics import Better
from .findings import Estimate

Floats = NDArray[np.float64]

# Below this many replicates an interval is the exact one of ranks: a bootstrap of so few is too narrow.
BOOTSTRAP_FROM = 8
RESAMPLES = 10_000
# Differences that are held at once while resampling, 8 bytes each: what stays in a core's cache is twice as quick.
_DIFFERENCES_AT_ONCE = 50_000


def unpaired(
    base: Sequence[float], head: Sequence[float], *, better: Better, seed: int = 0, confidence: float = 0.95
) -> Estimate:
    """The slowdown from fresh processes of two stores, one figure a process, that did not run side by side.

    What the machine did between the two runs is in the ratio, and no number of processes takes it out.
    With fewer than 2 processes of base or head the interval is unknown: from 0 to infinity.
    It is too where a figure is 0 or less, as energy above idle may be: it has no ratio.
    Raises ValueError if one has none, or a figure is not finite.
    """
    before, after = _figures(base), _figures(head)
    if not ((before > 0).all() and (after > 0).all()):
        return _unknown(before, after, better, confidence)
    logs = np.log(before), np.log(after)
    both = logs if better == "lower" else (-logs[0], -logs[1])
    replicates = min(len(before), len(after))
    low, high, p = _rank_sum(*both, confidence)
    if replicates >= BOOTSTRAP_FROM:
        low, high = _resampled(both, confidence, seed)
    return Estimate(
        slowdown=_exp(float(_shift_median(*both))),
        low=_exp(low),
        high=_exp(high),
        confidence=confidence,
        replicates=replicates,
        paired=False,
        sigma=math.sqrt(sum(float(np.var(each, ddof=1)) for each in both)) if replicates > 1 else None,
        p=p,
    )


def within(base: Sequence[float], head: Sequence[float], *, seed: int = 0, confidence: float = 0.95) -> Estimate:
    """The ratio of the medians of two single processes, with a bootstrap interval over their samples (lower is better).

    For showing only: the interval says how well each of the two medians is known, not whether base and head differ.
    `replicates` is 1, so no verdict can come of it. Raises ValueError like `unpaired`.
    """
    before, after = _figures(base), _figures(head)
    if not ((before > 0).all() and (after > 0).all()):
        return _unknown(before, after, "lower", confidence)

    ends = -math.inf, math.inf
    if min(len(before), len(after)) > 1:
        noise = np.random.default_rng(seed)
        ratios = _resampled_medians(after, noise) / _resampled_medians(before, noise)
        ends = tuple(np.log(np.quantile(ratios, [(1 - confidence) / 2, (1 + confidence) / 2])))
    slowdown = float(np.median(after) / np.median(before))
    return Estimate(slowdown, _exp(ends[0]), _exp(ends[1]), confidence, replicates=1, paired=False)


def call_by_call(base: Sequence[float], head: Sequence[float]) -> float:
    """How many times as long the head takes, where two processes interleaved their calls: `base[i]` and `head[i]` are
    seconds of calls beside each other. The figure of one pair, so without an interval.

    Of the ratios of all these it is the Hodges-Lehmann median: on a machine whose speed changes within a second, what
    slows one call slows the one beside it, and drops out here, but not of a ratio of two medians.
    Raises ValueError like `unpaired`; of lists that differ in length the longer one's last calls are left out.
    """
    count = min(len(base), len(head))
    ratios = np.log(_figures(head[:count])) - np.log(_figures(base[:count]))
    return math.exp(np.median(walsh_means(ratios)))


def walsh_means(values: Floats) -> Floats:
    """The means of all pairs of values along the last axis, each with itself included."""
    first, second = np.triu_indices(values.shape[-1])
    return (values[..., first] + values[..., second]) / 2


def _figures(values: Sequence[float]) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if not found.size:
        raise ValueError("no figures: nothing can be compared")
    if not np.isfinite(found).all():
        raise ValueError("a figure is not finite: it has no ratio")
    return found


def _unknown(before: Floats, after: Floats, better: Better, confidence: float) -> Estimate:
    """Where a figure is 0 or less its ratio says nothing: the interval is as wide as can be."""
    a, b = float(np.median(before)), float(np.median(after))
    worse, than = (b, a) if better == "lower" else (a, b)
    slowdown = 1.0 if worse == than else worse / than if worse >= 0 and than > 0 else math.inf
    return Estimate(slowdown, 0.0, math.inf, confidence, min(len(before), len(after)), paired=False)


def _shift_median(before: Floats, after: Floats, axis: int = -1) -> Floats:
    """The Hodges-Lehmann shift: the median of the differences of each head figure and each base figure."""
    before, after = np.moveaxis(before, axis, -1), np.moveaxis(after, axis, -1)
    differences = after[..., :, None] - before[..., None, :]
    return _median(differences.reshape(*differences.shape[:-2], -1))


def _median(values: Floats) -> Floats:
    """The median along the last axis, by sorting: of so few values quicker than numpy's own."""
    ordered, half = np.sort(values, axis=-1), values.shape[-1] // 2
    return ordered[..., half] if values.shape[-1] % 2 else (ordered[..., half - 1] + ordered[..., half]) / 2


def _rank_sum(before: Floats, after: Floats, confidence: float) -> tuple[float, float, float]:
    """The same of Mann and Whitney's ranks, for processes that are no pairs."""
    few, many = sorted((len(before), len(after)))
    end = _end(_rank_sum_chances(few, many), confidence) if few < BOOTSTRAP_FROM else None
    low, high = _interval((after[:, None] - before[None, :]).ravel(), end)
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


def _interval(sums: Floats, end: int | None) -> tuple[float, float]:
    if end is None:
        return -math.inf, math.inf
    ordered = np.sort(sums)
    return float(ordered[end - 1]), float(ordered[-end])


def _resampled(both: tuple[Floats, Floats], confidence: float, seed: int) -> tuple[float, float]:
    """The bootstrap interval (bias-corrected and accelerated; by plain percentiles where that is not defined)."""
    if all(np.ptp(each) == 0 for each in both):
        same = float(_shift_median(*both))
        return same, same
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that BCa is not defined is seen from its result
            interval = scipy_stats.bootstrap(
                both,
                _shift_median,
                n_resamples=RESAMPLES,
                confidence_level=confidence,
                method=method,
                batch=max(1, _DIFFERENCES_AT_ONCE // math.prod(len(each) for each in both)),
                rng=np.random.default_rng(seed),
            ).confidence_interval
        if math.isfinite(interval.low) and math.isfinite(interval.high):
            return float(interval.low), float(interval.high)
    return -math.inf, math.inf


def _resampled_medians(values: Floats, noise: np.random.Generator) -> Floats:
    """Medians of resamples, without drawing any of them: of n values the one in the middle of a resample has a rank
    that is n times a Beta(n/2 + 1/2, n/2 + 1/2). Ten thousand samples take no longer than ten."""
    half = (len(values) + 1) / 2
    return np.asarray(np.quantile(values, noise.beta(half, half, RESAMPLES)), dtype=np.float64)


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf
