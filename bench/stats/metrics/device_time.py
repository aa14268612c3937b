"""Median time of one call on the device alone, by events on its stream, in milliseconds. Launches are not in it."""

from ...record.record import Record
from ..summary import median
from . import Metric


def value(record: Record) -> float | None:
    if record.timing is None or record.cuda is None or not record.cuda.device_s:
        return None
    return 1e3 * median(record.cuda.device_s)


METRIC = Metric(
    name="device_time",
    label="median time on the device",
    unit="ms",
    better="lower",
    value=value,
    order=21,
    noisy=True,
)
