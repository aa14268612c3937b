"""A fleet from its plan to its last record: first the boards, many at once, then this machine, one case at a time.

Raises what `bench/run` raises, so that a fleet ends for people as a run does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..plan.plan import BoardFacts
from ..plan.resolve import Resolved
from ..plan.weights import find_weights
from ..record.record import Record
from ..record.store import check_writable, mark_run, newest_run
from ..run.progress import Progress
from ..run.ready import check_ready, settings_of
from ..run.resume import open_run
from ..run.run import WORKER, run
from ..run.stop import Interrupted, Stop, Unfinished
from .boards import FleetBoard
from .host import Host, probe_on, result_of, workers_there
from .lock import only_host
from .ready import FleetPlan
from .show import FleetProgress, Unseen

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class Asked:
    """How a fleet runs, beside its config."""

    resume: bool = False
    retry_failed: bool = False
    progress: FleetProgress = field(default_factory=Unseen)
    here: Progress | None = None  # of the cases of this machine
    after_case: Callable[[Sequence[Record]], None] = lambda records: None
    worker: Sequence[str] = tuple(WORKER)
    board_worker: Sequence[str] | None = None


def reach(
    client: Client, boards: Iterable[FleetBoard], config: Resolved
) -> tuple[dict[str, BoardFacts], dict[str, str]]:
    """What each board is, or why it is not reached; each is asked by its own worker. What runs there of the newest run
    is ours: its host was killed."""
    run_id = newest_run(config.run.out)
    present, boards = workers_there(client), tuple(boards)
    missing = "no worker offers it; start `co3d-bench fleet worker --boards FILE` on a host that reaches it"
    away = {board.name: f"{board.name}: {missing}" for board in boards if board.resource not in present}
    asked = {board.name: probe_on(client, board, config, run_id) for board in boards if board.name not in away}
    reached: dict[str, BoardFacts] = {}
    for name, future in asked.items():
        found = result_of(future)
        if isinstance(found, BoardFacts):
            reached[name] = found
        else:
            away[name] = str(found)
    return reached, away


def run_fleet(client: Client, fleet: FleetPlan, config: Resolved, asked: Asked) -> list[Record]:
    """Measure the cases of a fleet; returns their records, those of a resumed run first.

    Raises UserError if nothing could be started, Interrupted on Ctrl-C and SIGTERM, Unfinished where boards are
    missing.
    """
    check_ready(fleet.plan, config.catalog)
    check_writable(config.run.out)
    with only_host(config.run.out):
        weights = find_weights(config)
        earlier = open_run(config, settings_of(config), weights, asked.resume)
        mark_run(config.run.out, earlier.run_id)
        kept = [record for record in earlier.kept(asked.retry_failed) if record.case.device in fleet.plan.at_host]
        with Stop() as stop:
            host = Host(client, fleet, config, kept, earlier.run_id, stop)
            host.use(weights, asked.board_worker, asked.progress, asked.after_case)
            lines = [*host.run(), *fleet.plan.unavailable.values()]
        here = fleet.here.cases or fleet.here.searches
        if stop.signal and (host.missing() or host.shelf.waiting or here):
            raise Interrupted(stop.signal, host.records, None if host.aim.open or here else host.missing())
        records = [*host.records, *_run_here(config, fleet, asked, host.records)]
    if lines:
        raise Unfinished(lines, records, host.missing())
    return records


def _run_here(config: Resolved, fleet: FleetPlan, asked: Asked, before: list[Record]) -> list[Record]:
    """The cases of this machine, as `run` measures them; the boards are done, so nothing else is at work."""
    here = fleet.here
    if not (here.cases or here.searches):
        return []
    try:
        return run(
            config,
            plan=here,
            resume=True,
            retry_failed=asked.retry_failed,
            progress=asked.here,
            after_round=lambda number, records: asked.after_case([*before, *records]),
            worker=asked.worker,
        )
    except Interrupted as error:
        error.records[:0] = before
        raise
