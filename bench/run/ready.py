"""Before a run: its plan on this machine and its boards, its settings, and whether everything it needs is installed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...devices.doctor.checks import torch_on
from ...devices.host import read_host
from ..errors import NOTHING, UserError
from ..measure.video import check_video, sha256
from ..plan.catalog import Catalog
from ..plan.config import Config
from ..plan.locate import check_local
from ..plan.plan import Plan, PlanFacts
from ..plan.plan import plan as cross
from ..plan.resolve import Resolved
from ..record.case import Case
from ..record.record import Settings
from ..record.store import newest_run
from .boards.boards import check_some_left, reach_boards
from .rounds import Aim, aim_of, runs_of_each


def read_plan_facts(config: Resolved) -> PlanFacts:
    """The facts a plan needs, read from this machine and from the boards of the plan. Raises UserError for a file that
    is not a video, and where no device of the plan is reached."""
    here = local_facts(config)
    away = any(config.profiles[name].host for name in config.plan.devices)
    run_id = newest_run(config.run.out) if away else None
    boards, unavailable = reach_boards(config.plan.devices, config.profiles, run_id)
    check_some_left(config.plan.devices, unavailable)
    return replace(here, boards=boards, unavailable=unavailable)


def local_facts(config: Resolved) -> PlanFacts:
    """The facts of this machine alone. Raises UserError for a file that is not a video."""
    video = config.input.file
    if video is not None:
        check_video(Path(video))
    return PlanFacts(
        auto_threads=read_host().usable_cores,
        video_sha256=sha256(Path(video)) if video is not None else None,
    )


def make_plan(config: Resolved, *, boards: bool = False) -> Plan:
    """The plan of a config on this machine; with `boards` also on its devices at a host.

    Raises UserError where it has no case, or where a device is at a host without `boards`.
    """
    if not boards:
        check_local(config.plan.devices, config.profiles)
    return plan_of(config, read_plan_facts(config))


def plan_of(config: Resolved, facts: PlanFacts) -> Plan:
    """The plan of a config by these facts. Raises UserError where it has no case."""
    planned = cross(config, facts)
    if not (planned.cases or planned.searches):
        reasons = "; ".join(f"{out.what}: {out.why}" for out in planned.left_out)
        raise UserError(f"the plan holds no case ({reasons})", NOTHING)
    return planned


def aim_of_run(config: Config) -> Aim:
    """When the rounds of a run end."""
    return aim_of(config.run.processes, config.run.target_precision, config.run.time_s)


def settings_of(config: Config) -> Settings:
    """The settings of each process: among others its share of the case's predictions."""
    asked = config.run
    processes = aim_of_run(config).processes
    return Settings(
        runs=runs_of_each(asked.runs, processes),
        timeout_s=asked.timeout_s,
        target_precision=asked.target_precision,
        min_s=asked.min_s,
        processes=processes,
    )


def check_ready(plan: Plan, catalog: Catalog) -> None:
    """Raises UserError, with what to install, where an engine of the plan, or torch on one of its devices, cannot be
    used here."""
    if lines := missing_backends(plan, catalog):
        raise UserError("\n".join((*lines, "nothing was run; install it, or leave the backend out")), NOTHING)
    if lines := _torch_refusals(plan, catalog):
        raise UserError("\n".join((*lines, "nothing was run")), NOTHING)


def _torch_refusals(plan: Plan, catalog: Catalog) -> tuple[str, ...]:
    """A line for each device of this machine that the installed torch cannot compute on, with why."""
    cases = [case for case in _local_cases(plan) if catalog.backends[case.backend].external is None]
    wanted = [catalog.devices[name] for name in dict.fromkeys(case.device for case in cases)]
    wanted = [profile for profile in wanted if profile.torch_device != "cpu"]
    facts = catalog.ask_torch() if wanted else None
    checks = ((profile, torch_on(facts, profile)) for profile in wanted if facts)
    return tuple(
        f"device {profile.name}: {bad.what}; {bad.effect}; {bad.fix}" for profile, bad in checks if bad.state == "bad"
    )


def _local_cases(plan: Plan) -> list[Case]:
    """The cases that run on this machine, those of searches among them."""
    cases = (*plan.cases, *(search.case for search in plan.searches))
    return [case for case in cases if case.device not in plan.at_host]


def missing_backends(plan: Plan, catalog: Catalog) -> tuple[str, ...]:
    """A line for each engine of the plan that cannot be used here, with why and how to install it."""
    wanted = dict.fromkeys(case.backend for case in _local_cases(plan))
    return tuple(f"backend {name}: {why}" for name in wanted if (why := catalog.backends[name].missing()))
