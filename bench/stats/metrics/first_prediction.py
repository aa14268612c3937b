"""Time of the very first prediction of a fresh process, in milliseconds."""

from ...record.record import Record
from . import Metric


def value(record: Record) -> float | None:
    return 1e3 * record.timing.first_prediction_s if record.timing else None


METRIC = Metric(
    name="first_prediction",
    label="first prediction",
    unit="ms",
    better="lower",
    value=value,
    order=80,
    noisy=True,
)
