"""The parent: plan, then rounds of fresh processes, one for each case, one durable line for each result."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ...devices.cgroup import oom_kills
from ...devices.doctor.checks import torch_on
from ...devices.host import read_host
from ...devices.profile import DeviceProfile
from ..errors import INTERRUPTED, NOT_HERE, NOTHING, TERMINATED, UserError
from ..measure.job import Event, Job, Place, job_line
from ..measure.video import check_video, sha256
from ..plan.catalog import Names
from ..plan.config import Config
from ..plan.custom_models import same_code
from ..plan.locate import check_here, check_local
from ..plan.plan import Plan, PlanFacts, Search, Turn
from ..plan.plan import plan as cross
from ..plan.weights import find_weights, same_weights
from ..record.case import Case, WeightsFile
from ..record.environment import Checkout, read_checkout
from ..record.openmp import waiting
from ..record.record import BatchSearch, BatchTrial, Record, Settings
from ..record.store import append_record, check_writable, mark_run, newest_run, read_records, records_file
from ..stats.batch import batches
from .boards.boards import Away, Boards, check_any, meet
from .child import run_child
from .outcome import diagnose, to_record
from .progress import Progress, Silent
from .rounds import Aim, aim_of, aim_text, runs_of_each
from .session import AfterRound, Hints, Refusal, Session, Tools
from .stop import Stop

WORKER = (sys.executable, "-m", "co3d_bench.bench.measure.worker")
BOARD_WORKER = (sys.executable, "-m", "co3d_bench.bench.run.boards.worker")
# For a case that runs on a board, besides its own time: to write and copy the network, and to wait for a lost board.
BOARD_EXTRA_S = 3600.0


class Interrupted(UserError):
    """Stopped by a signal. `records` holds what is finished; it is in the store as well. How many are missing is only
    known (not None) where a number of processes was asked for."""

    def __init__(self, number: int, records: list[Record], missing: int | None) -> None:
        name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        of = "" if missing is None else f" of {len(records) + missing}"
        super().__init__(
            f"stopped by {name}: {len(records)}{of} measurements are finished and kept; "
            "the same command with --resume does the rest",
            INTERRUPTED if number == signal.SIGINT else TERMINATED,
        )
        self.records = records


class Unfinished(UserError):
    """Boards are away; the other devices are done. `records` holds what is finished, which is in the store too."""

    def __init__(self, away: Sequence[str], records: list[Record], missing: int) -> None:
        count = f"{missing} measurement{'s are' if missing != 1 else ' is'} missing, " if missing else ""
        lines = (*dict.fromkeys(away), f"{count}{len(records)} kept; the same command with --resume does the rest")
        super().__init__("\n".join(lines), NOT_HERE)
        self.records = records


@dataclass(frozen=True)
class Before:
    """A run: its id, and the records it already has with these settings and weights, failed ones included."""

    run_id: str
    records: dict[Turn, Record]

    def kept(self, retry_failed: bool) -> list[Record]:
        """Those that are not measured again, in the order of time."""
        return [record for record in self.records.values() if record.ok or not retry_failed]

    def chosen(self, case: Case, others: Sequence[str]) -> Case:
        """The case with the engine that took its place before, if one did."""
        alike = (case, *(case.model_copy(update={"backend": other}) for other in others))
        measured = [turn.case for turn in self.records]
        return next((each for each in alike if each in measured), case)

    def found(self, search: Search) -> BatchSearch | None:
        """What a search found, where a case that it gave has a record."""
        for turn, record in self.records.items():
            if record.batch_search and turn.case.model_copy(update={"batch": 1}) == search.case:
                return record.batch_search
        return None


def look_around(config: Config) -> PlanFacts:
    """The facts a plan needs, read from this machine and from the boards of the plan. Raises UserError for a video
    that is none, and where every device is a board that is not reached."""
    video = config.input.file
    if video is not None:
        check_video(Path(video))
    boards, away = meet(config.plan.devices, config.profiles)
    check_any(config.plan.devices, away)
    return PlanFacts(
        auto_threads=read_host().usable_cores,
        video_sha256=sha256(Path(video)) if video is not None else None,
        boards=boards,
        away=away,
    )


def make_plan(config: Config, names: Names | None = None, *, boards: bool = False) -> Plan:
    """The plan of a config on this machine; with `boards` also on those of its devices that are at a host.

    Raises UserError where it holds no case, or a device is not here.
    """
    names = names or Names()
    check_here(config.plan.devices, config.profiles, names)
    if not boards:
        check_local(config.plan.devices, config.profiles)
    planned = cross(config, look_around(config), names)
    if not (planned.cases or planned.searches):
        reasons = "; ".join(f"{out.what}: {out.why}" for out in planned.left_out)
        raise UserError(f"the plan holds no case ({reasons})", NOTHING)
    return planned


@dataclass(frozen=True)
class Parent:
    """What all processes of a run have in common, and how one is started."""

    config: Config
    names: Names
    settings: Settings
    weights: Mapping[str, WeightsFile]
    checkout: Checkout
    before: Before
    workers: tuple[Sequence[str], Sequence[str]]  # of this machine, and for boards
    stop: Stop
    progress: Progress

    def measure(self, turn: Turn, hints: Hints, place: Place | None, may_refuse: bool) -> Record | Refusal | None:
        """One process; None if it was stopped."""
        told = {
            "counters": hints.counters,
            "operations": hints.operations,
            "verified": hints.verified,
            "energy": hints.energy,
            "energy_later": self.config.run.energy and not hints.energy,
        }
        job = self.job(turn, place).model_copy(update=told)
        return _measure(job, self.names, self.workers[place is not None], self.stop, self.progress, may_refuse)

    def job(self, turn: Turn, place: Place | None = None) -> Job:
        config, case = self.config, turn.case
        return Job(
            run_id=self.before.run_id,
            case=case,
            process=turn.process,
            settings=self.settings,
            own=config.own.get(case.model),
            weights=self.weights.get(case.model),
            torch_device=config.profiles[case.device].torch_device,
            device=config.profiles[case.device],
            video=str(Path(config.input.file).absolute()) if config.input.file else None,
            place=place,
            git_commit=self.checkout.commit,
            git_dirty=self.checkout.dirty,
            parent_pid=os.getpid(),
        )

    def find_cases(self, plan: Plan) -> dict[Case, BatchSearch | None]:
        """The cases of a plan, each with the search that found its batch; Interrupted if it was stopped meanwhile."""
        found = dict.fromkeys(self.before.chosen(case, plan.instead.get(case, ())) for case in plan.cases)
        cases: dict[Case, BatchSearch | None] = {**found}
        for search in plan.searches:
            batch = self.before.found(search)
            if batch is None:
                self.progress.searching(search)
                job = self.job(Turn(search.case)).model_copy(update={"search": True})
                batch = _search(job, self.workers[0], self.stop, self.progress)
            if batch is None:
                self.progress.end()
                raise Interrupted(self.stop.signal or signal.SIGINT, [], len(plan.cases) + len(plan.searches))
            self.progress.found(search, batch)
            cases.update(dict.fromkeys(search.cases(batches(batch)), batch))
        return cases


def run(
    config: Config,
    *,
    plan: Plan | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    names: Names | None = None,
    progress: Progress | None = None,
    after_round: AfterRound = lambda number, records: None,
    worker: Sequence[str] = WORKER,
    board_worker: Sequence[str] = BOARD_WORKER,
    clock: Callable[[], float] = time.monotonic,
) -> list[Record]:
    """Measure every case of the config's plan (or of `plan`), round after round; returns their records in the order of
    time.

    A case that fails gives a record with `error` and the rest goes on. Each record is on the disk before the next
    process starts. How many rounds there are says `rounds.py`; `after_round` is called behind each with all records,
    and once more where a signal ended one. With `resume`, the store's newest run is continued: processes that have a
    record there with the same settings and weights are not run again (failed ones only with `retry_failed`), nor is a
    search for batches of which a case has a record.

    A device at a host is reached over ssh; one that is lost does not end the others.

    Raises UserError if nothing could be started, Interrupted on Ctrl-C and SIGTERM, Unfinished where boards are away.
    """
    begun = clock()
    names = names or Names()
    progress = progress or Silent()
    settings, aim = settings_of(config), aim_of_run(config)
    plan = plan or make_plan(config, names, boards=True)
    check_ready(plan, names, config.profiles)
    weights = find_weights(config, names)
    before = _before(config, settings, weights, resume)
    check_writable(config.run.out)
    mark_run(config.run.out, before.run_id)
    with Stop() as stop, Boards(config.profiles, before.run_id, progress.away) as boards:
        workers = (worker, board_worker)
        parent = Parent(config, names, settings, weights, read_checkout(), before, workers, stop, progress)
        cases = parent.find_cases(plan)
        kept = [record for record in before.kept(retry_failed) if record.case in cases]
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
        progress.begin(before.run_id, tuple(cases), aim_text(aim), len(kept))
        session.run()
        signalled = stop.signal
    return _ended(session, signalled, (*plan.away.values(), *boards.lost.values()))


def _ended(session: Session, signalled: int | None, away: Sequence[str]) -> list[Record]:
    """The records of a run that did all it could, else Interrupted or Unfinished."""
    missing = session.missing()
    if signalled and (missing or session.next_round() or session.energy_turns()):
        raise Interrupted(signalled, session.records, None if session.aim.open else missing)
    if away:
        raise Unfinished(away, session.records, missing)
    return session.records


def _tools(
    parent: Parent,
    boards: Boards,
    searches: Mapping[Case, BatchSearch | None],
    instead: Mapping[Case, Sequence[str]],
    after_round: AfterRound,
    clock: Callable[[], float],
) -> Tools:
    """What a session does to the world: processes, boards, the disk."""
    chosen = [case.model_copy(update={"backend": name}) for case, names in instead.items() for name in names]

    def measure(turn: Turn, hints: Hints) -> Record | Refusal | None:
        may_refuse = turn.process == 1 and (turn.case in instead or turn.case in chosen)
        return parent.measure(turn, hints, boards.place(turn.case.device), may_refuse)

    def keep(before: Sequence[Record], record: Record) -> Record:
        batch = searches.get(record.case)
        record = record.model_copy(update={"batch_search": batch}) if batch else record
        _keep(parent.config.run.out, before, record)
        return record

    return Tools(
        measure=measure,
        keep=keep,
        settle=boards.settle,
        lose=boards.lose,
        stopped=lambda: bool(parent.stop.signal),
        usable=lambda name: parent.names.backends[name].missing() is None,
        after_round=after_round,
        clock=clock,
    )


def _instead(plan: Plan, cases: Sequence[Case]) -> dict[Case, Sequence[str]]:
    """Of each case whose engine `auto` chose, what may take its place: also of those that a search gave, and of those
    in which another engine took its place before."""
    found: dict[Case, Sequence[str]] = {}
    for planned, others in plan.instead.items():
        engines = (planned.backend, *others)
        for case in cases:
            like = case.model_copy(update={"batch": planned.batch, "backend": planned.backend})
            if like == planned and case.backend in engines:
                found[case] = engines[engines.index(case.backend) + 1 :]
    return found


def aim_of_run(config: Config) -> Aim:
    """When the rounds of a run end."""
    return aim_of(config.run.processes, config.run.target_precision, config.run.time_s)


def settings_of(config: Config) -> Settings:
    """What each process is asked for: its share of the case's predictions."""
    asked = config.run
    processes = aim_of_run(config).processes
    return Settings(
        runs=runs_of_each(asked.runs, processes),
        timeout_s=asked.timeout_s,
        target_precision=asked.target_precision,
        min_s=asked.min_s,
        processes=processes,
    )


def check_ready(plan: Plan, names: Names, profiles: Mapping[str, DeviceProfile]) -> None:
    """Raises UserError where an engine of the plan, or torch on one of its devices, cannot be used here; it says what
    to install."""
    if lines := missing_backends(plan, names):
        raise UserError("\n".join((*lines, "nothing was run; install it, or leave the backend out")), NOTHING)
    if lines := _blind_torch(plan, names, profiles):
        raise UserError("\n".join((*lines, "nothing was run")), NOTHING)


def _blind_torch(plan: Plan, names: Names, profiles: Mapping[str, DeviceProfile]) -> tuple[str, ...]:
    """Each device of this machine that the installed torch cannot compute on, with why; a line each."""
    cases = [case for case in _local(plan) if names.backends[case.backend].outside is None]
    wanted = [profiles[name] for name in dict.fromkeys(case.device for case in cases)]
    wanted = [profile for profile in wanted if profile.torch_device != "cpu"]
    facts = names.ask_torch() if wanted else None
    found = ((profile, torch_on(facts, profile)) for profile in wanted if facts)
    return tuple(
        f"device {profile.name}: {bad.what}; {bad.effect}; {bad.mend}" for profile, bad in found if bad.state == "bad"
    )


def _local(plan: Plan) -> list[Case]:
    """The cases that run on this machine, those of searches among them."""
    cases = (*plan.cases, *(search.case for search in plan.searches))
    return [case for case in cases if case.device not in plan.at_host]


def missing_backends(plan: Plan, names: Names) -> tuple[str, ...]:
    """Each engine of the plan that cannot be used here, with why and how to install it; a line each."""
    wanted = dict.fromkeys(case.backend for case in _local(plan))
    return tuple(f"backend {name}: {why}" for name in wanted if (why := names.backends[name].missing()))


def _keep(out: str, before: Sequence[Record], record: Record) -> None:
    """Put a record on the disk; those before it as well, if somebody removed the file while we measured."""
    missing = () if records_file(out).exists() else before
    for each in (*missing, record):
        append_record(out, each)


def _before(config: Config, settings: Settings, weights: dict[str, WeightsFile], resume: bool) -> Before:
    if not resume:
        return Before(_new_run_id(), {})
    out = config.run.out
    run_id = newest_run(out)
    if run_id is None:
        raise UserError(f"nothing to resume: no run in {out}; leave --resume away to start one", NOTHING)
    done: dict[Turn, Record] = {}
    if records_file(out).exists():
        for record in read_records(out):  # oldest first, so that the newest of a retried case stays
            same = _alike(record.settings, settings) and same_weights(record, weights.get(record.case.model))
            if record.run_id == run_id and same:
                done[Turn(record.case, record.process)] = record
    return Before(
        run_id, {turn: record for turn, record in done.items() if same_code(record, config.own.get(turn.case.model))}
    )


def _alike(first: Settings, second: Settings) -> bool:
    """Whether processes are asked for the same. How many there are to be, and how well the case is to be known, is not
    asked of them: a run may be resumed to go on further."""
    aside = {"target_precision": None, "processes": 1}
    return first.model_copy(update=aside) == second.model_copy(update=aside)


def _new_run_id() -> str:
    """Sorts by time; the random end tells two runs of one second apart."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def _measure(
    job: Job, names: Names, worker: Sequence[str], stop: Stop, progress: Progress, may_refuse: bool
) -> Record | Refusal | None:
    """One case in a fresh process; None if we were told to stop. Raises Away where its board is lost.

    An engine that nobody asked for by name `may_refuse` a network, with whatever exception; of others that is a failed
    case. A crash or a wrong answer is one in any case.
    """
    begin = time.monotonic()
    killed_before = oom_kills()
    outcome = run_child(
        worker,
        job_line(job),
        job.settings.timeout_s + (BOARD_EXTRA_S if job.place else 0.0),
        stop=stop,
        on_event=progress.event,
        environment=child_environment(job.case.threads if job.place is None else read_host().usable_cores),
    )
    if outcome.final and outcome.final.event == "lost":
        raise Away(f"{job.case.device} is lost: {outcome.final.phase}")
    if outcome.stopped and (outcome.final is None or outcome.final.record is None):
        return None
    failure = outcome.final.failure if outcome.final else None
    if may_refuse and failure and failure.kind == "exception":
        return Refusal(failure.message)
    duration_s = time.monotonic() - begin
    spec = job.own.spec() if job.own else names.find_model(job.case.model)
    return to_record(job, spec, outcome, oom_kills() - killed_before, duration_s)


def _search(job: Job, worker: Sequence[str], stop: Stop, progress: Progress) -> BatchSearch | None:
    """The batches of one case, in a fresh process; None if we were told to stop. A search that falls over ends there:
    what it tried before holds, and where that is nothing, the case at batch 1 will say what is wrong."""
    trials: list[BatchTrial] = []

    def on_event(event: Event) -> None:
        if event.trial:
            trials.append(event.trial)
        progress.event(event)

    killed_before = oom_kills()
    outcome = run_child(
        worker,
        job_line(job),
        job.settings.timeout_s,
        stop=stop,
        on_event=on_event,
        environment=child_environment(job.case.threads),
    )
    if outcome.final and outcome.final.search:
        return outcome.final.search
    if outcome.stopped:
        return None
    failure = outcome.final.failure if outcome.final else None
    failure = failure or diagnose(outcome, job.settings.timeout_s, oom_kills() - killed_before)
    tried = 2 * trials[-1].batch if trials else 1
    return BatchSearch(trials=tuple(trials), stopped=f"{tried} failed ({failure.kind}): {failure.message}")


def child_environment(threads: int) -> dict[str, str]:
    """Thread pools are sized when their libraries load, so this must stand before the process starts."""
    return {**thread_environment(threads), **waiting(os.environ)}


def thread_environment(threads: int) -> dict[str, str]:
    """The same without how they wait: on a board it is the board's own environment that may say so."""
    count = str(threads)
    return {
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
        # A file of the current folder that is called like a library must not be imported in its place.
        "PYTHONSAFEPATH": "1",
    }
