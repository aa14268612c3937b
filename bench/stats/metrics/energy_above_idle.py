"""Energy of one prediction beyond what the device takes in the same time when idle, in millijoules."""

from ...record.record import Record
from . import Metric


def value(record: Record) -> float | None:
    energy = record.energy
    calls = sum(block.calls for block in energy.busy) if energy else 0
    if energy is None or not calls or not energy.idle:
        return None
    idle_w = sum(block.energy_j for block in energy.idle) / sum(block.seconds for block in energy.idle)
    above_j = sum(block.energy_j - idle_w * block.seconds for block in energy.busy)
    return 1e3 * above_j / (calls * record.case.batch)


METRIC = Metric(
    name="energy_above_idle",
    label="energy per prediction above idle",
    unit="mJ",
    better="lower",
    value=value,
    order=81,
    noisy=True,
)
