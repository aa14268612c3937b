"""Figures of several records, told at one and the same pace of their machine. Pure.

Each record tells them at what was usual there by then. The first processes on a machine know of nothing usual, and what
is usual may change (`pace.py`); but two figures can be set against each other only where it is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .record import Record, fact

# What must agree, beside engine and threads, or the work took longer for another reason than the machine's pace.
_FACTS = ("machine.cpu_model", "process.affinity", "versions.torch")


def at_one_pace(records: Iterable[Record]) -> tuple[Record, ...]:
    """The same records at the pace that the last one to know any knows as usual; as they are where none does, or where
    they are not of one machine, engine and number of threads."""
    records = tuple(records)
    usual = [_usual_s(record) for record in records if record.timing]
    known_s = next((each for each in reversed(usual) if each), None)
    if known_s is None or len(set(usual)) == 1 or len({_place(record) for record in records if record.timing}) > 1:
        return records
    return tuple(_told_at(known_s, record) for record in records)


def _usual_s(record: Record) -> float | None:
    return record.timing.samples.usual_pace_s if record.timing else None


def _place(record: Record) -> tuple[Any, ...]:
    return (record.case.backend, record.case.threads, *(fact(record, name) for name in _FACTS))


def _told_at(usual_s: float, record: Record) -> Record:
    timing = record.timing
    if timing is None or not timing.samples.pace_s or timing.samples.usual_pace_s == usual_s:
        return record
    samples = timing.samples.model_copy(update={"usual_pace_s": usual_s})
    return record.model_copy(update={"timing": timing.model_copy(update={"samples": samples})})
