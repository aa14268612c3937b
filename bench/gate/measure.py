"""Pair after pair until the rule is satisfied. Nothing else of ours runs meanwhile."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ..errors import INTERRUPTED, TERMINATED, UserError
from ..record.case import Case
from ..record.record import Record
from ..run.stop import Stop
from ..stats.compare.estimate import call_by_call
from ..stats.compare.pairs import estimate_pairs
from ..stats.compare.rule import PairRule
from .interleave import measure_interleaved
from .journal import Figure, Journal, MeasuredPair, ratios_of
from .runners import Measured, Processes, Runner
from .schedule import Pair, Role, next_round

# Each process takes at least so many samples, and so many seconds of them. More would hardly help: most of the
# difference between pairs is common to all samples of a process, so the time is better spent on another pair.
MIN_RUNS = 20
MIN_SECONDS = 0.5
MOST_RUNS = 2000
# A process may fail once for a reason outside of it.
ATTEMPTS = 2

Runners = Mapping[Role, Runner]
Report = Callable[[str], None]


class Stopped(UserError):
    """Ended by a signal; what was measured is kept."""

    def __init__(self, number: int) -> None:
        name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        code = INTERRUPTED if number == signal.SIGINT else TERMINATED
        super().__init__(
            f"stopped by {name}: all pairs so far are kept; the same command with --resume continues", code
        )


@dataclass(frozen=True)
class FullPair:
    """One full process each of base and head: for the figures without noise, and for the number of samples."""

    base: Measured
    head: Measured
    runs: int  # samples of each process that follows

    @property
    def records(self) -> tuple[Record | None, Record | None]:
        return self.base.record, self.head.record


def measure_full(case: Case, runners: Runners, stop: Stop, report: Report) -> FullPair:
    """Base and head once, verified and counted. Where one fails, its `failure` says why."""
    results = {}
    for side in ("base", "head"):
        report(f"{case.key}: {side} in full")
        results[side] = _measure_one(case, runners[side], MIN_RUNS, True, stop)
    latencies = [each.value_s for each in results.values() if each.failure is None]
    runs = min(MOST_RUNS, max(MIN_RUNS, math.ceil(MIN_SECONDS / min(latencies)))) if latencies else MIN_RUNS
    return FullPair(results["base"], results["head"], runs)


def measure_pairs(
    cases: Sequence[Case],
    runs: Mapping[str, int],
    runners: Runners,
    rule: PairRule,
    journal: Journal,
    stop: Stop,
    report: Report,
) -> dict[str, str]:
    """Measure until every case is decided. Returns the cases that failed, with why. Raises Stopped."""
    going = {case.key: case for case in cases}
    failed: dict[str, str] = {}
    while due := next_round(journal.ratios(going), rule, len(cases)):
        for pair in due:
            if pair.case not in going:
                continue
            measured_pair = measure_pair(going[pair.case], pair, runs[pair.case], runners, stop)
            if isinstance(measured_pair, str):
                failed[pair.case] = measured_pair
                del going[pair.case]
                continue
            journal.add(pair, measured_pair)
            report(f"{pair.case}: {_progress_text(pair, journal, rule, len(cases))}")
    return failed


def _progress_text(pair: Pair, journal: Journal, rule: PairRule, cases: int) -> str:
    """The newest pair and the estimate so far, in words."""
    measured = ratios_of(pair.case, journal.entries)
    if pair.stage == "A/A":
        return f"A/A pair {pair.number + 1}: base {measured.controls[-1]:#.3g} times its own time"
    estimate = estimate_pairs(measured.pairs, rule, cases)
    text = f"pair {pair.number + 1}: head {estimate.slowdown:#.3g} times the base's time"
    return f"{text} ({estimate.low:#.3g} to {estimate.high:#.3g})" if estimate.low > 0 else text


def measure_pair(case: Case, pair: Pair, runs: int, runners: Runners, stop: Stop) -> MeasuredPair | str:
    """Measure both processes of a pair, or say why that failed. Raises Stopped.

    They are interleaved where their workers can be; else they run one after the other.
    """
    roles: tuple[Role, Role] = ("base", "base") if pair.stage == "A/A" else pair.order
    chosen = [runners[side] for side in roles]
    workers = [each for each in chosen if isinstance(each, Processes) and each.can_interleave(case)]
    interleaved = len(workers) == len(chosen)
    results = _interleaved(case, workers, runs, stop) if interleaved else _one_after_the_other(case, chosen, runs, stop)
    for side, measured in zip(roles, results, strict=True):
        if measured.failure is not None:
            return f"{side}: {measured.failure}"
    by_role = dict(zip(pair.order, results, strict=True))
    base, head = (Figure(value_s=by_role[role].value_s, latency_s=by_role[role].latency_s) for role in ("base", "head"))
    return MeasuredPair(
        base=base, head=head, ratio=call_by_call(base.latency_s, head.latency_s) if interleaved else None
    )


def _interleaved(case: Case, runners: Sequence[Processes], runs: int, stop: Stop) -> Sequence[Measured]:
    results: tuple[Measured | None, ...] = ()
    for _ in range(ATTEMPTS):
        first, second = (partial(each.measure, case, runs, False, stop) for each in runners)
        results = measure_interleaved(first, second, stop)
        if stop.signal or None in results:
            raise Stopped(stop.signal or signal.SIGINT)
        if all(each and each.failure is None for each in results):
            break
    return [each for each in results if each]


def _one_after_the_other(case: Case, runners: Sequence[Runner], runs: int, stop: Stop) -> Sequence[Measured]:
    """Where the first fails, the second is not run."""
    first, second = runners
    measured = _measure_one(case, first, runs, False, stop)
    return measured, measured if measured.failure is not None else _measure_one(case, second, runs, False, stop)


def _measure_one(case: Case, runner: Runner, runs: int, full: bool, stop: Stop) -> Measured:
    measured = Measured(failure="not measured")
    for _ in range(ATTEMPTS):
        attempt = runner.measure(case, runs, full, stop)
        if attempt is None or stop.signal:
            raise Stopped(stop.signal or signal.SIGINT)
        measured = attempt
        if measured.failure is None:
            break
    return measured
