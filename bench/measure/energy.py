"""Energy of a prediction, in a pass of its own: long blocks of predictions, with idle ones of the same length beside.

A sensor of power may renew its value only some times a second, so a block is long enough for many; one prediction
has no energy that could be read. What is measured is the whole device or package, idle part included.
"""

from __future__ import annotations

import itertools
import math
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...devices.profile import DeviceProfile
from ...devices.root import THIS_MACHINE, Root
from ...devices.sensors import Reading
from ...devices.sensors.find import find_sensors
from ...devices.sensors.sampler import Log
from ...devices.sensors.watch import Watch
from ..record.sensing import Energy, EnergyBlock
from .loop import Calls, blocks

BLOCKS = 3
INTERVAL_S = 0.05


@dataclass(frozen=True)
class Meter:
    """A sensor figure that gives energy, and how long a block it needs."""

    figure: str
    counter: bool
    block_s: float


# The first that gives a value is taken. An INA3221 may renew its value 2.4 times a second: 10 s are 25 readings.
METERS = (
    Meter("power_w/board", False, 10.0),
    Meter("energy_j/gpu", True, 5.0),
    Meter("power_w/gpu", False, 10.0),
    Meter("energy_j/cpu packages", True, 2.0),
)


def find_meter(profile: DeviceProfile, root: Root = THIS_MACHINE) -> tuple[Meter, str | None] | str:
    """The meter of a machine, and what it measures; or why there is none."""
    reasons = []
    sensors = find_sensors(profile, root)
    readings: dict[str, Reading] = {}
    notes: dict[str, str | None] = {}
    for sensor in sensors:
        figures = {figure.name: figure.note for figure in sensor.figures}
        if figures.keys() & {meter.figure for meter in METERS}:
            readings |= sensor.read()
            notes |= figures
    for meter in METERS:
        reading = readings.get(meter.figure)
        if reading and reading.value is not None:
            return meter, notes[meter.figure]
        if reading:
            reasons.append(f"{meter.figure}: {reading.reason}")
    return "; ".join(reasons) or "this device has no sensor of energy or power"


def needed_s(meter: Meter) -> float:
    """How long the pass takes, with a margin."""
    return (2 * BLOCKS + 1) * meter.block_s * 1.1


def energy_pass(
    profile: DeviceProfile,
    calls: Calls,
    *,
    time_left_s: float = math.inf,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
    start: Callable[..., Watch] = Watch,
    find: Callable[[DeviceProfile], tuple[Meter, str | None] | str] = find_meter,
) -> Energy:
    """Alternating idle and busy blocks, while the sensors' own process reads the meter."""
    choice = find(profile)
    if isinstance(choice, str):
        return Energy(reason=choice)
    meter, quantity = choice
    if needed_s(meter) > time_left_s:
        return Energy(reason=f"it takes {needed_s(meter):.0f} s, and {time_left_s:.0f} s are left; raise run.timeout_s")
    watch = start(profile, interval_s=INTERVAL_S, only=(meter.figure,))
    watch.ready()
    spans = blocks(calls, BLOCKS, meter.block_s, clock, sleep)
    sleep(4 * INTERVAL_S)  # the meter is to be read once more after the last block
    return energy_of(watch.stop(), meter, quantity, spans)


def energy_of(log: Log, meter: Meter, quantity: str | None, spans: Sequence[tuple[float, float, int]]) -> Energy:
    """The energy of each block (begin, end, calls) from the readings."""
    if log.reason:
        return Energy(source=meter.figure, quantity=quantity, reason=log.reason)
    series = log.readings[meter.figure]
    points = [(t, r.value) for t, r in zip(log.times, series, strict=True) if r.value is not None]
    measured = []
    for begin, end, calls in spans:
        joules = (difference if meter.counter else integral)(points, begin, end)
        if joules is None:
            return Energy(source=meter.figure, quantity=quantity, reason="the sensor was not read all the time")
        fresh = changes(value for time, value in points if begin <= time <= end)
        measured.append(EnergyBlock(seconds=end - begin, calls=calls, energy_j=joules, fresh_readings=fresh))
    busy, idle = (tuple(block for block in measured if bool(block.calls) is wanted) for wanted in (True, False))
    if any(block.fresh_readings < 2 for block in busy):
        reason = f"the sensor did not change while it was read ({busy[0].fresh_readings} new values in a block)"
        return Energy(source=meter.figure, quantity=quantity, reason=reason)
    return Energy(source=meter.figure, quantity=quantity, busy=busy, idle=idle)


Points = Sequence[tuple[float, float]]


def at(points: Points, time: float) -> float | None:
    """The value at a time, interpolated linearly between the readings around it; None outside of them."""
    after = bisect_left(points, (time, -math.inf))
    if after == len(points) or (after == 0 and points[0][0] > time):
        return None
    (right, high) = points[after]
    if right == time:
        return high
    (left, low) = points[after - 1]
    return low + (high - low) * (time - left) / (right - left)


def difference(points: Points, begin: float, end: float) -> float | None:
    """What a counter of joules added between two times."""
    first, last = at(points, begin), at(points, end)
    return None if first is None or last is None else last - first


def integral(points: Points, begin: float, end: float) -> float | None:
    """Joules from readings of watts between two times, by trapezoids between the times they were really taken."""
    first, last = at(points, begin), at(points, end)
    if first is None or last is None:
        return None
    line = [(begin, first), *(point for point in points if begin < point[0] < end), (end, last)]
    return math.fsum((b - a) * (low + high) / 2 for (a, low), (b, high) in itertools.pairwise(line))


def changes(values: Any) -> int:
    """How often a series changed its value."""
    return sum(a != b for a, b in itertools.pairwise(values))
