"""Time to build the network and its weights, in milliseconds."""

from ...record.record import Record
from . import Metric


def value(record: Record) -> float | None:
    return 1e3 * record.timing.load_s if record.timing else None


METRIC = Metric(name="load", label="load", unit="ms", better="lower", value=value, order=90, noisy=True)
