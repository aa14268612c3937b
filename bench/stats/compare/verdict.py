"""The verdict on the records of two stores: regressed, improved, equivalent, or inconclusive.

`max_slowdown` is the limit. A rule that asks for an estimate of at least 5 % misses every second slowdown of
exactly 5 %, so a finding needs half of that (in logarithms), and an interval that excludes 1. And `equivalent` needs
the whole interval within `max_slowdown`, so that a slowdown this large is called so only where the interval is wrong.
Where both hold, as for a well-measured 3 %, the finding wins. Everything else is inconclusive, which is no pass.

Among many cases some stand out by chance, so a finding must stand out among as many as were judged (Benjamini and
Hochberg). Pairs of fresh processes, which can be measured on and on, are judged in `pairs.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import stats as scipy_stats

from ..metrics import Better
from .estimate import unpaired
from .findings import Estimate, Judgement, Verdict
from .power import detectable, replicates_needed
from .rule import Limits, Rule

Direction = Literal["regressed", "improved"]


@dataclass(frozen=True)
class Replicates:
    """One figure of each fresh process."""

    base: tuple[float, ...]
    head: tuple[float, ...]

    def __len__(self) -> int:
        return min(len(self.base), len(self.head))


@dataclass(frozen=True)
class Evidence:
    """All that was measured of one case and one metric."""

    key: str  # of the case: model, device, backend, precision, batch, threads, input
    metric: str
    better: Better
    first: Replicates


def judge(evidence: Evidence, rule: Rule) -> Judgement:
    """The verdict on a single case; for several use `judge_all`, which corrects for their number."""
    return judge_all((evidence,), rule)[0]


def judge_all(evidences: Sequence[Evidence], rule: Rule) -> tuple[Judgement, ...]:
    """The verdicts on all cases of one comparison, in their order."""
    estimates = [
        unpaired(each.first.base, each.first.head, better=each.better, seed=rule.seed, confidence=rule.confidence)
        for each in evidences
    ]
    # A case without a finding still counts among those judged.
    chances = [1.0 if each.p is None or direction_of(each, rule) is None else each.p for each in estimates]
    adjusted = scipy_stats.false_discovery_control(chances) if chances else ()
    return tuple(
        _judgement(estimate, float(chance), len(estimates), rule)
        for estimate, chance in zip(estimates, adjusted, strict=True)
    )


def direction_of(estimate: Estimate, rule: Limits) -> Direction | None:
    """The direction of a difference that is large enough to matter and whose interval excludes 1; else None."""
    if estimate.low > 1 and estimate.slowdown >= math.exp(rule.practical):
        return "regressed"
    if estimate.high < 1 and estimate.slowdown <= math.exp(-rule.practical):
        return "improved"
    return None


def within_limits(estimate: Estimate, rule: Limits) -> bool:
    """Whether the interval lies within the limit in both directions."""
    return estimate.low > math.exp(-rule.limit) and estimate.high < math.exp(rule.limit)


def estimate_text(estimate: Estimate) -> str:
    """An estimate as text: +5.0% (+3.1% to +6.8%); +5.0% (interval unknown) where it has no ends."""
    ends = (estimate.slowdown, estimate.low, estimate.high)
    parts = [f"{value - 1:+.1%}" if math.isfinite(value) else "unknown" for value in ends]
    no_ends = estimate.low <= 0 and math.isinf(estimate.high)
    return f"{parts[0]} ({'interval unknown' if no_ends else f'{parts[1]} to {parts[2]}'})"


def _judgement(estimate: Estimate, chance: float, cases: int, rule: Rule) -> Judgement:
    verdict, why = _verdict(estimate, chance, cases, rule)
    sigma, replicates = estimate.sigma, estimate.replicates
    more = max(0, rule.min_replicates - replicates)
    if verdict == "inconclusive" and not more and sigma is not None:
        more = (replicates_needed(sigma, rule, cases=cases) or 0) - replicates
    return Judgement(
        verdict,
        why,
        estimate,
        detectable=None if sigma is None else detectable(sigma, rule, replicates, cases),
        replicates_needed=more if more > 0 else None,
    )


def _verdict(estimate: Estimate, chance: float, cases: int, rule: Rule) -> tuple[Verdict, str]:
    """The verdict, and why in one line."""
    if estimate.replicates < rule.min_replicates:
        return (
            "inconclusive",
            f"{estimate.replicates} of at least {rule.min_replicates} fresh processes each of base and head",
        )
    direction = direction_of(estimate, rule)
    if direction is not None:
        if chance <= rule.q:
            return direction, estimate_text(estimate)
        return "inconclusive", f"{estimate_text(estimate)}: among {cases} cases this may be chance"
    if within_limits(estimate, rule):
        return "equivalent", estimate_text(estimate)
    return "inconclusive", f"{estimate_text(estimate)}: too wide to call"
