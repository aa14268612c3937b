"""Jetson boards from files alone: the rails of their INA3221, the clocks of their GPU, over-current events.

Two layouts of one chip: L4T R32 has it under iio, with a file for power; later ones under hwmon, where power is
voltage times current. Paths and names of rails differ by board: the profile has what the kernel hides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..profile import Power
from ..root import Reason, Root
from . import Absent, Figure, Reading, Sensor, scaled

IIO = "/sys/bus/i2c/drivers/ina3221x"
HWMON = "/sys/bus/i2c/devices"
GPU_NAMES = ("gp10b", "gv11b", "ga10b", "gpu-gpc-0", "gpu")
FIX = "sudo chmod a+r the files, or a rule for udev; see devices/README.md"


@dataclass(frozen=True)
class Rail:
    """One channel: `power` is a file in mW, or there are two, of mV and mA."""

    name: str
    power: str | None = None
    voltage: str | None = None
    current: str | None = None

    def read(self, root: Root) -> Reading:
        if self.power is not None:
            return _watts(scaled(root.contents(self.power), 1e-3))
        volts = _watts(scaled(root.contents(self.voltage or ""), 1e-3))
        amperes = _watts(scaled(root.contents(self.current or ""), 1e-3))
        if volts.value is None or amperes.value is None:
            return volts if volts.value is None else amperes
        return Reading(volts.value * amperes.value)


def _watts(reading: Reading) -> Reading:
    if reading.reason and "not permitted" in reading.reason:
        return Reading(reason=f"not permitted; {FIX}")
    return reading


@dataclass(frozen=True)
class Rails:
    """Every rail, and the figure of the board, which on some is one rail and on others a sum."""

    root: Root
    rails: tuple[Rail, ...]
    total: tuple[str, ...]
    quantity: str

    @property
    def figures(self) -> tuple[Figure, ...]:
        board = Figure("power_w/board", note=f"{self.quantity}: {' + '.join(self.total)}")
        return (board, *(Figure(f"power_w/{rail.name}") for rail in self.rails))

    def read(self) -> Mapping[str, Reading]:
        found = {rail.name: rail.read(self.root) for rail in self.rails}
        return {"power_w/board": self._board(found), **{f"power_w/{name}": each for name, each in found.items()}}

    def _board(self, found: Mapping[str, Reading]) -> Reading:
        total = 0.0
        for name in self.total:
            reading = found.get(name, Reading(reason=f"there is no rail {name}"))
            if reading.value is None:
                return Reading(reason=f"{name}: {reading.reason}")
            total += reading.value
        return Reading(total)


@dataclass(frozen=True)
class Gpu:
    """The devfreq folder of the GPU: its clock, and the cap it has now, which falls where the board throttles."""

    root: Root
    folder: str
    figures: tuple[Figure, ...] = (Figure("gpu_hz"), Figure("gpu_max_hz", note="the cap now"))

    def read(self) -> Mapping[str, Reading]:
        return {
            "gpu_hz": scaled(self.root.contents(f"{self.folder}/cur_freq")),
            "gpu_max_hz": scaled(self.root.contents(f"{self.folder}/max_freq")),
        }


@dataclass(frozen=True)
class OverCurrent:
    """Orin's counters of over-current and under-voltage events, each of which slows the chip down."""

    root: Root
    files: tuple[str, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        return tuple(Figure(_event(file), kind="counter") for file in self.files)

    def read(self) -> Mapping[str, Reading]:
        return {_event(file): scaled(self.root.contents(file)) for file in self.files}


def _event(file: str) -> str:
    return f"throttle_events/{file.rsplit('/', 1)[-1].removesuffix('_event_cnt')}"


def gpu_folder(root: Root) -> str | None:
    """Where the clocks of the GPU are."""
    for name in GPU_NAMES:
        for pattern in (f"/sys/class/devfreq/*{name}", f"/sys/devices/*{name}/devfreq/*{name}"):
            if found := root.glob(pattern):
                return found[0]
    return None


def find(root: Root, power: Power | None) -> tuple[Sensor, ...]:
    """Rails, GPU and over-current events of this board."""
    rails = (*_iio(root, power), *_hwmon(root))
    sensors: list[Sensor] = []
    if power is None:
        sensors.append(Absent((Figure("power_w/board"),), "the profile does not say what its rails measure"))
    elif rails:
        sensors.append(Rails(root, rails, tuple(power.total), power.quantity))
    else:
        sensors.append(Absent((Figure("power_w/board"),), f"no INA3221 under {IIO} or as hwmon"))
    folder = gpu_folder(root)
    sensors.append(Gpu(root, folder) if folder else Absent((Figure("gpu_hz"),), "no devfreq folder of a GPU"))
    events = [
        OverCurrent(root, files)
        for chip in root.glob("/sys/class/hwmon/hwmon*")
        if root.read(f"{chip}/name") == "soctherm_oc" and (files := root.glob(f"{chip}/oc*_event_cnt"))
    ]
    return (*sensors, *events)


def _iio(root: Root, power: Power | None) -> tuple[Rail, ...]:
    known = {chip.address: chip.rails for chip in (power.chips if power else ())}
    rails = []
    for folder in (*root.glob(f"{IIO}/*/iio:device*"), *root.glob(f"{IIO}/*/iio_device")):
        address = folder.split("/")[-2]
        for channel in range(3):
            file = f"{folder}/in_power{channel}_input"
            if root.contents(file).reason is Reason.MISSING:
                continue
            names = known.get(address, [])
            of_profile = names[channel] if channel < len(names) else None
            # The kernel's own name where it may be read; that is root's alone.
            name = root.read(f"{folder}/rail_name_{channel}") or of_profile
            if name and name != "NC" and name not in (rail.name for rail in rails):
                rails.append(Rail(name, power=file))
    return tuple(rails)


def _hwmon(root: Root) -> tuple[Rail, ...]:
    rails = []
    for folder in root.glob(f"{HWMON}/*/hwmon/hwmon*"):
        if root.read(f"{folder}/name") != "ina3221":
            continue
        for channel in (1, 2, 3):  # in4 to in6 are shunts, in7 is their sum
            name = root.read(f"{folder}/in{channel}_label")
            if name and "NC" not in name.split():
                rails.append(Rail(name, voltage=f"{folder}/in{channel}_input", current=f"{folder}/curr{channel}_input"))
    return tuple(rails)
