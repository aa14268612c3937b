"""`check --pair` as a whole: two sides in, findings out. What is shown and how it ends is the command line's."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from ..case import Case
from ..errors import NOTHING, UserError
from ..judge.findings import Finding
from ..judge.power import detectable
from ..judge.rule import Rule
from ..judge.verdict import Evidence, judge_all
from ..metrics import get_metric
from ..record import Record
from ..stop import Stop
from ..store import append_record
from .journal import BETTER, METRIC, Journal, Start, evidence_of, folder_of, read
from .measure import MIN_RUNS, Sides, Tell, Whole, measure_pair, measure_pairs, measure_whole
from .schedule import Pair, pairs_at_least

# Spreads of one pair's ratio to tell examples of, where nothing was measured here yet: a quiet machine, a fair one, a
# bad one.
EXAMPLE_SIGMAS = (0.0085, 0.027, 0.05)


@dataclass(frozen=True)
class Checked:
    """What came of it: the judged rows, and the records of both sides in full, for the figures without noise."""

    findings: tuple[Finding, ...]
    base: tuple[Record, ...]
    head: tuple[Record, ...]


def check_pair(cases: Sequence[Case], sides: Sides, rule: Rule, out: Path, resume: bool, tell: Tell) -> Checked:
    """Measure and judge. Everything measured lies in a folder of `out` at once. Raises UserError, Stopped."""
    base, head = sides["base"].name, sides["head"].name
    folder = folder_of(out, base, head)
    with Stop() as stop:
        wholes = {case.key: measure_whole(case, sides, stop, tell) for case in cases}
        for whole in wholes.values():
            for record in filter(None, whole.records):
                append_record(folder, record)
        broken = {key: why for key, whole in wholes.items() if (why := _failure(whole))}
        sound = [case for case in cases if case.key not in broken]
        runs = {key: whole.runs for key, whole in wholes.items()}
        start = Start(base=base, head=head, cases=tuple(case.key for case in sound), runs=max(runs.values()))
        journal = Journal(folder, start, resume)
        if journal.entries:
            tell(f"{len(journal.entries)} pairs are there already")
        broken |= measure_pairs(sound, runs, sides, rule, journal, stop, tell)
    judged = [case for case in sound if case.key not in broken]
    evidences = [evidence_of(case.key, journal.entries) for case in judged]
    findings = [_failed(key, why) for key, why in broken.items()]
    for evidence, judgement in zip(evidences, judge_all(evidences, rule), strict=True):
        figures = _middle(evidence)
        findings.append(
            Finding(evidence.key, METRIC, "ms", BETTER, "judged", *figures, judgement=judgement, note=_note(evidence))
        )
    records = [whole.records for whole in wholes.values()]
    return Checked(
        tuple(findings), tuple(r for r, _ in records if r is not None), tuple(r for _, r in records if r is not None)
    )


def plan_text(cases: Sequence[Case], out: Path, rule: Rule, seconds: Mapping[str, float]) -> str:
    """How long a check takes at least, by the `seconds` of a pair of each case, and what it can find: by the spread of
    earlier checks where there are some."""
    pairs = pairs_at_least(len(cases), rule)
    each = sum(seconds.values()) / len(seconds)
    again = rule.second_units(rule.min_units)
    lines = [
        f"{len(cases)} case{'s' if len(cases) != 1 else ''}, at least {pairs} pairs of fresh processes, "
        f"{rule.min_units} a case and {pairs - rule.min_units * len(cases)} of base against base: "
        f"about {_minutes(pairs * each)} at {each:.1f} s a pair (measured just now); "
        f"a candidate takes {again} pairs more, {_minutes(again * each)}; "
        f"a noisy host up to {rule.max_units} pairs a case"
    ]
    known = earlier_sigmas(out)
    for case in cases:
        sigma = known.get(case.key)
        if sigma is not None:
            lines.append(f"{case.key}: {_finds(sigma, rule, len(cases))}, by the spread of earlier checks here")
    if not any(case.key in known for case in cases):
        lines += [
            f"nothing is known of this host's spread yet; {_finds(sigma, rule, len(cases))}" for sigma in EXAMPLE_SIGMAS
        ]
    return "\n".join(lines)


def earlier_sigmas(out: Path) -> dict[str, float]:
    """The spread of one pair's ratio that earlier checks of each case saw, the middle one of them."""
    found: dict[str, list[float]] = {}
    for file in sorted((out / "gate").glob("*/pairs.jsonl")):
        known = read(file)
        for key in known[0].cases if known else ():
            evidence = evidence_of(key, known[1] if known else ())
            if len(evidence.first) < 2:
                continue
            (judgement,) = judge_all((evidence,), Rule())
            if judgement.estimate and judgement.estimate.sigma is not None:
                found.setdefault(key, []).append(judgement.estimate.sigma)
    return {key: median(sigmas) for key, sigmas in found.items()}


def pair_seconds(cases: Sequence[Case], sides: Sides) -> dict[str, float]:
    """How long a pair of each case takes, by one of base and base. Raises UserError where it cannot be measured."""
    found = {}
    with Stop() as stop:
        for case in cases:
            begin = time.monotonic()
            both = measure_pair(case, Pair(case.key, "null", 0, ("base", "head")), MIN_RUNS, sides, stop)
            if isinstance(both, str):
                raise UserError(f"{case.key} cannot be measured: {both}", NOTHING)
            found[case.key] = time.monotonic() - begin
    return found


def _failure(whole: Whole) -> str | None:
    told = [f"{name}: {side.failure}" for name, side in (("base", whole.base), ("head", whole.head)) if side.failure]
    return "; ".join(told) or None


def _failed(key: str, why: str) -> Finding:
    return Finding(key, METRIC, "ms", BETTER, "failed", note=why)


def _middle(evidence: Evidence) -> tuple[float, float]:
    """Both sides' middle figures, in the metric's unit."""
    scale = 1e3 if get_metric(METRIC).unit == "ms" else 1.0
    second = evidence.second
    base = (*evidence.first.base, *(second.base if second else ()))
    head = (*evidence.first.head, *(second.head if second else ()))
    return scale * median(base), scale * median(head)


def _note(evidence: Evidence) -> str:
    parts = [f"{len(evidence.first)} pairs"]
    if evidence.second and len(evidence.second):
        parts.append(f"{len(evidence.second)} to confirm")
    if evidence.null and len(evidence.null):
        parts.append(f"{len(evidence.null)} of base against base")
    return ", ".join(parts)


def _finds(sigma: float, rule: Rule, cases: int) -> str:
    found = detectable(sigma, rule, cases=cases)
    what = "nothing" if found is None else f"{found:.1%}"
    return f"with a spread of {sigma:.1%} from pair to pair, {rule.min_units} pairs find a slowdown of {what}"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
