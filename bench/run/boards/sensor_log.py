"""The sensors of a board: the files that the agent reads during a case, and what our own sensor code makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ....devices.profile import DeviceProfile
from ....devices.remote.files import MOVING
from ....devices.root import Contents, Reason, Snapshot
from ....devices.sensors import Reading
from ....devices.sensors.find import find_sensors
from ....devices.sensors.sampler import Log
from ...measure.energy import BLOCKS, Meter, energy_of, find_meter, needed_s
from ...measure.sensors import sensors_of
from ...record.sensing import Energy, Sensors

PERIOD_S = 0.5


def sensor_paths(profile: DeviceProfile, snapshot: Snapshot) -> list[str]:
    """The files to read during a case, of those that the board has."""
    found = [path for pattern in MOVING for path in snapshot.glob(pattern)]
    # A PC without cpufreq shows its clock there.
    has_clock = not snapshot.glob(MOVING[0]) and "cpu MHz" in (snapshot.read("/proc/cpuinfo") or "")
    clock = ["/proc/cpuinfo"] if has_clock and "cpu" in profile.sensors else []
    return list(dict.fromkeys((*found, *clock)))


class Replay:
    """A board's files, replayed moment by moment."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._standing = snapshot
        self._files: Mapping[str, str] = {}
        self._unread: Mapping[str, str] = {}

    def move(self, files: Mapping[str, str], unread: Mapping[str, str]) -> None:
        """Go to the moment at which these were read."""
        self._files, self._unread = files, unread

    def contents(self, path: str) -> Contents:
        if path in self._files:
            return Contents(self._files[path].strip())
        if path in self._unread:
            return Contents(reason=Reason(self._unread[path]))
        return self._standing.contents(path)

    def read(self, path: str) -> str | None:
        return self.contents(path).text

    def glob(self, pattern: str) -> tuple[str, ...]:
        return self._standing.glob(pattern)


def log_of(lines: Sequence[Mapping[str, Any]], profile: DeviceProfile, snapshot: Snapshot) -> Log:
    """What the agent read, as a log of our own sampler."""
    moments = [line for line in lines if line["event"] == "watch"]
    if not moments:
        return Log(reason="no file of the profile's sensors is there")
    replay = Replay(snapshot)
    sensors = find_sensors(_without_cards(profile), replay)
    readings: dict[str, list[Reading]] = {figure.name: [] for sensor in sensors for figure in sensor.figures}
    for moment in moments:
        replay.move(moment["files"], moment["unread"])
        for sensor in sensors:
            for name, reading in sensor.read().items():
                readings[name].append(reading)
    return Log(
        figures=tuple(figure for sensor in sensors for figure in sensor.figures),
        times=tuple(moment["t"] for moment in moments),
        readings=readings,
        cpu_s=sum(line["cpu_s"] for line in lines if line["event"] == "watched"),
        interval_s=PERIOD_S,
    )


class Thermometer:
    """How hot a board is, by the sensors of its profile."""

    def __init__(self, profile: DeviceProfile, snapshot: Snapshot) -> None:
        self._replay = Replay(snapshot)
        self._sensors = find_sensors(_without_cards(profile), self._replay)

    def hottest_c(self, moment: Mapping[str, Any] | None = None) -> float | None:
        """The hottest of its zones, in degrees Celsius, at a moment that the agent has read, else when the snapshot
        was taken; None where no zone can be read."""
        if moment:
            self._replay.move(moment["files"], moment["unread"])
        read = [each for sensor in self._sensors for each in sensor.read().items()]
        degrees = [reading.value for name, reading in read if name.startswith("temperature_c")]
        return max((value for value in degrees if value is not None), default=None)


def sensors_during(log: Log, span: tuple[float, float] | None) -> Sensors:
    """The sensors between the first sample and the last one."""
    return sensors_of(log, *span) if span else Sensors(reason=log.reason or "no samples were taken")


def energy_meter(profile: DeviceProfile, snapshot: Snapshot, timeout_s: float) -> tuple[Meter, str | None] | Energy:
    """The meter for energy on a board, and what it measures; or why energy is not measured."""
    found = find_meter(_without_cards(profile), snapshot)
    if isinstance(found, str):
        return Energy(reason=found)
    if needed_s(found[0]) > timeout_s / 2:
        return Energy(reason=f"it takes {needed_s(found[0]):.0f} s; raise run.timeout_s to more than twice that")
    return found


def energy_job(asked: tuple[Meter, str | None] | Energy | None) -> dict[str, Any] | None:
    """The part of the board's job that measures energy."""
    if asked is None or isinstance(asked, Energy):
        return None
    meter = asked[0]
    return {"blocks": BLOCKS, "block_s": meter.block_s, "after_s": 4 * PERIOD_S, "needed_s": needed_s(meter)}


def block_energy(log: Log, asked: tuple[Meter, str | None] | Energy | None, blocks: Any) -> Energy | None:
    """The energy of the blocks that a board has run; they are None where it had no time for them."""
    if asked is None or isinstance(asked, Energy):
        return asked
    if blocks is None:
        return Energy(reason="no time was left to measure energy; raise run.timeout_s")
    return energy_of(log, *asked, [(begin, end, calls) for begin, end, calls in blocks])


def _without_cards(profile: DeviceProfile) -> DeviceProfile:
    """Without NVML, which would read the cards of this machine."""
    return profile.model_copy(update={"sensors": [kind for kind in profile.sensors if kind != "nvml"]})
