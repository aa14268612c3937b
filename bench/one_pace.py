"""Figures of several records, told at one and the same pace of their machine. Pure.

Each record tells them at what was usual there by then. The first processes on a machine know of nothing usual, and what
is usual may change (`pace.py`); but two figures can be set against each other only where it is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median_low
from typing import Any

from .record import Record, fact
from .stats import pace_s

# What must agree, beside engine and threads, or the work took longer for another reason than the machine's pace.
_FACTS = ("machine.cpu_model", "process.affinity", "versions.torch")


def at_one_pace(records: Iterable[Record]) -> tuple[Record, ...]:
    """The same records; those of one machine, engine, number of threads and piece of work at the pace that the last of
    them to know any knows as usual, or as they are where none does."""
    records = tuple(records)
    known = {_place(each): usual_s for each in records if (usual_s := _usual_s(each))}
    return tuple(_told_at(known.get(_place(record)), record) for record in records) if known else records


def at_their_own_pace(records: Iterable[Record]) -> tuple[Record, ...]:
    """The same records of one case on one machine, told at the middle of their own paces, whatever is usual there."""
    records = tuple(records)
    paces = [found for each in records if each.timing and (found := pace_s(each.timing.samples))]
    return tuple(_told_at(median_low(paces), record) for record in records) if paces else records


def _usual_s(record: Record) -> float | None:
    return record.timing.samples.usual_pace_s if record.timing else None


def _place(record: Record) -> tuple[Any, ...]:
    work = record.timing.pace_work if record.timing else None
    return (work, record.case.backend, record.case.threads, *(fact(record, name) for name in _FACTS))


def _told_at(usual_s: float | None, record: Record) -> Record:
    timing = record.timing
    if usual_s is None or timing is None or not timing.samples.pace_s or timing.samples.usual_pace_s == usual_s:
        return record
    samples = timing.samples.model_copy(update={"usual_pace_s": usual_s})
    return record.model_copy(update={"timing": timing.model_copy(update={"samples": samples})})
