"""Several fresh processes of one case in one run: which of them speak for it. Pure.

Each process has its own place in memory and its own minutes, which no sample of it can average out; so a run measures
a case in several, one after the other, and what is shown is the middle one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from .record import Counters, Record
from .stats import MAX_APART, median_latency_s, verdict

# What `processes = "auto"` means: so many, from which on `compare` and `check` judge speed (`judge/rule.py`), and some
# more where a bad minute of the machine met too many of them, but no more than fit into so many seconds. How far runs
# of it agree: METHODOLOGY.md, "Before anything is timed".
AUTO = 7
AUTO_MORE = 3
AUTO_S = 180.0


def at_first(asked: int | Literal["auto"]) -> int:
    """How many processes of a case there are where nothing speaks for more or fewer."""
    return AUTO if asked == "auto" else asked


def most(asked: int | Literal["auto"]) -> int:
    """How many processes of a case there are at most."""
    return AUTO + AUTO_MORE if asked == "auto" else asked


def another(processes: Sequence[Record]) -> bool:
    """Whether "auto" measures a case once more after these: not where all of them would take more than `AUTO_S`
    then, as with an engine that is built for a minute, nor after one that failed; after the seventh only where fewer
    than half are steady, and more could make them half."""
    if not processes:
        return True
    spent_s = [_spent_s(record) for record in processes]
    if not processes[-1].ok or math.fsum(spent_s) + spent_s[-1] > AUTO_S:
        return False
    return len(processes) < AUTO or _more_help(sum(map(_is_steady, processes)), len(processes))


def _more_help(steady: int, count: int) -> bool:
    """Of the steadiness alone, never of the figures: who goes on until a figure pleases has chosen it."""
    left = AUTO + AUTO_MORE - count
    return left > 0 and not _are_half(steady, count) and _are_half(steady + left, count + left)


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
    """The process that stands for a case in a run, with a note that says so, how far they lie apart, and the energy of
    the one that took it; the last one where none has figures. ValueError if there are none."""
    if not processes:
        raise ValueError("of no processes none stands for them")
    if len(processes) == 1:
        return processes[0]
    those = speaking(processes)
    if not those:
        return processes[-1]
    record = those[(len(those) - 1) // 2]
    energy = record.energy or next((each.energy for each in processes if each.energy), None)
    told = {"notes": (*record.notes, _note(processes, those)), "energy": energy, "apart": _apart(those)}
    return record.model_copy(update=told)


def _note(processes: Sequence[Record], those: Sequence[Record]) -> str:
    """How many there were, how many count, and how far apart they lie."""
    timed = len(_timed(processes))
    kind = "" if len(those) == timed else " steady" if verdict(those[0]).kind == "steady" else " unsteady"
    said = f"the middle one of {len(those)}{kind} fresh processes"
    if (apart := _apart(those)) is not None and apart <= MAX_APART:  # else it is a doubt, and said there
        said += f", whose medians lie within {apart:.1%}"
    if left := timed - len(those):
        said += f"; {left} more {'was' if left == 1 else 'were'} {'not steady' if kind == ' steady' else 'steady'}"
    if failed := len(processes) - timed:
        said += f"; {failed} more failed"
    return said


def _apart(ordered: Sequence[Record]) -> float | None:
    """How far the slowest lies from the quickest; None of a single one."""
    return _median_s(ordered[-1]) / _median_s(ordered[0]) - 1 if len(ordered) > 1 else None


def _timed(processes: Sequence[Record]) -> list[Record]:
    return [record for record in processes if record.ok and record.timing]


def _is_steady(record: Record) -> bool:
    return record.timing is not None and verdict(record).kind == "steady"


def _median_s(record: Record) -> float:
    return median_latency_s(record.timing.samples) if record.timing else math.inf
