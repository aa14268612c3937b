"""What a frame network carries from frame to frame, in 10^6 bytes."""

from ...record.record import Record
from . import Metric


def value(record: Record) -> float | None:
    return record.counters.state_bytes / 1e6 if record.counters else None


METRIC = Metric(name="state", label="state", unit="MB", better="lower", value=value, order=60)
