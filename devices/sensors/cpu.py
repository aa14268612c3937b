"""Clock of the processors this process may use, and how often they were throttled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..host import affinity, processors
from ..root import Root
from . import Absent, Figure, Reading, Sensor, scaled

_CPU = "/sys/devices/system/cpu"
CLOCK = Figure("cpu_hz", note="the mean over the processors this process may use")
THROTTLED = Figure("cpu_throttle_events", kind="counter", note="of cores and packages, by heat or current")


@dataclass(frozen=True)
class Clocks:
    """From cpufreq, one file a processor."""

    root: Root
    files: tuple[str, ...]
    figures: tuple[Figure, ...] = (CLOCK,)

    def read(self) -> Mapping[str, Reading]:
        return {CLOCK.name: mean(scaled(self.root.contents(file), 1e3) for file in self.files)}


@dataclass(frozen=True)
class Reported:
    """From /proc/cpuinfo, where there is no cpufreq: on a virtual machine often a constant."""

    root: Root
    figures: tuple[Figure, ...] = (
        Figure(CLOCK.name, note="from /proc/cpuinfo; in a virtual machine often a constant"),
    )

    def read(self) -> Mapping[str, Reading]:
        return {CLOCK.name: mean(Reading(mhz * 1e6) for mhz in _megahertz(self.root))}


@dataclass(frozen=True)
class Throttles:
    """The kernel's counters of throttled cores and packages (Intel)."""

    root: Root
    files: tuple[str, ...]
    figures: tuple[Figure, ...] = (THROTTLED,)

    def read(self) -> Mapping[str, Reading]:
        readings = [scaled(self.root.contents(file)) for file in self.files]
        values = [reading.value for reading in readings if reading.value is not None]
        return {THROTTLED.name: Reading(sum(values)) if values else readings[0]}


def find(root: Root) -> tuple[Sensor, ...]:
    """The processors' clocks and throttle counters."""
    files = tuple(file for cpu in affinity(root) for file in root.glob(f"{_CPU}/cpu{cpu}/cpufreq/scaling_cur_freq"))
    clock: Sensor
    if files:
        clock = Clocks(root, files)
    elif _megahertz(root):
        clock = Reported(root)
    else:
        clock = Absent((CLOCK,), "neither cpufreq nor /proc/cpuinfo has it; virtual machines mostly hide it")
    counters = root.glob(f"{_CPU}/cpu*/thermal_throttle/*_throttle_count")
    throttles: Sensor = (
        Throttles(root, counters) if counters else Absent((THROTTLED,), "this kernel or processor counts none")
    )
    return (clock, throttles)


def mean(readings: Iterable[Reading]) -> Reading:
    """The mean of those that have a value; else the first reason."""
    found = list(readings)
    values = [reading.value for reading in found if reading.value is not None]
    if not values:
        return found[0] if found else Reading(reason="nothing to read")
    return Reading(sum(values) / len(values))


def _megahertz(root: Root) -> list[float]:
    return [float(cpu["cpu MHz"]) for cpu in processors(root) if "cpu MHz" in cpu]
