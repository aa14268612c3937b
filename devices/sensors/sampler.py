"""Reads sensors in a process of its own: `python -m co3d_bench.devices.sensors.sampler`.

One line in, the order; then a reading again and again, until its input is closed; then one line out, all readings and
what they cost. It says `ready` after the first one. It never writes in between: nobody has to wake up for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..profile import DeviceProfile
from ..root import Local
from . import Figure, Reading, Sensor
from .find import find_sensors

# Below all others: where every core is busy, a reading comes late and the work does not.
_NICENESS = 19


@dataclass(frozen=True)
class Order:
    """What to read, and how often. `only` picks figures by the beginning of their names; empty for all."""

    profile: dict[str, Any]
    interval_s: float = 0.5
    mine: tuple[int, ...] = ()
    only: tuple[str, ...] = ()
    sysroot: str = "/"


@dataclass(frozen=True)
class Log:
    """Every reading in the order they were taken. `times` are of CLOCK_MONOTONIC, as `time.perf_counter` on Linux."""

    figures: tuple[Figure, ...] = ()
    times: tuple[float, ...] = ()
    readings: Mapping[str, Sequence[Reading]] = field(default_factory=dict)
    cpu_s: float = 0.0  # of the sampler between its first and last reading
    interval_s: float = 0.0
    reason: str | None = None  # why there is nothing, where there is nothing

    def line(self) -> str:
        """As it is sent; a reading as [value, words, reason]."""
        rows = {name: [[r.value, r.words, r.reason] for r in series] for name, series in self.readings.items()}
        return json.dumps({**asdict(self), "readings": rows}) + "\n"


def parse_log(line: str) -> Log:
    """The log of one line. Raises ValueError for anything else."""
    try:
        table = json.loads(line)
        return Log(
            figures=tuple(Figure(**figure) for figure in table["figures"]),
            times=tuple(table["times"]),
            readings={
                name: [Reading(value, tuple(words), reason) for value, words, reason in series]
                for name, series in table["readings"].items()
            },
            cpu_s=table["cpu_s"],
            interval_s=table["interval_s"],
            reason=table["reason"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a log of sensors: {error}") from error


def collect(
    sensors: Sequence[Sensor],
    interval_s: float,
    wait: Callable[[float], bool],
    *,
    only: tuple[str, ...] = (),
    clock: Callable[[], float] = time.monotonic,
    cpu_clock: Callable[[], float] = time.process_time,
    on_first: Callable[[], None] = lambda: None,
) -> Log:
    """Read at once, then every `interval_s`, until `wait(seconds)` says that it is over; then once more.

    Where the first reading gives nothing at all, the others would not either, and are not taken.
    """
    figures = tuple(f for sensor in sensors for f in sensor.figures if f.name.startswith(only or ("",)))
    wanted = {figure.name for figure in figures}
    chosen = [sensor for sensor in sensors if wanted & {figure.name for figure in sensor.figures}]
    times: list[float] = []
    readings: dict[str, list[Reading]] = {figure.name: [] for figure in figures}

    def read() -> None:
        times.append(clock())
        for sensor in chosen:
            for name, reading in sensor.read().items():
                if name in wanted:
                    readings[name].append(reading)

    begin_cpu = cpu_clock()
    read()
    on_first()
    if all(series[0].reason for series in readings.values()):
        return Log(figures, tuple(times), readings, cpu_clock() - begin_cpu, interval_s)
    due = times[0] + interval_s
    while not wait(max(0.0, due - clock())):
        read()
        due = max(due + interval_s, clock())  # late is late: it is not made up for
    read()
    return Log(figures, tuple(times), readings, cpu_clock() - begin_cpu, interval_s)


def main() -> int:
    """Read an order, collect until there is more input or it ends, send the log."""
    order = Order(**json.loads(sys.stdin.readline()))
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    profile = DeviceProfile.model_validate(order.profile)
    sensors = find_sensors(profile, Local(Path(order.sysroot)), mine=frozenset(order.mine))

    def wait(seconds: float) -> bool:
        return bool(select.select([sys.stdin], [], [], seconds)[0])

    def ready() -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    log = collect(sensors, order.interval_s, wait, only=tuple(order.only), on_first=ready)
    sys.stdout.write(log.line())
    return 0


if __name__ == "__main__":
    sys.exit(main())
