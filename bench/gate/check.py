"""`check --pair` as a whole: base and head in, findings out. The command line shows them and chooses the exit code."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, stdev

from ..errors import NOTHING, UserError
from ..record.case import Case
from ..record.record import Record
from ..record.store import append_record
from ..run.stop import Stop
from ..stats.compare.findings import Finding, Judgement
from ..stats.compare.pairs import host_noise, judge_pairs
from ..stats.compare.power import detectable, replicates_needed
from ..stats.compare.rule import PairRule
from .journal import GATE, METRIC, Entry, Journal, Start, folder_of, ratios_of, read
from .measure import MIN_RUNS, FullPair, Report, Runners, measure_full, measure_pair, measure_pairs
from .schedule import Pair, most_pairs

# Example spreads of one pair's ratio, where nothing was measured here yet: of an idle, a fair and a noisy machine.
EXAMPLE_SIGMAS = (0.0085, 0.027, 0.05)

# (base, head) records of a case -> what is worse in a figure without noise, if anything is.
Worse = Callable[[Record, Record], str | None]


@dataclass(frozen=True)
class CheckResult:
    """The findings, and the full records of base and head, for the figures without noise."""

    findings: tuple[Finding, ...]
    base: tuple[Record, ...]
    head: tuple[Record, ...]


@dataclass(frozen=True)
class PairCheck:
    """What to check, and how."""

    cases: Sequence[Case]
    runners: Runners
    rule: PairRule
    out: Path
    resume: bool = False
    worse: Worse = lambda base, head: None


def check_pair(request: PairCheck, report: Report) -> CheckResult:
    """Measure and judge. All that is measured is written to a folder of `out` at once. Raises UserError, Stopped."""
    base, head = (request.runners[side].identity for side in ("base", "head"))
    folder = folder_of(request.out, base, head)
    with Stop() as stop:
        full_pairs = {case.key: measure_full(case, request.runners, stop, report) for case in request.cases}
        for full_pair in full_pairs.values():
            for record in filter(None, full_pair.records):
                append_record(folder, record)
        broken = {key: why for key, full_pair in full_pairs.items() if (why := _failure(full_pair))}
        worse_exactly = {
            key: why
            for key, full_pair in full_pairs.items()
            if key not in broken and (why := _worse(full_pair, request))
        }
        for key, why in worse_exactly.items():
            report(f"{key}: {why}: no pairs are needed")
        timed = [case for case in request.cases if case.key not in broken and case.key not in worse_exactly]
        runs = {key: full_pair.runs for key, full_pair in full_pairs.items()}
        start = Start(base=base, head=head, cases=tuple(case.key for case in timed), runs=max(runs.values(), default=0))
        journal = Journal(folder, start, request.resume)
        if journal.entries:
            report(f"{len(journal.entries)} pairs were measured before")
        broken |= measure_pairs(timed, runs, request.runners, request.rule, journal, stop, report)
    findings = [
        *(Finding(key, METRIC, "failed", note=why) for key, why in broken.items()),
        *(_worse_finding(key, why, full_pairs[key]) for key, why in worse_exactly.items()),
        *_judged([case.key for case in timed if case.key not in broken], journal.entries, request.rule, len(timed)),
    ]
    records = [full_pair.records for full_pair in full_pairs.values()]
    return CheckResult(
        tuple(findings), tuple(r for r, _ in records if r is not None), tuple(r for _, r in records if r is not None)
    )


def plan_text(cases: Sequence[Case], out: Path, rule: PairRule, seconds: Mapping[str, float]) -> str:
    """How long a check takes, from the `seconds` of a pair of each case, and which slowdown it can find, from the
    spread of earlier checks here."""
    total = sum(seconds.values())
    lines = [
        f"{len(cases)} case{'s' if len(cases) != 1 else ''}, {rule.min_replicates} to {rule.max_replicates} pairs of "
        f"fresh processes each, and an A/A pair (base and base) for every {rule.control_every}: "
        f"{_minutes(rule.min_replicates * total)} to {_minutes(most_pairs(rule) * total)} "
        f"at {total / len(seconds):.1f} s a pair (measured just now)"
    ]
    earlier = earlier_sigmas(out)
    for case in cases:
        sigma = earlier.get(case.key)
        if sigma is not None:
            lines.append(
                f"{case.key}: {_detectable_text(sigma, rule, len(cases))}, from the spread of earlier checks here"
            )
    if not any(case.key in earlier for case in cases):
        lines += [
            f"the spread on this host is not known yet; {_detectable_text(sigma, rule, len(cases))}"
            for sigma in EXAMPLE_SIGMAS
        ]
    return "\n".join(lines)


def earlier_sigmas(out: Path) -> dict[str, float]:
    """The median spread of one pair's ratio over the earlier checks of each case."""
    found: dict[str, list[float]] = {}
    for file in sorted((out / GATE).glob("*/pairs.jsonl")):
        earlier = read(file)
        for key in earlier[0].cases if earlier else ():
            ratios = ratios_of(key, earlier[1] if earlier else ()).pairs
            if len(ratios) > 1:
                found.setdefault(key, []).append(stdev(map(math.log, ratios)))
    return {key: median(sigmas) for key, sigmas in found.items()}


def pair_seconds(cases: Sequence[Case], runners: Runners) -> dict[str, float]:
    """How long a pair of each case takes, from one A/A pair. Raises UserError where it cannot be measured."""
    found = {}
    with Stop() as stop:
        for case in cases:
            begin = time.monotonic()
            both = measure_pair(case, Pair(case.key, "A/A", 0, ("base", "head")), MIN_RUNS, runners, stop)
            if isinstance(both, str):
                raise UserError(f"{case.key} cannot be measured: {both}", NOTHING)
            found[case.key] = time.monotonic() - begin
    return found


def _failure(full_pair: FullPair) -> str | None:
    failures = [
        f"{name}: {side.failure}" for name, side in (("base", full_pair.base), ("head", full_pair.head)) if side.failure
    ]
    return "; ".join(failures) or None


def _worse(full_pair: FullPair, request: PairCheck) -> str | None:
    base, head = full_pair.records
    return request.worse(base, head) if base is not None and head is not None else None


def _judged(keys: Sequence[str], entries: Sequence[Entry], rule: PairRule, cases: int) -> list[Finding]:
    """The findings of all cases that were measured in pairs."""
    measured = {key: ratios_of(key, entries) for key in keys}
    noise = host_noise([ratio for each in measured.values() for ratio in each.controls], rule, max(cases, 1))
    found = []
    for key, each in measured.items():
        own = [entry for entry in entries if (entry.case, entry.stage) == (key, "pair")]
        base, head = (median(figures) for figures in zip(*((e.base.value_s, e.head.value_s) for e in own), strict=True))
        note = f"{len(each.pairs)} pairs" + (f", {len(each.controls)} A/A" if each.controls else "")
        judgement = judge_pairs(each.pairs, rule, cases, noise)
        found.append(Finding(key, METRIC, "judged", base, head, judgement, note=note))
    return found


def _worse_finding(key: str, why: str, full_pair: FullPair) -> Finding:
    """A case that is worse in a figure without noise: its speed, from one process each, is shown but not judged."""
    judgement = Judgement("inconclusive", f"not measured in pairs, since {why}")
    return Finding(
        key, METRIC, "judged", full_pair.base.value_s, full_pair.head.value_s, judgement, note="one process each"
    )


def _detectable_text(sigma: float, rule: PairRule, cases: int) -> str:
    found, needed = detectable(sigma, rule, rule.max_replicates, cases), replicates_needed(sigma, rule, cases=cases)
    what = "nothing" if found is None else f"a slowdown of {found:.1%}"
    most = f"with a spread of {sigma:.1%} from pair to pair, {rule.max_replicates} pairs find {what}"
    return most if needed is None else f"{most}, and {needed} find one of {rule.max_slowdown:.0%} or exclude it"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
