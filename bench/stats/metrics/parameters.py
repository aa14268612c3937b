"""Parameters, in 10^6."""

from ...record.record import Record
from . import Metric


def value(record: Record) -> float | None:
    return record.counters.parameters / 1e6 if record.counters else None


METRIC = Metric(name="parameters", label="parameters", unit="M", better="lower", value=value, order=40)
