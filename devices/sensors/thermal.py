"""Temperatures: the kernel's thermal zones, and the chips of hwmon that PCs have. And what cools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..root import Contents, Root
from . import Absent, Figure, Reading, Sensor, scaled

# A constant, 50 or 100 degrees, on every Jetson.
_IGNORED_ZONES = ("PMIC",)
# Chips of hwmon that measure the processor; others (disks, network cards) do not matter here.
_CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")
# What a Jetson gives for a zone whose part of the chip is off.
_GATED_MILLIDEGREES = -256_000


@dataclass(frozen=True)
class Temperatures:
    """One file each, in thousandths of a degree Celsius."""

    root: Root
    files: Mapping[str, str]  # name of the figure -> file

    @property
    def figures(self) -> tuple[Figure, ...]:
        return tuple(Figure(name) for name in self.files)

    def read(self) -> Mapping[str, Reading]:
        return {name: degrees(self.root.contents(file)) for name, file in self.files.items()}


@dataclass(frozen=True)
class Cooling:
    """How hard each device that cools by slowing down works: 0 is not at all."""

    root: Root
    files: Mapping[str, str]

    @property
    def figures(self) -> tuple[Figure, ...]:
        return tuple(Figure(name, note="0: not at work") for name in self.files)

    def read(self) -> Mapping[str, Reading]:
        return {name: scaled(self.root.contents(file)) for name, file in self.files.items()}


def degrees(contents: Contents) -> Reading:
    """A temperature, or why there is none; a zone that is switched off says so in two ways."""
    reading = scaled(contents, 1e-3)
    if reading.value is not None and reading.value * 1e3 <= _GATED_MILLIDEGREES:
        return scaled(Contents(""))
    return reading


def find(root: Root) -> tuple[Sensor, ...]:
    """Every thermal zone and processor chip; cooling devices by which a board slows itself down."""
    files: dict[str, str] = {}
    for folder in root.glob("/sys/class/thermal/thermal_zone*"):
        kind = root.read(f"{folder}/type") or folder.rsplit("/", 1)[-1]
        if not kind.startswith(_IGNORED_ZONES):
            files[_free(f"temperature_c/{kind}", files)] = f"{folder}/temp"
    for folder in root.glob("/sys/class/hwmon/hwmon*"):
        chip = root.read(f"{folder}/name")
        if chip in _CHIPS:
            for file in root.glob(f"{folder}/temp*_input"):
                label = root.read(file.replace("_input", "_label")) or file.rsplit("/", 1)[-1].removesuffix("_input")
                files[_free(f"temperature_c/{chip} {label}", files)] = file
    temperatures: Sensor = (
        Temperatures(root, files)
        if files
        else Absent((Figure("temperature_c"),), "no thermal zone; a virtual machine mostly hides them")
    )
    slowing: dict[str, str] = {}
    for folder in root.glob("/sys/class/thermal/cooling_device*"):
        kind = root.read(f"{folder}/type") or ""
        if "throttle" in kind.lower() or kind.startswith("thermal-cpufreq"):
            slowing[_free(f"cooling_state/{kind}", slowing)] = f"{folder}/cur_state"
    return (temperatures, Cooling(root, slowing)) if slowing else (temperatures,)


def _free(name: str, taken: Mapping[str, str]) -> str:
    """Two zones may have one type."""
    number = 2
    unique = name
    while unique in taken:
        unique, number = f"{name} {number}", number + 1
    return unique
