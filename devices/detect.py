"""What a machine is, by its files and NVIDIA cards, and which of the profiles fit it.

No torch. Jetsons before JetPack 6 have no NVML, the driver's library: they are recognised by their device tree.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from .host import HostFacts, read_host
from .profile import DeviceProfile
from .root import THIS_MACHINE, Root


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA card, as its driver describes it."""

    name: str  # without the word NVIDIA, which older drivers leave out
    capability: str | None = None  # e.g. 7.5
    memory_bytes: int | None = None
    index: int = 0
    uuid: str | None = None


@dataclass(frozen=True)
class Hardware:
    """The facts by which a machine is recognised."""

    host: HostFacts
    gpus: tuple[Gpu, ...] = ()
    no_gpus: str | None = None  # why none are known


@dataclass(frozen=True)
class Match:
    """A profile that fits a machine, and why."""

    profile: DeviceProfile
    why: str


def card_name(name: str) -> str:
    """The name of a card as all drivers agree on it."""
    return name.removeprefix("NVIDIA ").strip()


def match(profile: DeviceProfile, hardware: Hardware) -> str | None:
    """Why this machine is that device; None if it is not.

    All entries of the device tree are compared, since a board may list more than one chip. Its model is free text
    and is ignored.
    """
    wanted, tree = profile.recognise, hardware.host.device_tree
    entry = next((entry for entry in tree for pattern in wanted.device_tree if fnmatchcase(entry, pattern)), None)
    if entry is not None and (wanted.soc is None or wanted.soc in tree):
        soc = f" and {wanted.soc}" if wanted.soc else ""
        return f"its device tree has {entry}{soc}"
    for gpu in hardware.gpus:
        named = any(fnmatchcase(gpu.name.lower(), pattern.lower()) for pattern in wanted.cuda_names)
        if named and gpu.capability in (None, wanted.cuda_capability):
            capability = f", compute capability {gpu.capability}" if gpu.capability else ""
            return f"its GPU {gpu.index} is a {gpu.name}{capability}"
    return "any Linux machine has one" if wanted.any_machine else None


def recognise(profiles: Iterable[DeviceProfile], hardware: Hardware) -> tuple[Match, ...]:
    """Every profile this machine is, the one to take first: a board or a card before the generic profile, and one
    that comes with us before the same under a user's name."""
    found = [Match(profile, why) for profile in profiles if (why := match(profile, hardware))]
    return tuple(sorted(found, key=lambda each: (each.profile.recognise.any_machine, each.profile.host is not None)))


def describe(hardware: Hardware) -> str:
    """A machine in one line."""
    host = hardware.host
    parts = [f"{host.cpu_model}, {host.usable_cores} usable cores, {host.architecture}"]
    if host.device_tree:
        parts.append(f"device tree {' '.join(host.device_tree)}")
    parts += [f"GPU {gpu.index} {gpu.name}" for gpu in hardware.gpus] or [
        f"no NVIDIA GPU ({hardware.no_gpus or 'none found'})"
    ]
    return "; ".join(parts)


def read_hardware(root: Root = THIS_MACHINE) -> Hardware:
    """The hardware of a machine. NVIDIA cards are listed only on this one; a board sends its own list over."""
    if root != THIS_MACHINE:
        return Hardware(read_host(root), no_gpus="not asked")
    gpus, why = list_gpus()
    return Hardware(read_host(root), gpus, why)


def load_nvml() -> Any:
    """The module `pynvml`, its library started. Raises its NVMLError where there is none, or no driver."""
    import pynvml

    pynvml.nvmlInit()
    return pynvml


def why_not(error: BaseException) -> str:
    """An error of NVML in words for people."""
    name = type(error).__name__
    return {
        "NVMLError_LibraryNotFound": "the driver's library NVML is not installed",
        "NVMLError_DriverNotLoaded": "the NVIDIA driver is not loaded",
        "NVMLError_NotSupported": "not supported by this card or driver",
        "NVMLError_NoPermission": "not permitted",
        "NVMLError_FunctionNotFound": "the driver is too old for it",
        "ModuleNotFoundError": "nvidia-ml-py is not installed",
    }.get(name, f"{name}: {error}")


def list_gpus(nvml: Any = None) -> tuple[tuple[Gpu, ...], str | None]:
    """Every card that this process may use, in the driver's order, and why there is none where there is none."""
    try:
        nvml = nvml or load_nvml()
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        cards = [_card(nvml, index, handle) for index, handle in enumerate(handles)]
    except Exception as error:  # noqa: BLE001 - whatever a driver raises, it is no reason to end
        return (), why_not(error)
    cards = visible(cards, os.environ.get("CUDA_VISIBLE_DEVICES"))
    return tuple(cards), None if cards else "the driver lists none, or CUDA_VISIBLE_DEVICES hides them"


def visible(cards: list[Gpu], wanted: str | None) -> list[Gpu]:
    """The cards of CUDA_VISIBLE_DEVICES in its order: indices or beginnings of UUIDs, up to the first wrong one.

    torch's device 0 is the first of these. Indices are the driver's where CUDA_DEVICE_ORDER is PCI_BUS_ID, and for
    cards that are alike; else CUDA may sort them by speed.
    """
    if wanted is None:
        return cards
    chosen = []
    for word in (part.strip() for part in wanted.split(",")):
        fits = [card for card in cards if word and (word == str(card.index) or (card.uuid or "").startswith(word))]
        if not fits:
            break
        chosen.append(fits[0])
    return chosen


def _card(nvml: Any, index: int, handle: Any) -> Gpu:
    major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
    return Gpu(
        name=card_name(text(nvml.nvmlDeviceGetName(handle))),
        capability=f"{major}.{minor}",
        memory_bytes=memory_bytes(nvml, handle),
        index=index,
        uuid=text(nvml.nvmlDeviceGetUUID(handle)),
    )


def memory_bytes(nvml: Any, handle: Any) -> int | None:
    """The memory of a card; None where it has none of its own (a Jetson)."""
    try:
        return int(nvml.nvmlDeviceGetMemoryInfo(handle).total)
    except nvml.NVMLError:
        return None


def text(value: str | bytes) -> str:
    """Older versions of the module give bytes."""
    return value.decode() if isinstance(value, bytes) else value
