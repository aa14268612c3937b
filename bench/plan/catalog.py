"""Everything a plan may name, and the functions that look at this machine; nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...devices.detect import Hardware, read_hardware
from ...devices.doctor import TorchFacts
from ...devices.profile import DeviceProfile, list_profiles
from ...models.spec import ModelSpec
from ...models.suites import SUITES, Suite
from ...models.zoo import find_model
from ..backends import Backend, list_backends
from .custom_models import CustomModel, describe_custom, is_custom
from .torch_facts import ask_torch


@dataclass(frozen=True)
class Catalog:
    """What the words of a plan mean. Each config carries its catalog; tests pass one with a tiny zoo."""

    find_model: Callable[[str], ModelSpec] = find_model
    is_custom: Callable[[str], bool] = is_custom  # True: ask `describe_custom`, not `find_model`
    suites: Mapping[str, Suite] = field(default_factory=lambda: SUITES)
    backends: Mapping[str, Backend] = field(default_factory=lambda: {each.name: each for each in list_backends()})
    devices: Mapping[str, DeviceProfile] = field(default_factory=lambda: {each.name: each for each in list_profiles()})

    # These look at this machine. Reading a config calls none of them; `resolve` calls the first to recognise a device,
    read_hardware: Callable[[], Hardware] = read_hardware
    # and the second, in a subprocess, for each custom model.
    describe_custom: Callable[[str, Path], CustomModel] = describe_custom
    # Called before a run on a GPU; a subprocess too.
    ask_torch: Callable[[], TorchFacts] = ask_torch

    def precisions(self) -> list[str]:
        """Every precision that some backend offers."""
        offered = [precision for backend in self.backends.values() for precision in backend.precisions]
        return list(dict.fromkeys(offered))
