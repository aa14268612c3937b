"""NVIDIA cards by their driver's library (NVML, module `pynvml`): clocks, power, energy, heat, throttling, memory.

Each query may be unsupported on its own; then that figure has a reason, and the others their values.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..detect import list_gpus, load_nvml, why_not
from . import Absent, Figure, Reading, Sensor

# Bits of the clocks event reasons: what we call them, and whether they make a run invalid. A card under load at its
# power limit is normal; idle clocks and clocks somebody asked for are no event.
REASONS: dict[int, str] = {
    0x4: "power cap (software)",
    0x8: "slowdown (hardware)",
    0x10: "sync boost",
    0x20: "thermal slowdown (software)",
    0x40: "thermal slowdown (hardware)",
    0x80: "power brake (hardware)",
    0x100: "display clocks",
}
INVALID = frozenset((REASONS[0x8], REASONS[0x20], REASONS[0x40], REASONS[0x80]))
_BENIGN = 0x1 | 0x2

POWER_POLICY, THERMAL_POLICY = 0, 1  # of nvmlDeviceGetViolationStatus


@dataclass(frozen=True)
class Query:
    """A figure, and how it is asked of a card."""

    figure: Figure
    ask: Callable[[Any, Any], Reading]  # (nvml, handle)


def _value(function: str, *arguments: Any, factor: float = 1.0) -> Callable[[Any, Any], Reading]:
    return lambda nvml, handle: Reading(float(getattr(nvml, function)(handle, *arguments)) * factor)


def reasons(nvml: Any, handle: Any) -> Reading:
    """The words of the bits set now; older drivers know the query by its older name."""
    try:
        bits = nvml.nvmlDeviceGetCurrentClocksEventReasons(handle)
    except (nvml.NVMLError_FunctionNotFound, AttributeError):
        bits = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    return Reading(words=tuple(flags(int(bits))))


def flags(bits: int) -> list[str]:
    """The words of some bits, in their order; a bit we do not know keeps its number."""
    return [REASONS.get(1 << n, f"bit {1 << n:#x}") for n in range(64) if bits >> n & 1 and not (1 << n) & _BENIGN]


def _violation_s(policy: int) -> Callable[[Any, Any], Reading]:
    return lambda nvml, handle: Reading(nvml.nvmlDeviceGetViolationStatus(handle, policy).violationTime / 1e9)


def others(nvml: Any, handle: Any, mine: frozenset[int]) -> Reading:
    """Processes on the card that are not ours."""
    running = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
    return Reading(float(sum(process.pid not in mine for process in running)))


def queries(mine: frozenset[int]) -> tuple[Query, ...]:
    """Everything we ask; `mine` are the processes that measure."""
    return (
        Query(Figure("gpu_hz"), _value("nvmlDeviceGetClockInfo", 1, factor=1e6)),  # 1: of the multiprocessors
        Query(Figure("gpu_memory_hz"), _value("nvmlDeviceGetClockInfo", 2, factor=1e6)),
        Query(
            Figure("power_w/gpu", note="of the whole card; from Ampere on the driver's average over a second"),
            _value("nvmlDeviceGetPowerUsage", factor=1e-3),
        ),
        Query(
            Figure("energy_j/gpu", kind="counter", note="of the whole card, since its driver was loaded"),
            _value("nvmlDeviceGetTotalEnergyConsumption", factor=1e-3),
        ),
        Query(Figure("temperature_c/gpu"), _value("nvmlDeviceGetTemperature", 0)),
        Query(
            Figure("gpu_memory_used_bytes", note="of all processes: context and libraries are in it"),
            lambda nvml, handle: Reading(float(nvml.nvmlDeviceGetMemoryInfo(handle).used)),
        ),
        Query(
            Figure("gpu_other_processes", note="a container that renumbers processes counts ours too"),
            lambda nvml, handle: others(nvml, handle, mine),
        ),
        Query(Figure("gpu_throttle", kind="flags"), reasons),
        Query(Figure("gpu_power_capped_s", kind="counter"), _violation_s(POWER_POLICY)),
        Query(Figure("gpu_thermal_capped_s", kind="counter"), _violation_s(THERMAL_POLICY)),
    )


@dataclass(frozen=True)
class Card:
    """One card."""

    nvml: Any
    handle: Any
    asked: tuple[Query, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        return tuple(query.figure for query in self.asked)

    def read(self) -> Mapping[str, Reading]:
        return {query.figure.name: self._one(query) for query in self.asked}

    def _one(self, query: Query) -> Reading:
        try:
            return query.ask(self.nvml, self.handle)
        except Exception as error:  # noqa: BLE001 - one unanswered query is no reason to lose the others
            return Reading(reason=why_not(error))


def find(nvml: Any = None, mine: frozenset[int] = frozenset()) -> tuple[Sensor, ...]:
    """The card that torch calls device 0: found by its UUID, since CUDA_VISIBLE_DEVICES renumbers."""
    mine = mine | {os.getpid(), os.getppid()}
    try:
        nvml = nvml or load_nvml()
        gpus, reason = list_gpus(nvml)
        if not gpus:
            return (Absent(tuple(query.figure for query in queries(mine)), reason or "none"),)
        handle = nvml.nvmlDeviceGetHandleByUUID((gpus[0].uuid or "").encode())
    except Exception as error:  # noqa: BLE001 - whatever a driver raises
        return (Absent(tuple(query.figure for query in queries(mine)), why_not(error)),)
    return (Card(nvml, handle, queries(mine)),)
