"""What a plan may name, and what its resolution asks; none of it imports torch."""

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
    """The words of a plan with what they stand for. Made once for a config, which carries it from there on; tests put
    their own tiny zoo here."""

    find_model: Callable[[str], ModelSpec] = find_model
    is_custom: Callable[[str], bool] = is_custom  # whether `describe_custom` knows a word, and not `find_model`
    suites: Mapping[str, Suite] = field(default_factory=lambda: SUITES)
    backends: Mapping[str, Backend] = field(default_factory=lambda: {each.name: each for each in list_backends()})
    devices: Mapping[str, DeviceProfile] = field(default_factory=lambda: {each.name: each for each in list_profiles()})

    # Questions. To read a config asks none of them. `resolve` asks the first where a device has to be recognised,
    read_hardware: Callable[[], Hardware] = read_hardware
    # and the second, a process of its own, for each custom model.
    describe_custom: Callable[[str, Path], CustomModel] = describe_custom
    # Asked before a run where torch has to compute on a GPU; a process as well.
    ask_torch: Callable[[], TorchFacts] = ask_torch

    def precisions(self) -> list[str]:
        """Every precision that some backend offers."""
        offered = [precision for backend in self.backends.values() for precision in backend.precisions]
        return list(dict.fromkeys(offered))
