"""Several fresh processes of one case in one run: which of them speak for it. Pure.

Each process has its own place in memory and its own minutes, which no sample of it can average out; so a run measures
a case in several, one after the other, and what is shown is the middle one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from .one_pace import at_one_pace, at_their_own_pace
from .record import Counters, Record
from .resample import half_interval
from .stats import MAX_KNOWN_TO, median_latency_s, verdict

# What `processes = "auto"` means: so many, from which on `compare` and `check` judge speed (`judge/rule.py`), and some
# more where a restless machine leaves the middle one unsure, but no more than fit into so many seconds. How far runs of
# it agree: METHODOLOGY.md, "Before anything is timed".
AUTO = 7
AUTO_MORE = 13
AUTO_S = 180.0
# So many more may make half of them steady: where none of seven is, the others will not be either.
AUTO_STEADIER = 5


def at_first(asked: int | Literal["auto"]) -> int:
    """How many processes of a case there are where nothing speaks for more or fewer."""
    return AUTO if asked == "auto" else asked


def most(asked: int | Literal["auto"]) -> int:
    """How many processes of a case there are at most."""
    return AUTO + AUTO_MORE if asked == "auto" else asked


def another(processes: Sequence[Record]) -> bool:
    """Whether "auto" measures a case once more after these: not where all of them would take more than `AUTO_S`
    then, as with an engine that is built for a minute, nor after one that failed; after the seventh only where fewer
    than half are steady, and more could make them half, or where the middle one is not known well enough, be it at the
    usual pace or at their own."""
    if not processes:
        return True
    spent_s = [_spent_s(record) for record in processes]
    if not processes[-1].ok or math.fsum(spent_s) + spent_s[-1] > AUTO_S:
        return False
    if len(processes) < AUTO:
        return True
    # Where the machine is off its usual pace that may be what is usual later, and the figures told at it.
    return any(map(_more_help, (at_one_pace(processes), at_their_own_pace(processes))))


def _more_help(processes: Sequence[Record]) -> bool:
    """Of steadiness and scatter alone, never of the figure: who goes on until a figure pleases has chosen it."""
    steady, count = sum(map(_is_steady, processes)), len(processes)
    if not _are_half(steady, count):
        left = AUTO + AUTO_STEADIER - count
        return left > 0 and _are_half(steady + left, count + left)
    known_to = _known_to(speaking(processes))
    return count < AUTO + AUTO_MORE and known_to is not None and known_to > MAX_KNOWN_TO


def _are_half(steady: int, count: int) -> bool:
    return 2 * steady >= count


def _spent_s(record: Record) -> float:
    """Without the energy, which only the first process takes."""
    blocks = (*record.energy.busy, *record.energy.idle) if record.energy else ()
    return record.duration_s - math.fsum(block.seconds for block in blocks)


def counted(record: Record) -> Counters | None:
    """What further processes of the case need not count again: these figures have no noise, and counting takes
    two or three seconds of a process. None where something is missing, since each then says why itself."""
    counters = record.counters
    if not record.ok or counters is None:
        return None
    every = (counters.macs, counters.macs_once, counters.macs_functional, counters.macs_aten, counters.flops_torch)
    return None if None in every else counters


def speaking(processes: Sequence[Record]) -> tuple[Record, ...]:
    """Those with figures whose word counts, quickest first: the steady ones where they are half of them or more, else
    the others, so that the figure of a run that mostly was not steady has its doubts with it. Empty where none ran."""
    ordered = sorted(_timed(processes), key=_median_s)
    steady = [_is_steady(record) for record in ordered]
    wanted = _are_half(sum(steady), len(steady))
    return tuple(record for record, is_steady in zip(ordered, steady, strict=True) if is_steady == wanted)


def middle(processes: Sequence[Record]) -> Record:
    """The process that stands for a case in a run, with a note that says so, how well it is known, and the energy of
    the one that took it; the last one where none has figures. ValueError if there are none."""
    if not processes:
        raise ValueError("of no processes none stands for them")
    if len(processes) == 1:
        return processes[0]
    processes = at_one_pace(processes)
    those = speaking(processes)
    if not those:
        return processes[-1]
    record = those[(len(those) - 1) // 2]
    energy = record.energy or next((each.energy for each in processes if each.energy), None)
    told = {"notes": (*record.notes, _note(processes, those)), "energy": energy, "known_to": _known_to(those)}
    return record.model_copy(update=told)


def _note(processes: Sequence[Record], those: Sequence[Record]) -> str:
    """How many there were, how many count, and how well the middle one is known."""
    timed = len(_timed(processes))
    kind = "" if len(those) == timed else " steady" if verdict(those[0]).kind == "steady" else " unsteady"
    said = f"the middle one of {len(those)}{kind} fresh processes"
    if (known_to := _known_to(those)) is not None and known_to <= MAX_KNOWN_TO:  # else it is a doubt, and said there
        said += f", known to ±{known_to:.1%}"
    if left := timed - len(those):
        said += f"; {left} more {'was' if left == 1 else 'were'} {'not steady' if kind == ' steady' else 'steady'}"
    if failed := len(processes) - timed:
        said += f"; {failed} more failed"
    return said


def _known_to(those: Sequence[Record]) -> float | None:
    """How well the middle one is known, relative; None of a single one."""
    return half_interval([_median_s(record) for record in those]) if len(those) > 1 else None


def _timed(processes: Sequence[Record]) -> list[Record]:
    return [record for record in processes if record.ok and record.timing]


def _is_steady(record: Record) -> bool:
    return record.timing is not None and verdict(record).kind == "steady"


def _median_s(record: Record) -> float:
    return median_latency_s(record.timing.samples) if record.timing else math.inf
