"""`run --fleet`: the boards reached at once, their cases measured many at a time, and what a person sees of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..bench.errors import OK
from .plan import show_plan

if TYPE_CHECKING:
    from ..bench.fleet.security import SchedulerAddress
    from ..bench.record.record import Record
    from .options import Given
    from .run import Shown

# A page of many records takes a second to write.
PAGE_EVERY_S = 60.0


@dataclass(frozen=True)
class Wanted:
    """What `run` was asked for."""

    dry_run: bool
    resume: bool
    retry_failed: bool
    dashboard: bool
    scheduler: SchedulerAddress | None = None  # elsewhere; None: beside us
    bundled: Path | None = None


def run_on_boards(given: Given, wanted: Wanted) -> int:
    """Measure on the boards of a fleet, or show its plan. Returns the exit code; raises UserError."""
    from ..bench.fleet.boards import boards_of
    from ..bench.fleet.cluster import Fleet, check_installed, dashboard_address, open_cluster
    from ..bench.fleet.film_host import check_code
    from ..bench.fleet.lock import check_only_host
    from ..bench.fleet.ready import load_fleet_config, make_fleet_plan
    from ..bench.fleet.run import Asked, reach, run_fleet
    from ..bench.fleet.security import reached_by
    from ..bench.fleet.show import Shown as ShownBoards
    from ..bench.run.progress import Lines
    from .run import measure_and_show, show_begin

    check_installed(dashboard=wanted.dashboard)
    config = given.load(load_fleet_config)
    boards = boards_of(config)
    if not wanted.dry_run:
        check_only_host(config.run.out)
    with open_cluster(Fleet(boards, wanted.dashboard), scheduler=reached_by(wanted.scheduler)) as client:
        if wanted.scheduler:
            check_code(client)
        if wanted.dashboard:
            click.echo(f"dask's dashboard, on this machine: {dashboard_address(client)}", err=True)
        plan = make_fleet_plan(config, boards, *reach(client, boards, config))
        for why in plan.plan.unavailable.values():
            click.echo(why, err=True)
        if wanted.dry_run:
            show_plan(config, plan.plan)
            return OK
        show_begin(config, plan.plan)

        def measure(shown: Shown) -> list[Record]:
            asked = Asked(
                resume=wanted.resume,
                retry_failed=wanted.retry_failed,
                progress=ShownBoards(sys.stderr),
                here=Lines(sys.stderr),
                after_case=_Page(shown).after_case,
            )
            return run_fleet(client, plan, config, asked)

        return measure_and_show(config, measure, wanted)


class _Page:
    """Renews the page every minute, from the first case on."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._next_s = 0.0

    def after_case(self, records: Sequence[Record]) -> None:
        """A case is through."""
        if records and time.monotonic() >= self._next_s:
            self._shown.write_page(records)
            self._next_s = time.monotonic() + PAGE_EVERY_S
