"""Before a fleet measures: its config, which boards are there, and its plan; each case has a board, or is named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...devices.profile import AUTO, DeviceProfile
from ..errors import NOT_HERE, UserError
from ..plan.catalog import Catalog
from ..plan.config import Config, Override, read_config
from ..plan.plan import BoardFacts, Plan
from ..plan.resolve import Resolved, resolve
from ..run.ready import local_facts, plan_of
from .boards import FleetBoard, boards_of
from .matching import boards_for, device_facts, kinds_at_boards


@dataclass(frozen=True)
class FleetPlan:
    """The boards of a run, those that were reached, why the others were not, and what is measured."""

    boards: tuple[FleetBoard, ...]
    reached: Mapping[str, BoardFacts]
    away: Mapping[str, str]
    plan: Plan

    @property
    def here(self) -> Plan:
        """The part of this machine."""
        at_boards = self.plan.at_host
        return replace(
            self.plan,
            cases=tuple(case for case in self.plan.cases if case.device not in at_boards),
            unavailable={},
            at_host=frozenset(),
        )


def load_fleet_config(
    path: Path | None = None, overrides: Mapping[str, Override] | None = None, catalog: Catalog | None = None
) -> Resolved:
    """A bench.toml (see `read_config`), of which devices may be at boards. Raises UserError."""
    return fleet_config(read_config(path, overrides, catalog))


def fleet_config(config: Config) -> Resolved:
    """A config resolved against this machine and its boards. Raises UserError."""
    elsewhere, profiles = devices_at_boards(config), config.catalog.devices
    others = [name for name in config.plan.devices if name != AUTO and profiles[name].host and name not in elsewhere]
    if others:
        where = config.origin.where("plan.devices")
        raise UserError(f"{where}: {', '.join(others)}: has a host, but is none of the boards of fleet.boards")
    return resolve(config, elsewhere=elsewhere)


def devices_at_boards(config: Config) -> frozenset[str]:
    """The devices whose cases go to boards. A profile that fits any machine is this one."""
    here = (name for name, profile in config.catalog.devices.items() if _generic(profile))
    return kinds_at_boards(boards_of(config), here)


def _generic(profile: DeviceProfile) -> bool:
    return profile.recognise.any_machine and profile.extends is None


def make_fleet_plan(
    config: Resolved, boards: tuple[FleetBoard, ...], reached: Mapping[str, BoardFacts], away: Mapping[str, str]
) -> FleetPlan:
    """The plan of a fleet. Raises UserError where it has no case, or where no device of it is left."""
    wanted = [device for device in config.plan.devices if device in devices_at_boards(config)]
    known = {device: facts for device in wanted if (facts := device_facts(device, boards, reached))}
    unavailable = {
        device: _no_board(device, config, boards_for(device, boards), away) for device in wanted if device not in known
    }
    if unavailable and set(config.plan.devices) <= unavailable.keys():
        raise UserError("\n".join((*unavailable.values(), "nothing was run")), NOT_HERE)
    there = replace(local_facts(config), boards=known, unavailable=unavailable)
    return FleetPlan(boards, reached, away, plan_of(config, there))


def _no_board(device: str, config: Resolved, boards: Iterable[FleetBoard], away: Mapping[str, str]) -> str:
    """Why no case of a device can be measured, and which those are."""
    reasons = [away[board.name] for board in boards if board.name in away]
    cases = ", ".join(config.plan.models)
    return "\n".join(
        (f"device {device}: no board of it is reached, so these networks are not measured on it: {cases}", *reasons)
    )
