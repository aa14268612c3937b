"""Whether a record was taken while the machine was slowed down."""

from __future__ import annotations

from .record import Record
from .sensing import throttle_signs


def throttled(record: Record) -> str | None:
    """What says so, in words; None where nothing does, or nobody looked."""
    return "; ".join(throttle_signs(record.sensors)) or None
