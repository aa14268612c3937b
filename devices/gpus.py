"""The NVIDIA cards of this machine as their driver tells them (NVML), without torch.

Jetsons before JetPack 6 have no such library: their device tree says what they are.
"""

from __future__ import annotations

import os
from typing import Any

from .recognise import Gpu, card_name


def load_nvml() -> Any:
    """The module `pynvml`, its library started. Raises its NVMLError where there is none, or no driver."""
    import pynvml

    pynvml.nvmlInit()
    return pynvml


def why_not(error: BaseException) -> str:
    """What NVML's error means for people."""
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
