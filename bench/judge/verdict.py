"""What estimates allow to be said: regressed, improved, equivalent, or inconclusive. Only the first fails a check.

`max_slowdown` is what must not pass. A rule that asks for an estimate of at least 5 % misses every second slowdown of
exactly 5 %, so a finding needs half of that (in logarithms), and an interval that leaves out 1. And `equivalent` needs
the whole interval within `max_slowdown`, so that a slowdown this large is called so only where the interval is wrong.
Where both hold, as for a well-measured 3 %, the finding wins. Everything else is inconclusive, which is no pass.

A finding, for better or worse, needs more than one look: the first units only make a case a candidate, fresh pairs in
reversed order must find the same, and all of them together must stand out among as many cases as were judged
(Benjamini and Hochberg). A false improvement is no smaller harm: as the next baseline it makes regressions of nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import stats as scipy_stats

from .estimate import Better, paired, unpaired
from .findings import Estimate, Judgement, Verdict
from .power import detectable, units_needed
from .rule import Rule

Direction = Literal["regressed", "improved"]

_WORDS: dict[Direction, str] = {"regressed": "slower", "improved": "faster"}
_WORST_FIRST: tuple[Verdict, ...] = ("regressed", "inconclusive", "equivalent", "improved")


@dataclass(frozen=True)
class Units:
    """One figure of each fresh process. Where they are pairs, the i-th of both sides ran together."""

    base: tuple[float, ...]
    head: tuple[float, ...]
    paired: bool = True

    def __len__(self) -> int:
        return min(len(self.base), len(self.head))


@dataclass(frozen=True)
class Evidence:
    """All that was measured of one case and one metric."""

    key: str  # of the case: model, device, backend, precision, batch, threads, input
    metric: str
    better: Better
    first: Units
    second: Units | None = None  # fresh pairs in reversed order, for candidates
    null: Units | None = None  # base against base, as pairs between the others, their order alternating likewise


def judge(evidence: Evidence, rule: Rule) -> Judgement:
    """The verdict of one case that is judged alone; of several at once it is `judge_all` that is fair."""
    return judge_all((evidence,), rule)[0]


def judge_all(evidences: Sequence[Evidence], rule: Rule) -> tuple[Judgement, ...]:
    """The verdicts of all cases that were measured for one question, in their order."""
    noise = host_noise(evidences, rule)
    looks = [_look(evidence, rule) for evidence in evidences]
    # A case that is no confirmed candidate counts among those judged, and nothing more.
    chances = [look.chance if look.confirmed else 1.0 for look in looks]
    adjusted = scipy_stats.false_discovery_control(chances) if chances else ()
    return tuple(
        _judgement(look, float(chance), len(looks), noise, rule) for look, chance in zip(looks, adjusted, strict=True)
    )


def first_units(evidence: Evidence, rule: Rule, cases: int = 1) -> int:
    """How many pairs the first stage should have by the noise that is known so far: ask again once they are there.

    It looks at the spread of the ratios and never at their middle, so that asking again is no second throw of the dice.
    """
    sigma = _estimate(evidence.first, evidence, rule).sigma if len(evidence.first) >= rule.min_units else None
    needed = rule.min_units if sigma is None else units_needed(sigma, rule, cases=cases) or rule.max_units
    return max(len(evidence.first), min(needed, rule.max_units))


def needs_second_stage(evidence: Evidence, rule: Rule) -> bool:
    """Whether the first stage alone makes it a candidate, for better or worse, that `rule.second_units` fresh pairs
    must confirm."""
    if not rule.second_stage_units or len(evidence.first) < rule.min_units:
        return False
    return _found(_estimate(evidence.first, evidence, rule), rule) is not None


def null_pairs_each(cases: int, rule: Rule, first: int | None = None) -> int:
    """How many pairs of base against base each of so many cases needs, of `first` other pairs (by default the rule's
    fewest): one for three of them, and `null_units` over all cases together. A host that needs more pairs for its
    noise needs more null pairs likewise."""
    first = rule.min_units if first is None else first
    if not (rule.null_units and cases):
        return 0
    return max(math.ceil(first / 3), math.ceil(rule.null_units * first / (rule.min_units * cases)))


def host_noise(evidences: Sequence[Evidence], rule: Rule) -> str | None:
    """Why this host is too noisy for any verdict, by base against base of all cases; None where it is not.

    Judged by size and not by signs: code that differs from itself by the same half per cent each time harms no verdict.
    """
    if not (rule.null_units and evidences):
        return None
    sides = [_larger_is_worse(evidence.null, evidence.better) for evidence in evidences if evidence.null]
    count = sum(len(base) for base, _ in sides)
    if count < rule.null_units:
        return f"{count} of {rule.null_units} pairs of base against base: too few to know the noise of this host"
    found = paired(
        [figure for base, _ in sides for figure in base],
        [figure for _, head in sides for figure in head],
        better="lower",
        seed=rule.seed,
        confidence=rule.confidence,
    )
    if _found(found, rule):
        return f"host too noisy: base against base gives {_said(found)}, which would be a finding"
    if found.high > found.low * math.exp(2 * rule.limit):
        return f"host too noisy: base against base gives {_said(found)}, wider than {rule.max_slowdown:.3g} either way"
    return None


def worse_of(first: Judgement, second: Judgement) -> Judgement:
    """The one that speaks more against a head that was judged against two baselines.

    Drift stays below any threshold from commit to commit. So judge against the commit before and a pinned release.
    """
    return min(first, second, key=lambda judgement: _WORST_FIRST.index(judgement.verdict))


@dataclass(frozen=True)
class _Look:
    """What the stages say of one case."""

    first: Estimate
    together: Estimate  # of both stages; of the first where there is no second
    direction: Direction | None  # what the first stage found
    unconfirmed: str | None = None  # why that is not confirmed
    missing: int | None = None  # units of the stage at hand that are still to be measured

    @property
    def confirmed(self) -> bool:
        return self.direction is not None and self.unconfirmed is None

    @property
    def chance(self) -> float:
        return 1.0 if self.together.p is None else self.together.p


def _look(evidence: Evidence, rule: Rule) -> _Look:
    first = _estimate(evidence.first, evidence, rule)
    if first.units < rule.min_units:
        return _Look(first, first, None, missing=rule.min_units - first.units)
    direction = _found(first, rule)
    if direction is None or not rule.second_stage_units:
        return _Look(first, first, direction)
    wanted, fresh = rule.second_units(first.units), evidence.second
    if fresh is None or len(fresh) < wanted:
        have = len(fresh) if fresh else 0
        doubt = f"{_WORDS[direction]} at first, with {have} of {wanted} fresh pairs to confirm it"
        return _Look(first, first, direction, doubt, missing=wanted - have)
    again = _found(_estimate(fresh, evidence, rule), rule) == direction
    doubt = None if again else f"{_WORDS[direction]} at first, but fresh pairs in reversed order did not find it again"
    return _Look(first, _estimate(_joined(evidence.first, fresh), evidence, rule), direction, doubt)


def _judgement(look: _Look, chance: float, cases: int, noise: str | None, rule: Rule) -> Judgement:
    verdict, why = _verdict(look, chance, cases, noise, rule)
    sigma, units, more = look.together.sigma, look.first.units, look.missing
    if verdict == "inconclusive" and more is None and sigma is not None:
        more = (units_needed(sigma, rule, cases=cases) or 0) - units
    return Judgement(
        verdict,
        why,
        look.together,
        detectable=None if sigma is None else detectable(sigma, rule, units, cases),
        units_needed=more if more and more > 0 else None,
    )


def _verdict(look: _Look, chance: float, cases: int, noise: str | None, rule: Rule) -> tuple[Verdict, str]:
    """The verdict, and why in one line."""
    if look.first.units < rule.min_units:
        unit = "pairs" if look.first.paired else "fresh processes on each side"
        return "inconclusive", f"{look.first.units} of at least {rule.min_units} {unit}"
    if noise is not None:
        return "inconclusive", noise
    said = _said(look.together)
    if look.direction and look.confirmed:
        if chance <= rule.q:
            return look.direction, said
        return "inconclusive", f"{said}: among {cases} cases this may well be chance"
    # A candidate that was not confirmed is none of the four but the last: something was there, and then was not.
    if look.unconfirmed:
        return "inconclusive", f"{said}: {look.unconfirmed}"
    within = look.first.low > math.exp(-rule.limit) and look.first.high < math.exp(rule.limit)
    return ("equivalent", said) if within else ("inconclusive", f"{said}: too wide to call")


def _estimate(units: Units, evidence: Evidence, rule: Rule) -> Estimate:
    how = paired if units.paired else unpaired
    return how(units.base, units.head, better=evidence.better, seed=rule.seed, confidence=rule.confidence)


def _found(estimate: Estimate, rule: Rule) -> Direction | None:
    """A difference that is large enough to matter, and of which the interval says that there is one."""
    if estimate.low > 1 and estimate.slowdown >= math.exp(rule.practical):
        return "regressed"
    if estimate.high < 1 and estimate.slowdown <= math.exp(-rule.practical):
        return "improved"
    return None


def _joined(first: Units, second: Units) -> Units:
    """All units of both stages; processes of a store that stand on one side in both are counted once."""
    base = first.base if not first.paired and first.base == second.base else first.base + second.base
    return Units(base, first.head + second.head, first.paired)


def _larger_is_worse(units: Units, better: Better) -> tuple[Sequence[float], Sequence[float]]:
    """Base and head, changed over where a smaller figure is worse."""
    return (units.base, units.head) if better == "lower" else (units.head, units.base)


def _said(estimate: Estimate) -> str:
    """An estimate as people read it: +5.0% (+3.1% to +6.8%)."""
    parts = [f"{value - 1:+.1%}" if math.isfinite(value) else "unknown" for value in _ends(estimate)]
    return f"{parts[0]} ({parts[1]} to {parts[2]})"


def _ends(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.slowdown, estimate.low, estimate.high
