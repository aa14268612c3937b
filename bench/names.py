"""The words a plan may use, looked up where they are defined; none of it imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..devices.profile import DeviceProfile, list_profiles
from ..models.spec import ModelSpec
from ..models.zoo import UnknownModelError, find_model
from .backends import Backend, list_backends
from .complaints import nearest

if TYPE_CHECKING:
    from .config import PlanTable


def _backends() -> dict[str, Backend]:
    return {backend.name: backend for backend in list_backends()}


def _devices() -> dict[str, DeviceProfile]:
    return {profile.name: profile for profile in list_profiles()}


@dataclass(frozen=True)
class Names:
    """Where names are looked up. Tests put their own tiny zoo here."""

    find_model: Callable[[str], ModelSpec] = find_model
    backends: Mapping[str, Backend] = field(default_factory=_backends)
    devices: Mapping[str, DeviceProfile] = field(default_factory=_devices)

    def resolve(self, plan: PlanTable) -> tuple[PlanTable, list[tuple[str, str]]]:
        """The plan with every model under its own name, and what is unknown as (key, message) pairs."""
        wrong: list[tuple[str, str]] = []
        models = []
        for name in plan.models:
            found = self._model(name)
            if isinstance(found, str):
                wrong.append(("plan.models", found))
            else:
                models.append(found.name)
        for key, words, allowed in (
            ("plan.devices", plan.devices, list(self.devices)),
            ("plan.backends", plan.backends, list(self.backends)),
            ("plan.precisions", plan.precisions, self.precisions()),
        ):
            wrong += [(key, f"{word}: {nearest(word, allowed)}") for word in words if word not in allowed]
        return plan.model_copy(update={"models": tuple(models)}), wrong

    def _model(self, name: str) -> ModelSpec | str:
        """The network, or what to tell people where there is none."""
        try:
            return self.find_model(name)
        except UnknownModelError as error:
            return str(error)

    def precisions(self) -> list[str]:
        """Every precision that some backend offers."""
        offered = [precision for backend in self.backends.values() for precision in backend.precisions]
        return list(dict.fromkeys(offered))
