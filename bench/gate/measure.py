"""Pair after pair until the rule has what it asks for. Nothing else of ours runs meanwhile."""

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
from .in_turn import measure_in_turn
from .journal import Both, Figure, Journal, ratios_of
from .schedule import Pair, Side, next_round
from .sides import Measured, Processes, Runner

# Of each process: at least so many samples, and so many seconds of them. More would hardly help: most of what pairs
# differ by is the same for all samples of a process, so the time is better spent on another pair.
MIN_RUNS = 20
MIN_SECONDS = 0.5
MOST_RUNS = 2000
# A process may fall over once by somebody else's fault.
ATTEMPTS = 2

Sides = Mapping[Side, Runner]
Tell = Callable[[str], None]


class Stopped(UserError):
    """Ended by a signal; what was measured is kept."""

    def __init__(self, number: int) -> None:
        name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        code = INTERRUPTED if number == signal.SIGINT else TERMINATED
        super().__init__(f"stopped by {name}: all pairs so far are kept; the same command with --resume goes on", code)


@dataclass(frozen=True)
class Whole:
    """One process of each side in full: for the figures without noise, and to know how long a process takes."""

    base: Measured
    head: Measured
    runs: int  # of each process that follows

    @property
    def records(self) -> tuple[Record | None, Record | None]:
        return self.base.record, self.head.record


def measure_whole(case: Case, sides: Sides, stop: Stop, tell: Tell) -> Whole:
    """Both sides once, verified and counted. A side that fails says why in its `failure`."""
    found = {}
    for side in ("base", "head"):
        tell(f"{case.key}: {side} in full")
        found[side] = _one(case, sides[side], MIN_RUNS, True, stop)
    latencies = [each.value_s for each in found.values() if each.failure is None]
    runs = min(MOST_RUNS, max(MIN_RUNS, math.ceil(MIN_SECONDS / min(latencies)))) if latencies else MIN_RUNS
    return Whole(found["base"], found["head"], runs)


def measure_pairs(
    cases: Sequence[Case],
    runs: Mapping[str, int],
    sides: Sides,
    rule: PairRule,
    journal: Journal,
    stop: Stop,
    tell: Tell,
) -> dict[str, str]:
    """Measure until every case is decided. Gives the cases that could not go on, with why. Raises Stopped."""
    going = {case.key: case for case in cases}
    failed: dict[str, str] = {}
    while due := next_round(journal.ratios(going), rule, len(cases)):
        for pair in due:
            if pair.case not in going:
                continue
            both = measure_pair(going[pair.case], pair, runs[pair.case], sides, stop)
            if isinstance(both, str):
                failed[pair.case] = both
                del going[pair.case]
                continue
            journal.add(pair, both)
            tell(f"{pair.case}: {_running(pair, journal, rule, len(cases))}")
    return failed


def _running(pair: Pair, journal: Journal, rule: PairRule, cases: int) -> str:
    """What the pairs say so far."""
    measured = ratios_of(pair.case, journal.entries)
    if pair.stage == "A/A":
        return f"A/A pair {pair.number + 1}: base {measured.controls[-1]:#.3g} times its own time"
    estimate = estimate_pairs(measured.pairs, rule, cases)
    text = f"pair {pair.number + 1}: head {estimate.slowdown:#.3g} times the base's time"
    return f"{text} ({estimate.low:#.3g} to {estimate.high:#.3g})" if estimate.low > 0 else text


def measure_pair(case: Case, pair: Pair, runs: int, sides: Sides, stop: Stop) -> Both | str:
    """Both processes of a pair, by the side that each stands for; or why there is none, in words. Raises Stopped.

    They take turns where their workers can; else they run one after the other.
    """
    sat: tuple[Side, Side] = ("base", "base") if pair.stage == "A/A" else pair.sides
    runners = [sides[side] for side in sat]
    sitting = [each for each in runners if isinstance(each, Processes) and each.takes_turns(case)]
    in_turn = len(sitting) == len(runners)
    found = _in_turn(case, sitting, runs, stop) if in_turn else _in_a_row(case, runners, runs, stop)
    for side, measured in zip(sat, found, strict=True):
        if measured.failure is not None:
            return f"{side}: {measured.failure}"
    by_role = dict(zip(pair.sides, found, strict=True))
    base, head = (Figure(value_s=by_role[role].value_s, latency_s=by_role[role].latency_s) for role in ("base", "head"))
    return Both(base=base, head=head, ratio=call_by_call(base.latency_s, head.latency_s) if in_turn else None)


def _in_turn(case: Case, runners: Sequence[Processes], runs: int, stop: Stop) -> Sequence[Measured]:
    found: tuple[Measured | None, ...] = ()
    for _ in range(ATTEMPTS):
        first, second = (partial(each.measure, case, runs, False, stop) for each in runners)
        found = measure_in_turn(first, second, stop)
        if stop.signal or None in found:
            raise Stopped(stop.signal or signal.SIGINT)
        if all(each and each.failure is None for each in found):
            break
    return [each for each in found if each]


def _in_a_row(case: Case, runners: Sequence[Runner], runs: int, stop: Stop) -> Sequence[Measured]:
    """As far as they do not fail."""
    first, second = runners
    measured = _one(case, first, runs, False, stop)
    return measured, measured if measured.failure is not None else _one(case, second, runs, False, stop)


def _one(case: Case, runner: Runner, runs: int, full: bool, stop: Stop) -> Measured:
    measured = Measured(failure="not measured")
    for _ in range(ATTEMPTS):
        attempt = runner.measure(case, runs, full, stop)
        if attempt is None or stop.signal:
            raise Stopped(stop.signal or signal.SIGINT)
        measured = attempt
        if measured.failure is None:
            break
    return measured
