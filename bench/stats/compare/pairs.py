"""The verdict on interleaved pairs of fresh processes; it can be computed after every pair.

Each pair gives one number, r = ln(head / base). After n of them the interval is mean(r) +- t * s / sqrt(n), with
Student's t of n - 1 degrees of freedom at a level at which all analyses of all cases together are wrong in 1 % of
checks (`PairRule.chance`). More analyses make the interval wider; the check may stop at any of them.

- regressed: the interval excludes 1, and the estimate is at least half of the limit (in logarithms);
- improved: likewise in the other direction;
- equivalent: the whole interval lies within the limit in both directions;
- anything else needs more pairs; after `max_replicates` it is inconclusive, which is no pass.

A/A pairs (the base twice) are the control: if they give a finding by the same rule, the host itself slows one of the
two, and no verdict is given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from scipy import stats as scipy_stats

from .findings import Estimate, Judgement, Verdict
from .power import detectable, replicates_needed
from .rule import PairRule
from .verdict import direction_of, estimate_text, within_limits


def estimate_pairs(ratios: Sequence[float], rule: PairRule, cases: int = 1) -> Estimate:
    """The slowdown of the head from head / base of each pair, with the interval of this analysis.

    The interval is unbounded below `min_replicates`. Raises ValueError where there is no pair.
    """
    if not ratios:
        raise ValueError("no pairs: nothing can be compared")
    logs, replicates = [math.log(ratio) for ratio in ratios], len(ratios)
    middle, sigma = fmean(logs), stdev(logs) if replicates > 1 else None
    half = math.inf
    if sigma is not None and replicates >= rule.min_replicates:
        half = float(scipy_stats.t.isf(rule.chance(cases) / 2, replicates - 1)) * sigma / math.sqrt(replicates)
    return Estimate(
        slowdown=math.exp(middle),
        low=math.exp(middle - half),
        high=math.exp(middle + half) if middle + half < 700 else math.inf,
        confidence=1 - rule.error,
        replicates=replicates,
        paired=True,
        sigma=sigma,
    )


def decided(ratios: Sequence[float], rule: PairRule, cases: int = 1) -> Verdict | None:
    """The verdict on the pairs so far; None while more are needed."""
    if not ratios:
        return None
    estimate = estimate_pairs(ratios, rule, cases)
    direction = direction_of(estimate, rule)
    if direction is not None:
        return direction
    if within_limits(estimate, rule):
        return "equivalent"
    return "inconclusive" if len(ratios) >= rule.max_replicates else None


def judge_pairs(ratios: Sequence[float], rule: PairRule, cases: int = 1, noise: str | None = None) -> Judgement:
    """The verdict on one of so many cases; `noise` is the result of `host_noise` on their A/A pairs."""
    if not ratios:
        return Judgement("inconclusive", "no pairs were measured")
    estimate = estimate_pairs(ratios, rule, cases)
    verdict, why = decided(ratios, rule, cases), estimate_text(estimate)
    if noise is not None:
        verdict, why = "inconclusive", noise
    elif verdict is None:
        verdict, why = "inconclusive", f"{len(ratios)} of up to {rule.max_replicates} pairs: {why}"
    elif verdict == "inconclusive":
        why = f"{why}: too wide to call"
    sigma, more = estimate.sigma, None
    if verdict == "inconclusive" and noise is None and sigma is not None:
        more = (replicates_needed(sigma, rule, cases=cases) or 0) - len(ratios)
    return Judgement(
        verdict,
        why,
        estimate,
        detectable=None if sigma is None else detectable(sigma, rule, len(ratios), cases),
        replicates_needed=more if more and more > 0 else None,
    )


def host_noise(controls: Sequence[float], rule: PairRule, cases: int = 1) -> str | None:
    """Why this host is too noisy for any verdict, by the A/A pairs of all cases; None where it is not, or where fewer
    than `min_controls` were measured because the check ended early."""
    if len(controls) < rule.min_controls:
        return None
    estimate = estimate_pairs(controls, rule, cases)
    if direction_of(estimate, rule) is None:
        return None
    return f"host too noisy: A/A pairs (the base twice) give {estimate_text(estimate)}, which would be a finding"
