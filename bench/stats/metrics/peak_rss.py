"""Highest resident memory of the whole measuring process, libraries included, in 10^6 bytes."""

from ...record.record import Record
from . import Metric


def value(record: Record) -> float | None:
    return None if record.peak_rss_bytes is None else record.peak_rss_bytes / 1e6


METRIC = Metric(
    name="peak_rss",
    label="peak resident memory",
    unit="MB",
    better="lower",
    value=value,
    order=70,
    noisy=True,
)
