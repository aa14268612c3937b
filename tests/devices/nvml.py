"""A stand-in for the module `pynvml`: its functions by name, its errors, and cards that tests describe."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pynvml


def card(
    name: str = "NVIDIA GeForce RTX 2080 Ti", capability: tuple[int, int] = (7, 5), **values: Any
) -> dict[str, Any]:
    """A card: what each query about it is answered with; a callable is asked each time."""
    return {"name": name, "capability": capability, "memory": 11 << 30, "used": 1 << 30, **values}


class FakeNvml:
    """`fails` maps names of functions to names of errors: {"nvmlDeviceGetPowerUsage": "NotSupported"}."""

    def __init__(self, *cards: dict[str, Any], fails: dict[str, str] | None = None) -> None:
        self.cards = cards
        self.fails = fails or {}
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvml"):
            return getattr(pynvml, name)  # constants and errors are the real ones
        answer = getattr(self, f"_{name}", None)
        if answer is None:
            raise AttributeError(name)

        def call(*arguments: Any) -> Any:
            self.asked.append(name)
            if name in self.fails:
                raise getattr(pynvml, f"NVMLError_{self.fails[name]}")
            value = answer(*arguments)
            return value() if callable(value) else value

        return call

    def _nvmlDeviceGetCount(self):
        return len(self.cards)

    def _nvmlDeviceGetHandleByIndex(self, index):
        return index

    def _nvmlDeviceGetHandleByUUID(self, uuid):
        text = uuid.decode() if isinstance(uuid, bytes) else uuid
        return int(text.removeprefix("GPU-"))

    def _nvmlDeviceGetName(self, handle):
        return self.cards[handle]["name"]

    def _nvmlDeviceGetUUID(self, handle):
        return f"GPU-{handle}"

    def _nvmlDeviceGetCudaComputeCapability(self, handle):
        return self.cards[handle]["capability"]

    def _nvmlDeviceGetMemoryInfo(self, handle):
        one = self.cards[handle]
        return SimpleNamespace(total=one["memory"], used=one["used"], free=one["memory"] - one["used"])

    def _nvmlDeviceGetClockInfo(self, handle, kind):
        return self.cards[handle]["clocks"][kind]

    def _nvmlDeviceGetPowerUsage(self, handle):
        return self.cards[handle]["power_mw"]

    def _nvmlDeviceGetTotalEnergyConsumption(self, handle):
        return self.cards[handle]["energy_mj"]

    def _nvmlDeviceGetTemperature(self, handle, kind):
        return self.cards[handle]["temperature"]

    def _nvmlDeviceGetCurrentClocksEventReasons(self, handle):
        return self.cards[handle]["reasons"]

    def _nvmlDeviceGetCurrentClocksThrottleReasons(self, handle):
        return self.cards[handle]["reasons"]

    def _nvmlDeviceGetComputeRunningProcesses(self, handle):
        return [SimpleNamespace(pid=pid) for pid in self.cards[handle].get("processes", ())]

    def _nvmlDeviceGetViolationStatus(self, handle, policy):
        return SimpleNamespace(violationTime=self.cards[handle].get("violations", {}).get(policy, 0))
