"""Rounds: each case once a round, in a fresh process. Which processes come next, and how long that takes. Pure.

Whether a case gets another process is decided by how many it has and by how wide the interval of its latency is, never
by where the figure lies: else the rule would choose the figures it likes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..plan.plan import Turn
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
    """When rounds end: every case has so many processes and is known so well, or the time is used up."""

    processes: int
    half_width: float | None = None  # relative, of the interval of the latency; None: not looked at
    time_s: float | None = None  # since the run began; None: without a limit

    @property
    def open(self) -> bool:
        """Whether there may be more rounds than `processes`."""
        return self.half_width is not None


def aim_of(processes: int | str, target_precision: float | None, time_s: float) -> Aim:
    """What `run.processes`, `run.target_precision` and `run.time_s` ask for. A number is that many rounds, and no time
    cuts them short."""
    if isinstance(processes, int):
        return Aim(processes)
    return Aim(AUTO_PROCESSES, target_precision or MAX_HALF_WIDTH, time_s)


def runs_of_each(runs: int, processes: int) -> int:
    """Timed predictions of each process, where `runs` of the case are spread over so many; never more than all."""
    return min(runs, max(MIN_RUNS, math.ceil(runs / processes)))


def wants_another(records: Sequence[Record], aim: Aim) -> bool:
    """Whether a case goes on to another process. One that failed does not: it would most likely fail again."""
    if any(record.error for record in records):
        return False
    if len(records) < aim.processes:
        return True
    if aim.half_width is None:
        return False
    latency = CaseResult(tuple(records)).figure("latency")
    return latency is not None and (latency.half_width is None or latency.half_width > aim.half_width)


def next_process(records: Sequence[Record]) -> int:
    """The number of a case's next process: the first that is missing, should one have been lost or be repeated."""
    there = {record.process for record in records}
    return next(number for number in range(1, len(there) + 2) if number not in there)


@dataclass(frozen=True)
class Round:
    """The processes of one round. `number` says which it is, from 1."""

    number: int
    turns: tuple[Turn, ...]


def next_round(cases: Sequence[Case], records: Records, aim: Aim) -> Round | None:
    """The next round, every second one backwards; None where all cases are done.

    So what happens to a machine meanwhile meets all its cases alike, and none is always the first. A case that is
    ahead, since a run is resumed that measured it already, waits until the others are there as well.
    """
    wanted = [case for case in cases if wants_another(records.get(case, ()), aim)]
    if not wanted:
        return None
    fewest = min(len(records.get(case, ())) for case in wanted)
    there = [case for case in wanted if len(records.get(case, ())) == fewest]
    ordered = there[::-1] if fewest % 2 else there
    return Round(fewest + 1, tuple(Turn(case, next_process(records.get(case, ()))) for case in ordered))


def fits(last_s: float | None, passed_s: float, aim: Aim) -> bool:
    """Whether a process is begun: one that takes as long as that case's last one would end within the time.

    The first process of a case (`last_s` is None) always is, so that each has a figure, however little time was given.
    """
    return last_s is None or aim.time_s is None or passed_s + last_s <= aim.time_s


def seconds_left(cases: Sequence[Case], records: Records, last_s: Mapping[Case, float], aim: Aim) -> float | None:
    """How long the processes that are known to come will take, each as long as its case's last one; None where nothing
    was measured yet. Cases that were not measured yet are taken to be like the others."""
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
    """The time left, in words: an estimate where the rounds are counted, else what is left at most."""
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
