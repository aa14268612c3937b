"""A comparison in words: the outcomes, their signs and order, and the numbers that every form shares."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...bench.record.plain import plain
from ...bench.stats.compare.findings import Comparison, Estimate, Finding
from ...bench.stats.metrics import Metric, get_metric
from ..notation import MISSING, number
from ..select import SEPARATOR


@dataclass(frozen=True)
class OutcomeStyle:
    """How one outcome of a row is shown: never by colour alone."""

    word: str
    sign: str  # one character, different for each
    shape: str  # a symbol of Vega
    colour: str  # a name of `theme.LIGHT`
    hollow: bool = False
    explains: str = ""


# Every outcome, most important first. Signs point to where the cost went.
OUTCOMES: dict[str, OutcomeStyle] = {
    "regressed": OutcomeStyle(
        "regressed", "\u25b2", "triangle-up", "error", explains="worse, and the evidence is clear"
    ),
    "failed": OutcomeStyle("failed", "\u2717", "cross", "error", explains="no figure in base, head or both"),
    "inconclusive": OutcomeStyle(
        "inconclusive", "?", "diamond", "warn", hollow=True, explains="undecided: this is not a pass"
    ),
    "incomparable": OutcomeStyle(
        "not comparable", "\u2260", "square", "warn", hollow=True, explains="the circumstances differ"
    ),
    "gone": OutcomeStyle("gone", "\u2212", "square", "warn", hollow=True, explains="only in the base"),
    "new": OutcomeStyle("new", "+", "square", "muted", hollow=True, explains="only in the head"),
    "improved": OutcomeStyle(
        "improved", "\u25bc", "triangle-down", "frame", explains="better, and the evidence is clear"
    ),
    "equivalent": OutcomeStyle("equivalent", "=", "circle", "muted", explains="the same within the limit"),
}

MINUS = "\u2212"


def outcome(finding: Finding) -> str:
    """The row's key in `OUTCOMES`: its verdict where it has one, else its status."""
    return finding.judgement.verdict if finding.judgement else finding.status


def style(finding: Finding) -> OutcomeStyle:
    """How a row is shown."""
    return OUTCOMES[outcome(finding)]


def ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Most important outcome first; within one, the worst estimate first, else the order given."""
    order = list(OUTCOMES)

    def rank(finding: Finding) -> tuple[int, float]:
        found = estimate(finding)
        return order.index(outcome(finding)), -found.slowdown if found else 0.0

    return tuple(sorted(findings, key=rank))


def estimate(finding: Finding) -> Estimate | None:
    """The estimate behind a verdict, if there is one."""
    return finding.judgement.estimate if finding.judgement else None


def judged(comparison: Comparison) -> tuple[Finding, ...]:
    """Rows of figures with noise that have a verdict, most wanted first."""
    return ordered([finding for finding in comparison.findings if finding.status == "judged"])


def exact(comparison: Comparison) -> tuple[Finding, ...]:
    """Rows of figures without noise, most wanted first."""
    return ordered([finding for finding in comparison.findings if finding.status == "exact"])


def without_verdict(comparison: Comparison) -> tuple[Finding, ...]:
    """Rows without a verdict: failed, not comparable, new, gone."""
    return ordered([finding for finding in comparison.findings if finding.status not in ("judged", "exact")])


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """How many rows of each outcome there are, in the order of `OUTCOMES`; only those that occur."""
    found = [outcome(finding) for finding in findings]
    return {name: found.count(name) for name in OUTCOMES if name in found}


def counted(findings: Sequence[Finding]) -> str:
    """The same in words: `1 regressed, 3 equivalent`."""
    return ", ".join(f"{count} {OUTCOMES[name].word}" for name, count in counts(findings).items())


def headline(comparison: Comparison) -> str:
    """The result in one line. Inconclusive is never presented as a pass."""
    regressed = ordered(comparison.of("regressed"))
    if regressed:
        short = short_keys(comparison.findings).names
        worst = {finding.key: finding for finding in reversed(regressed)}  # of each case
        cases = list(dict.fromkeys(finding.key for finding in regressed))
        named = [f"{plain(short[key])} ({_by_how_much(worst[key])})" for key in cases[:3]]
        return f"Regressed: {', '.join(named)}" + (f" and {len(cases) - 3} more" if len(cases) > 3 else "")
    rows, beside = judged(comparison), without_verdict(comparison)
    unknown = counts(rows).get("inconclusive", 0)
    if rows:
        result = f"No regression: {counted(rows)}"
        if unknown:
            result = f"No regression found, but inconclusive: {unknown} of {len(rows)}"
    else:
        result = "Only exact figures were judged" if exact(comparison) else "Nothing was judged"
    return "; ".join(text for text in (result, exact_counted(comparison), counted(beside)) if text)


def exact_counted(comparison: Comparison) -> str:
    """How many figures without noise changed, in words; empty where there are none."""
    rows = exact(comparison)
    if not rows:
        return ""
    changed = [row for row in rows if outcome(row) != "equivalent"]
    if changed:
        return f"{len(changed)} of {len(rows)} exact figures changed"
    return "all exact figures are the same"


def _by_how_much(finding: Finding) -> str:
    return change(finding) if finding.status == "judged" and estimate(finding) else label(finding)


def subtitle(comparison: Comparison) -> str:
    """What was compared with what, and the limit."""
    return f"{comparison.head} against {comparison.base}; limit: {percent(comparison.max_slowdown)} worse"


def percent(share: float) -> str:
    """A share as a percentage with as many decimals as it needs: 5 %, 2.5 %."""
    return f"{100 * share:.3g} %"


@dataclass(frozen=True)
class Names:
    """Short names of the cases, and what they all have in common."""

    names: dict[str, str]
    common: str


def short_keys(findings: Sequence[Finding]) -> Names:
    """The parts in which these cases differ: `cox3d-m-16`, and once for all `cpu/eager/fp32/b1/t2/random-0`."""
    keys = list(dict.fromkeys(finding.key for finding in findings))
    parts = [key.split("/") for key in keys]
    if len(keys) == 0 or len({len(part) for part in parts}) > 1 or any("" in part for part in parts):
        return Names({key: key for key in keys}, "")
    columns = list(zip(*parts, strict=True))
    kept = [index for index, values in enumerate(columns) if index == 0 or len(set(values)) > 1]
    common = [values[0] for index, values in enumerate(columns) if index not in kept]
    return Names(
        {key: SEPARATOR.join(part[index] for index in kept) for key, part in zip(keys, parts, strict=True)},
        SEPARATOR.join(common),
    )


def _metric(finding: Finding) -> Metric | None:
    """None of an output or a verification, which are no figures."""
    try:
        return get_metric(finding.metric)
    except KeyError:
        return None


def label(finding: Finding) -> str:
    """The metric as people call it."""
    metric = _metric(finding)
    return metric.label if metric else plain(finding.metric)


def unit(finding: Finding) -> str:
    """What `figure` is in; empty where there is none."""
    metric = _metric(finding)
    return metric.unit.text if metric else ""


def is_time(finding: Finding) -> bool:
    """Whether a slowdown of this figure is one of time; else it is one of size."""
    return unit(finding) in ("s", "ms") or unit(finding).endswith("/s")


def change(finding: Finding) -> str:
    """How much more the head costs: `+9.1 % time`, `−12 %`, `×2.3 time`; of a rate the time it stands for."""
    found = estimate(finding)
    if found is None:
        return MISSING
    return ratio(found.slowdown) + (" time" if is_time(finding) else "")


def interval(finding: Finding) -> str:
    """The interval of `change`: `+7.9 to +10.4 %`; `unknown` where it has no ends."""
    found = estimate(finding)
    if found is None:
        return MISSING
    if found.low <= 0 and math.isinf(found.high):
        return "unknown"
    low, high = ratio(found.low), ratio(found.high)
    mark = " *" if is_within(found) else ""
    if low == high:
        return low + mark
    if low.endswith(" %") and high.endswith(" %"):
        low = low.removesuffix(" %")
    return f"{low} to {high}{mark}"


# What the star after an interval means.
WITHIN = (
    "* from the samples of one process each of base and head: it does not cover what another process would give, "
    "so it allows no verdict"
)


def is_within(found: Estimate) -> bool:
    """Whether an interval rests on the samples of one process each of base and head."""
    return found.replicates == 1 and not found.paired and math.isfinite(found.high)


def has_within(comparison: Comparison) -> bool:
    """Whether any interval needs the star."""
    return any((found := estimate(finding)) and is_within(found) for finding in judged(comparison))


def ratio(slowdown: float) -> str:
    """A ratio for people: in per cent near 1, else as a factor."""
    if math.isinf(slowdown):
        return "any amount"
    if 0.5 < slowdown < 2:
        value = 100 * (slowdown - 1)
        text = f"{abs(value):.1f}"
        sign = "" if float(text) == 0 else "+" if value > 0 else MINUS
        return f"{sign}{text} %"
    return f"\u00d7{number(slowdown, 2 if slowdown < 10 else 3)}"


def figure(finding: Finding, value: float | None) -> str:
    """A figure without its unit; exact ones with every digit, since every digit counts."""
    if value is None:
        return MISSING
    metric = _metric(finding)
    shown = metric.unit.of(value) if metric else value
    return f"{shown:.15g}" if finding.status == "exact" else number(shown, 4)


def reasons(finding: Finding) -> tuple[str, ...]:
    """The reasons and notes of a row, in words."""
    judgement = finding.judgement
    found = [judgement.why] if judgement else []
    if judgement and judgement.verdict == "inconclusive":
        unit = "pairs" if judgement.estimate and judgement.estimate.paired else "processes each of base and head"
        if judgement.detectable is not None and math.isfinite(judgement.detectable):
            found.append(f"could detect a slowdown of {percent(judgement.detectable)}")
        if judgement.replicates_needed and judgement.estimate and judgement.estimate.sigma is not None:
            found.append(f"{judgement.replicates_needed} more {unit} needed")
    if finding.differs:
        found.append("differs in " + "; ".join(finding.differs))
    if finding.note:
        found.append(finding.note)
    return tuple(text for text in found if text)


def tick(slowdown: float) -> str:
    """A ratio on an axis, without needless decimals: `+5 %`, `same`, `×10`."""
    if math.isclose(slowdown, 1.0):
        return "same"
    text = ratio(slowdown)
    return re.sub(r"\.0(?= %|$)", "", text)
