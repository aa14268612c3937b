"""Energy of one prediction, idle part included, in millijoules. What the sensor measures differs by device."""

from ...record.record import Record
from . import Metric


def value(record: Record) -> float | None:
    energy = record.energy
    calls = sum(block.calls for block in energy.busy) if energy else 0
    if energy is None or not calls:
        return None
    return 1e3 * sum(block.energy_j for block in energy.busy) / (calls * record.case.batch)


METRIC = Metric(
    name="energy",
    label="energy per prediction",
    unit="mJ",
    better="lower",
    value=value,
    order=80,
    noisy=True,
)
