"""`check --pair` as a whole: two sides in, findings out. What is shown and how it ends is the command line's."""

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
from .measure import MIN_RUNS, Sides, Tell, Whole, measure_pair, measure_pairs, measure_whole
from .schedule import Pair, most_pairs

# Spreads of one pair's ratio to tell examples of, where nothing was measured here yet: an idle machine, a fair one, a
# bad one.
EXAMPLE_SIGMAS = (0.0085, 0.027, 0.05)

# Of two records of a case, base and head: what is worse in them whatever a clock says, if anything is.
Worse = Callable[[Record, Record], str | None]


@dataclass(frozen=True)
class Checked:
    """What came of it: the judged rows, and the records of both sides in full, for the figures without noise."""

    findings: tuple[Finding, ...]
    base: tuple[Record, ...]
    head: tuple[Record, ...]


@dataclass(frozen=True)
class Order:
    """What a check is to do."""

    cases: Sequence[Case]
    sides: Sides
    rule: PairRule
    out: Path
    resume: bool = False
    worse: Worse = lambda base, head: None


def check_pair(order: Order, tell: Tell) -> Checked:
    """Measure and judge. Everything measured lies in a folder of `out` at once. Raises UserError, Stopped."""
    base, head = (order.sides[side].identity for side in ("base", "head"))
    folder = folder_of(order.out, base, head)
    with Stop() as stop:
        wholes = {case.key: measure_whole(case, order.sides, stop, tell) for case in order.cases}
        for whole in wholes.values():
            for record in filter(None, whole.records):
                append_record(folder, record)
        broken = {key: why for key, whole in wholes.items() if (why := _failure(whole))}
        settled = {key: why for key, whole in wholes.items() if key not in broken and (why := _worse(whole, order))}
        for key, why in settled.items():
            tell(f"{key}: {why}: no pairs are needed")
        timed = [case for case in order.cases if case.key not in broken and case.key not in settled]
        runs = {key: whole.runs for key, whole in wholes.items()}
        start = Start(base=base, head=head, cases=tuple(case.key for case in timed), runs=max(runs.values(), default=0))
        journal = Journal(folder, start, order.resume)
        if journal.entries:
            tell(f"{len(journal.entries)} pairs are there already")
        broken |= measure_pairs(timed, runs, order.sides, order.rule, journal, stop, tell)
    findings = [
        *(Finding(key, METRIC, "failed", note=why) for key, why in broken.items()),
        *(_settled(key, why, wholes[key]) for key, why in settled.items()),
        *_judged([case.key for case in timed if case.key not in broken], journal.entries, order.rule, len(timed)),
    ]
    records = [whole.records for whole in wholes.values()]
    return Checked(
        tuple(findings), tuple(r for r, _ in records if r is not None), tuple(r for _, r in records if r is not None)
    )


def plan_text(cases: Sequence[Case], out: Path, rule: PairRule, seconds: Mapping[str, float]) -> str:
    """How long a check takes, by the `seconds` of a pair of each case, and what it can find: by the spread of earlier
    checks where there are some."""
    total = sum(seconds.values())
    lines = [
        f"{len(cases)} case{'s' if len(cases) != 1 else ''}, {rule.min_replicates} to {rule.max_replicates} pairs of "
        f"fresh processes each, and an A/A pair (base against base) for every {rule.control_every}: "
        f"{_minutes(rule.min_replicates * total)} to {_minutes(most_pairs(rule) * total)} "
        f"at {total / len(seconds):.1f} s a pair (measured just now)"
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
    """The spread of one pair's ratio that earlier checks of each case saw, the median of them."""
    found: dict[str, list[float]] = {}
    for file in sorted((out / GATE).glob("*/pairs.jsonl")):
        known = read(file)
        for key in known[0].cases if known else ():
            ratios = ratios_of(key, known[1] if known else ()).pairs
            if len(ratios) > 1:
                found.setdefault(key, []).append(stdev(map(math.log, ratios)))
    return {key: median(sigmas) for key, sigmas in found.items()}


def pair_seconds(cases: Sequence[Case], sides: Sides) -> dict[str, float]:
    """How long a pair of each case takes, by one of base and base. Raises UserError where it cannot be measured."""
    found = {}
    with Stop() as stop:
        for case in cases:
            begin = time.monotonic()
            both = measure_pair(case, Pair(case.key, "A/A", 0, ("base", "head")), MIN_RUNS, sides, stop)
            if isinstance(both, str):
                raise UserError(f"{case.key} cannot be measured: {both}", NOTHING)
            found[case.key] = time.monotonic() - begin
    return found


def _failure(whole: Whole) -> str | None:
    told = [f"{name}: {side.failure}" for name, side in (("base", whole.base), ("head", whole.head)) if side.failure]
    return "; ".join(told) or None


def _worse(whole: Whole, order: Order) -> str | None:
    base, head = whole.records
    return order.worse(base, head) if base is not None and head is not None else None


def _judged(keys: Sequence[str], entries: Sequence[Entry], rule: PairRule, cases: int) -> list[Finding]:
    """The verdicts of all cases that were measured in pairs."""
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


def _settled(key: str, why: str, whole: Whole) -> Finding:
    """A case that needs no clock: its speed is shown by one process of each side, and is not judged."""
    judgement = Judgement("inconclusive", f"not measured in pairs, since {why}")
    return Finding(
        key, METRIC, "judged", whole.base.value_s, whole.head.value_s, judgement, note="one process of each side"
    )


def _finds(sigma: float, rule: PairRule, cases: int) -> str:
    found, needed = detectable(sigma, rule, rule.max_replicates, cases), replicates_needed(sigma, rule, cases=cases)
    what = "nothing" if found is None else f"a slowdown of {found:.1%}"
    most = f"with a spread of {sigma:.1%} from pair to pair, {rule.max_replicates} pairs find {what}"
    return most if needed is None else f"{most}, and {needed} find one of {rule.max_slowdown:.0%} or exclude it"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
