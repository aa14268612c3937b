"""Multiply-accumulates of one prediction, in 10^9, counted as the paper counts."""

from ...record.record import Record
from . import Metric


def value(record: Record) -> float | None:
    macs = record.counters.macs if record.counters else None
    return None if macs is None else macs / 1e9


METRIC = Metric(name="macs", label="MACs per prediction", unit="G", better="lower", value=value, order=30)
