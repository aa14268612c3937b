"""Predictions per second that each stream of a batch gets; of clips, each row of the batch."""

from ...record.record import Record
from ..summary import throughput
from . import Metric


def value(record: Record) -> float | None:
    # Every row of a batch gets one answer a call, so a stream's rate is that of calls.
    return throughput(record.timing.samples, batch=1) if record.timing else None


METRIC = Metric(
    name="per_stream",
    label="throughput per stream",
    unit="predictions/s",
    better="higher",
    value=value,
    order=15,
    noisy=True,
)
