"""Predictions per second: clips for clip networks, frames for frame networks."""

from ...record.record import Record
from ..summary import throughput
from . import Metric


def value(record: Record) -> float | None:
    return throughput(record.timing.samples, record.case.batch) if record.timing else None


METRIC = Metric(
    name="throughput",
    label="throughput",
    unit="predictions/s",
    better="higher",
    value=value,
    order=10,
    noisy=True,
)
