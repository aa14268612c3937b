"""Median time of one call of the network, in milliseconds."""

from ...record.record import Record
from ..summary import median
from . import Metric


def value(record: Record) -> float | None:
    return 1e3 * median(record.timing.samples.latency_s) if record.timing else None


METRIC = Metric(name="latency", label="median latency", unit="ms", better="lower", value=value, order=20, noisy=True)
