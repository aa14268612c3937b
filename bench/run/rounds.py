"""Rounds: each case once a round, in a fresh process. Which processes come next, and how long they take. Pure.

Whether a case gets another process depends on how many it has and how wide the interval of its latency is, never on the
latency itself: that would bias the figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..plan.plan import CaseProcess
from ..record.case import Case
from ..record.record import Record
from ..stats.case_result import MAX_HALF_WIDTH, CaseResult

# Fresh processes of each case by default: from six on, their median has an interval; one more may fail.
AUTO_PROCESSES = 7
# Timed predictions of each process, at least: a median of fewer is moved by two or three slow ones.
MIN_RUNS = 15

Records = Mapping[Case, Sequence[Record]]  # of a run: of each case its processes so far, in their order


@dataclass(frozen=True)
class Aim:
    """When rounds end: each case has so many processes and so narrow an interval, or the time is used up."""

    processes: int
    half_width: float | None = None  # relative, of the interval of the latency; None: any
    time_s: float | None = None  # since the run began; None: without a limit

    @property
    def open(self) -> bool:
        """Whether there may be more rounds than `processes`."""
        return self.half_width is not None


def aim_of(processes: int | str, target_precision: float | None, time_s: float) -> Aim:
    """The aim of `run.processes`, `run.target_precision` and `run.time_s`. A number of processes is that many rounds,
    without a time limit."""
    if isinstance(processes, int):
        return Aim(processes)
    return Aim(AUTO_PROCESSES, target_precision or MAX_HALF_WIDTH, time_s)


def runs_of_each(runs: int, processes: int) -> int:
    """Timed predictions of each process, where the case's `runs` are spread over so many processes."""
    return min(runs, max(MIN_RUNS, math.ceil(runs / processes)))


def wants_another(records: Sequence[Record], aim: Aim) -> bool:
    """Whether a case gets another process. A failed one does not: it would most likely fail again."""
    if any(record.error for record in records):
        return False
    if len(records) < aim.processes:
        return True
    if aim.half_width is None:
        return False
    latency = CaseResult(tuple(records)).figure("latency")
    return latency is not None and (latency.half_width is None or latency.half_width > aim.half_width)


def next_process(records: Sequence[Record]) -> int:
    """The number of a case's next process: the first that is missing."""
    there = {record.process for record in records}
    return next(number for number in range(1, len(there) + 2) if number not in there)


@dataclass(frozen=True)
class Round:
    """The processes of one round; `number` counts from 1."""

    number: int
    processes: tuple[CaseProcess, ...]


def next_round(cases: Sequence[Case], records: Records, aim: Aim) -> Round | None:
    """The next round, every second one in reverse order; None where all cases are done.

    So a change of the machine affects all cases alike, and none is always the first. A case that is ahead, in a resumed
    run, waits until the others have caught up.
    """
    wanted = [case for case in cases if wants_another(records.get(case, ()), aim)]
    if not wanted:
        return None
    fewest = min(len(records.get(case, ())) for case in wanted)
    there = [case for case in wanted if len(records.get(case, ())) == fewest]
    ordered = there[::-1] if fewest % 2 else there
    return Round(fewest + 1, tuple(CaseProcess(case, next_process(records.get(case, ()))) for case in ordered))


def fits(last_s: float | None, passed_s: float, aim: Aim) -> bool:
    """Whether a process is started: one as long as the case's last one (`last_s`) would end within the time.

    The first process of a case (`last_s` is None) always is, so that each case has a figure.
    """
    return last_s is None or aim.time_s is None or passed_s + last_s <= aim.time_s


def seconds_left(cases: Sequence[Case], records: Records, last_s: Mapping[Case, float], aim: Aim) -> float | None:
    """How long the remaining known processes will take, each as long as its case's last one (or the mean of the others
    where it has none); None where nothing was measured yet."""
    if not last_s:
        return None
    usual_s = sum(last_s.values()) / len(last_s)
    known = Aim(aim.processes)
    seconds = 0.0
    for case in cases:
        of_case = records.get(case, ())
        count = aim.processes - len(of_case) if wants_another(of_case, known) else int(wants_another(of_case, aim))
        seconds += count * last_s.get(case, usual_s)
    return seconds


def time_left_text(left_s: float | None, passed_s: float, aim: Aim) -> str:
    """The time left, in words: an estimate where the number of rounds is known, else the limit."""
    limit_s = None if aim.time_s is None else max(0.0, aim.time_s - passed_s)
    if left_s is None:
        return "" if limit_s is None else f"at most {duration_text(limit_s)} left"
    if limit_s is not None and left_s >= limit_s:
        return f"at most {duration_text(limit_s)} left"
    return f"about {duration_text(left_s)} left"


def aim_text(aim: Aim) -> str:
    """When rounds end, for people: `in 3 rounds`, or until what."""
    if aim.half_width is None:
        return f"{aim.processes} round{'s' if aim.processes != 1 else ''}"
    limit = "" if aim.time_s is None else f", at most {duration_text(aim.time_s)}"
    return f"rounds until each has {aim.processes} processes and ±{100 * aim.half_width:.3g} %{limit}"


def duration_text(seconds: float) -> str:
    """`45 s`, `8 min`, `7 min 30 s`, `1 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    parts = (whole // 3600, "h"), (whole % 3600 // 60, "min"), (whole % 60 if whole < 3600 else 0, "s")
    return " ".join(f"{count} {unit}" for count, unit in parts if count)
