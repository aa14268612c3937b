"""The boards of a fleet, and the device kinds that each of them is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...devices.profile import DeviceProfile
from ..errors import USAGE, UserError
from ..plan.config import Config


@dataclass(frozen=True)
class FleetBoard:
    """One board: its device in bench.toml, where ssh reaches it, and the devices whose cases it may take: itself, and
    all that it extends."""

    name: str
    host: str
    kinds: tuple[str, ...]

    @property
    def resource(self) -> str:
        """What a task asks of dask to run for this board, and for no other."""
        return f"board:{self.name}"

    @property
    def resources(self) -> dict[str, float]:
        """What the worker of this board offers: the board itself and its kinds, each once."""
        return {self.resource: 1, **dict.fromkeys(self.kinds, 1)}


def boards_of(config: Config) -> tuple[FleetBoard, ...]:
    """The boards of `fleet.boards`, by default every device of bench.toml that has a host. Raises UserError."""
    profiles = config.catalog.devices
    names = config.fleet.boards or tuple(profile.name for profile in profiles.values() if profile.host)
    where = config.origin.where("fleet.boards")
    if not names:
        raise UserError(
            f"{where}: there is no board: no device of {config.source} has a host\n"
            "  put each board into bench.toml, like this:\n"
            '      [devices.lab-1]\n      extends = "xavier"\n      host = "user@lab-1"',
            USAGE,
        )
    without = [name for name in names if not profiles[name].host]
    if without:
        raise UserError(f"{where}: {', '.join(without)}: no host is set for it in [devices.{without[0]}]", USAGE)
    boards = tuple(FleetBoard(name, profiles[name].host or "", kinds_of(name, profiles)) for name in names)
    hosts: dict[str, str] = {}
    for board in boards:
        if (other := hosts.setdefault(board.host, board.name)) != board.name:
            raise UserError(f"{where}: {other} and {board.name} are both at {board.host}: one board, one name", USAGE)
    return boards


def kinds_of(name: str, profiles: Mapping[str, DeviceProfile]) -> tuple[str, ...]:
    """A device and all that it extends, itself first."""
    kinds = [name]
    while (extends := profiles[kinds[-1]].extends) and extends not in kinds:
        kinds.append(extends)
    return tuple(kinds)
