"""The verdict of pairs of fresh processes, which may be asked for after every pair.

Each pair gives one number, r = ln(head / base). After n of them the interval is mean(r) +- t * s / sqrt(n), with
Student's t of n - 1 degrees of freedom for a chance so small that all looks at all cases together are wrong in 1 % of
checks (`PairRule.chance`): whoever looks often pays for it with a wider interval, and may stop at any look.

- regressed: the interval leaves out 1, and the estimate is at least half of what must not pass (in logarithms);
- improved: likewise, the other way;
- equivalent: the whole interval lies within what must not pass, either way;
- anything else goes on, up to `max_replicates` pairs, and is inconclusive then. That is no pass.

A/A pairs (the base twice) are the control: where they are a finding by the same rule, the host itself makes one side
slower, and no verdict is given.
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
    """How many times as long the head takes, by head / base of each pair, with the interval of this look.

    It is open before the first look. Raises ValueError where there is no pair.
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
    """What the pairs so far allow to be said; None while more of them are wanted."""
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
    """The verdict of one case among so many; `noise` is what `host_noise` says of their A/A pairs."""
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
    """Why this host is too noisy for any verdict, by the A/A pairs of all cases; None where it is not, or where too
    few were measured, for what is beyond doubt ends sooner."""
    if len(controls) < rule.min_controls:
        return None
    estimate = estimate_pairs(controls, rule, cases)
    if direction_of(estimate, rule) is None:
        return None
    return f"host too noisy: base against base gives {estimate_text(estimate)}, which would be a finding"
