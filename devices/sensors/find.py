"""The sensors of a device: those its profile names."""

from __future__ import annotations

from typing import Any

from ..profile import DeviceProfile
from ..root import THIS_MACHINE, Root
from . import Sensor, cpu, jetson, nvml, rapl, thermal


def find_sensors(
    profile: DeviceProfile, root: Root = THIS_MACHINE, nvml_module: Any = None, mine: frozenset[int] = frozenset()
) -> tuple[Sensor, ...]:
    """Every sensor of the kinds that the profile names; `mine` are the processes that measure."""
    found = {
        "cpu": lambda: cpu.find(root),
        "thermal": lambda: thermal.find(root),
        "rapl": lambda: rapl.find(root),
        "nvml": lambda: nvml.find(nvml_module, mine),
        "jetson": lambda: jetson.find(root, profile.power),
    }
    return tuple(sensor for kind in profile.sensors for sensor in found[kind]())
