"""Weights, state, input and the highest transient of one prediction, in 10^6 bytes."""

from ...record.record import Record
from . import Metric


def value(record: Record) -> float | None:
    peak = record.counters.peak_allocated_bytes if record.counters else None
    return None if peak is None else peak / 1e6


METRIC = Metric(name="peak_allocated", label="peak allocated memory", unit="MB", better="lower", value=value, order=50)
