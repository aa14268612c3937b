"""Energy of a PC's processor: the counters of RAPL, through the kernel's powercap (Intel, AMD Zen)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..root import Contents, Reason, Root, number
from . import Absent, Figure, Reading, Sensor, scaled

TREE = "/sys/class/powercap"
TOTAL = Figure("energy_j/cpu packages", kind="counter", note="of all packages; memory and the board are not in it")
FIX = "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj    # until the next boot"


@dataclass
class Unwrapped:
    """A counter that starts again at 0 behind its range, as one that goes on. Read it once a range at least."""

    range: int | None
    _last: int | None = None
    _lost: int = 0

    def add(self, value: int) -> int:
        if self._last is not None and value < self._last:
            # The highest value is the range itself, and the next one 0.
            self._lost += (self.range or self._last) + 1
        self._last = value
        return self._lost + value


@dataclass
class Packages:
    """The sum over all packages. What they hold (core, uncore, dram) is in them or beside them; psys contains all."""

    root: Root
    folders: tuple[str, ...]
    figures: tuple[Figure, ...] = (TOTAL,)
    _counters: dict[str, Unwrapped] = field(default_factory=dict)

    def read(self) -> Mapping[str, Reading]:
        total = 0
        for folder in self.folders:
            value = number(self.root, f"{folder}/energy_uj")
            if value is None:
                return {TOTAL.name: why(self.root.contents(f"{folder}/energy_uj"))}
            if folder not in self._counters:
                self._counters[folder] = Unwrapped(number(self.root, f"{folder}/max_energy_range_uj"))
            total += self._counters[folder].add(value)
        return {TOTAL.name: Reading(total / 1e6)}


def why(contents: Contents) -> Reading:
    """Why there is no energy; since Linux 5.10 only root may read it (CVE-2020-8694)."""
    if contents.reason is Reason.FORBIDDEN:
        return Reading(reason=f"not permitted; {FIX}")
    return Reading(reason=scaled(contents).reason or "no number")


def find(root: Root) -> tuple[Sensor, ...]:
    """All packages, found by their names: `package-0`, on some processors `package-0-die-1`."""
    folders = tuple(
        folder
        for folder in root.glob(f"{TREE}/intel-rapl:*")
        if (root.read(f"{folder}/name") or "").startswith("package-")
    )
    if not folders:
        return (Absent((TOTAL,), "no RAPL in /sys/class/powercap; virtual machines and containers mostly hide it"),)
    return (Packages(root, folders),)
