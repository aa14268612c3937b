"""The words a plan may use, looked up where they are defined; none of it imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...devices.doctor import TorchFacts
from ...devices.profile import DeviceProfile, list_profiles
from ...devices.recognise import Seen
from ...devices.seen import look
from ...models.spec import ModelSpec
from ...models.suites import SUITES, Suite
from ...models.zoo import find_model
from ..backends import Backend, list_backends
from .custom_models import OwnModel, ask, is_own
from .torch_facts import ask_torch


def _backends() -> dict[str, Backend]:
    return {backend.name: backend for backend in list_backends()}


def _devices() -> dict[str, DeviceProfile]:
    return {profile.name: profile for profile in list_profiles()}


@dataclass(frozen=True)
class Names:
    """Where names are looked up. Tests put their own tiny zoo here."""

    find_model: Callable[[str], ModelSpec] = find_model
    is_own: Callable[[str], bool] = is_own  # whether `ask_own` answers for a word, and not `find_model`
    ask_own: Callable[[str, Path], OwnModel] = ask
    suites: Mapping[str, Suite] = field(default_factory=lambda: SUITES)
    backends: Mapping[str, Backend] = field(default_factory=_backends)
    devices: Mapping[str, DeviceProfile] = field(default_factory=_devices)
    look: Callable[[], Seen] = look  # at this machine, where a device has to be recognised
    ask_torch: Callable[[], TorchFacts] = ask_torch  # whether it can use the device, where that is not the CPU

    def precisions(self) -> list[str]:
        """Every precision that some backend offers."""
        offered = [precision for backend in self.backends.values() for precision in backend.precisions]
        return list(dict.fromkeys(offered))
