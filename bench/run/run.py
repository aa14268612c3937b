"""The parent: plan, then rounds of fresh processes, one for each case, one durable line for each result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ...devices.own_path import python_command
from ..plan.plan import REFERENCE_ENGINE, CaseProcess, Plan
from ..plan.resolve import Resolved
from ..plan.weights import find_weights
from ..record.case import Case
from ..record.environment import read_checkout
from ..record.record import BatchSearch, Record
from ..record.store import append_record, check_writable, mark_run, records_file
from .boards.boards import Boards
from .processes import Parent
from .progress import Progress, Silent
from .ready import aim_of_run, check_ready, make_plan, settings_of
from .resume import open_run
from .rounds import aim_text
from .session import AfterRound, Hints, Refusal, Session, Tools
from .stop import Interrupted, Stop, Unfinished

WORKER = python_command("-m", "co3d_bench.bench.measure.worker")
BOARD_WORKER = python_command("-m", "co3d_bench.bench.run.boards.worker")


def run(
    config: Resolved,
    *,
    plan: Plan | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    progress: Progress | None = None,
    after_round: AfterRound = lambda number, records: None,
    worker: Sequence[str] = WORKER,
    board_worker: Sequence[str] = BOARD_WORKER,
    clock: Callable[[], float] = time.monotonic,
) -> list[Record]:
    """Measure every case of the config's plan (or of `plan`), round after round; returns their records in the order of
    time.

    A case that fails gives a record with `error`, and the rest goes on. Each record is on the disk before the next
    process starts. `rounds.py` decides the number of rounds; `after_round` is called after each with all records, and
    once more where a signal ended one. With `resume`, the store's newest run is continued: processes that have a record
    there with the same settings and weights are not run again (failed ones only with `retry_failed`), nor are searches
    for batches.

    A device at a host is reached over ssh; if it is lost, the other devices go on.

    Raises UserError if nothing could be started, Interrupted on Ctrl-C and SIGTERM, Unfinished where boards are
    not reached.
    """
    begun = clock()
    progress = progress or Silent()
    settings, aim = settings_of(config), aim_of_run(config)
    plan = plan or make_plan(config, boards=True)
    check_ready(plan, config.catalog)
    weights = find_weights(config)
    earlier = open_run(config, settings, weights, resume)
    check_writable(config.run.out)
    mark_run(config.run.out, earlier.run_id)
    with Stop() as stop, Boards(config.profiles, earlier.run_id, progress.board_problem) as boards:
        workers = (worker, board_worker)
        parent = Parent(config, settings, weights, read_checkout(), earlier, workers, stop, progress)
        cases = parent.find_cases(plan)
        kept = [record for record in earlier.kept(retry_failed) if record.case in cases]
        instead = _instead(plan, tuple(cases))
        session = Session(
            aim=aim,
            tools=_tools(parent, boards, cases, instead, after_round, clock),
            progress=progress,
            begun=begun,
            cases=list(cases),
            instead=instead,
            records=kept,
            at_host=plan.at_host,
            wants_energy=config.run.energy,
        )
        progress.begin(earlier.run_id, tuple(cases), aim_text(aim), len(kept))
        session.run()
        signalled = stop.signal
    return _ended(session, signalled, (*plan.unavailable.values(), *boards.lost.values()))


def _ended(session: Session, signalled: int | None, unavailable: Sequence[str]) -> list[Record]:
    """The records of a finished run. Raises Interrupted, Unfinished."""
    missing = session.missing()
    if signalled and (missing or session.next_round() or session.energy_processes()):
        raise Interrupted(signalled, session.records, None if session.aim.open else missing)
    if unavailable:
        raise Unfinished(unavailable, session.records, missing)
    return session.records


def _tools(
    parent: Parent,
    boards: Boards,
    searches: Mapping[Case, BatchSearch | None],
    instead: Mapping[Case, Sequence[str]],
    after_round: AfterRound,
    clock: Callable[[], float],
) -> Tools:
    """The functions by which a session uses processes, boards and the disk."""
    chosen = [case.model_copy(update={"backend": name}) for case, names in instead.items() for name in names]

    def measure(process: CaseProcess, hints: Hints) -> Record | Refusal | None:
        replaceable = process.case in instead or process.case in chosen
        # What eager PyTorch does not run is no engine's refusal: the case has failed.
        may_refuse = process.number == 1 and replaceable and process.case.backend != REFERENCE_ENGINE
        host, search = boards.host(process.case.device), searches.get(process.case)
        return parent.measure(process, hints, host, search, may_refuse)

    return Tools(
        measure=measure,
        keep=partial(_keep, parent.config.run.out),
        remove_cases=boards.remove_cases,
        lose=boards.lose,
        stopped=lambda: bool(parent.stop.signal),
        usable=lambda name: parent.config.catalog.backends[name].missing() is None,
        after_round=after_round,
        clock=clock,
    )


def _instead(plan: Plan, cases: Sequence[Case]) -> dict[Case, Sequence[str]]:
    """The engines that may replace the engine of each case that `auto` chose; also of cases from a search, and of cases
    whose engine was replaced earlier in this run."""
    alternatives: dict[Case, Sequence[str]] = {}
    for planned, others in plan.instead.items():
        engines = (planned.backend, *others)
        for case in cases:
            like = case.model_copy(update={"batch": planned.batch, "backend": planned.backend})
            if like == planned and case.backend in engines:
                alternatives[case] = engines[engines.index(case.backend) + 1 :]
    return alternatives


def _keep(out: str, before: Sequence[Record], record: Record) -> None:
    """Append a record to the store; those before it as well, if somebody removed the file meanwhile."""
    missing = () if records_file(out).exists() else before
    for each in (*missing, record):
        append_record(out, each)
