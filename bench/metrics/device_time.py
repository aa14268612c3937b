"""Median time of one call on the device alone, by events on its stream, in milliseconds. Launches are not in it."""

from ..record import Record
from ..stats import MIN_CLEAN_SHARE, disturbed, median
from . import Metric


def value(record: Record) -> float | None:
    if record.timing is None or record.cuda is None or not record.cuda.device_s:
        return None
    seconds, samples = record.cuda.device_s, record.timing.samples
    if len(seconds) == len(samples):  # of the same calls as the latency
        clean = [s for s, hit in zip(seconds, disturbed(samples), strict=True) if not hit]
        seconds = clean if len(clean) >= MIN_CLEAN_SHARE * len(seconds) else seconds
    return 1e3 * median(seconds)


METRIC = Metric(
    name="device_time",
    label="median time on the device",
    unit="ms",
    better="lower",
    value=value,
    order=21,
    noisy=True,
)
