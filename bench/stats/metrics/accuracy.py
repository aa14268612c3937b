"""Top-1 accuracy of the published weights, as the paper prints it: one clip or frame, Kinetics-400."""

from ...record.record import Record
from . import Metric


def value(record: Record) -> float | None:
    published = record.model.published if record.model else None
    return published.accuracy_top1 if published else None


METRIC = Metric(name="accuracy", label="top-1 accuracy (published)", unit="%", better="higher", value=value, order=5)
