"""Latencies of different hours, normalised by the reference workload time of each. Pure, from the store alone.

A normalised latency has its own name and is shown beside the measured one, never instead of it. It estimates the
latency at the machine speed of the anchor record, if the network's speed follows that of the reference workload; most
do, within some per cent.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from ..record.record import Record


def reference_s(record: Record) -> float | None:
    """The median reading of the reference workload; None where it was not timed."""
    reference = record.timing.reference if record.timing else None
    return median(reference.readings_s) if reference else None


def machine_speed_index(record: Record, anchor: Record) -> float | None:
    """Machine speed relative to that of the anchor; None where the two timed different workloads."""
    if record.timing is None or anchor.timing is None:
        return None
    mine, theirs = record.timing.reference, anchor.timing.reference
    if mine is None or theirs is None or mine.name != theirs.name:
        return None
    own_s, anchor_s = reference_s(record), reference_s(anchor)
    return anchor_s / own_s if own_s and anchor_s else None


def normalised_latency_s(record: Record, anchor: Record) -> float | None:
    """The median latency in seconds at the anchor's machine speed; None where that is not known."""
    index = machine_speed_index(record, anchor)
    return median(record.timing.samples.latency_s) * index if record.timing and index else None


def anchor_of(records: Sequence[Record]) -> Record | None:
    """The record a series is normalised to: the newest that timed the reference workload."""
    return next((record for record in reversed(records) if reference_s(record)), None)
