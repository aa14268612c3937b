"""The parent: plan, then one fresh process for each case, one durable line for each result."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ..devices.cgroup import oom_kills
from ..devices.doctor.checks import torch_on
from ..devices.host import read_host
from ..devices.profile import DeviceProfile
from .batch import batches
from .board.boards import Away, Boards, check_any, meet
from .case import Case, WeightsFile
from .child import run_child
from .config import Config
from .environment import Checkout, read_checkout
from .errors import INTERRUPTED, NOT_HERE, NOTHING, TERMINATED, UserError
from .job import Event, Job, Place, job_line
from .names import Names
from .openmp import waiting
from .outcome import diagnose, to_record
from .own import same_code
from .plan import Plan, PlanFacts, Search, Turn, turns
from .plan import plan as cross
from .processes import another, at_first, counted, most
from .progress import Progress, Silent
from .reach import check_here, check_local
from .record import BatchSearch, BatchTrial, Counters, Record, Settings
from .stop import Stop
from .store import append_record, check_writable, mark_run, newest_run, read_records, records_file
from .video import check_video, sha256
from .weights import find_weights, same_weights

WORKER = (sys.executable, "-m", "co3d_bench.bench.worker")
BOARD_WORKER = (sys.executable, "-m", "co3d_bench.bench.board.worker")
# For a case that runs on a board, besides its own time: to write and copy the network, and to wait for a lost board.
BOARD_EXTRA_S = 3600.0


class Interrupted(UserError):
    """Stopped by a signal. `records` holds what is finished; it is in the store as well."""

    def __init__(self, number: int, records: list[Record], total: int) -> None:
        name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        super().__init__(
            f"stopped by {name}: {len(records)} of {total} measurements are finished and kept; "
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

    def kept(self, turns: Sequence[Turn], retry_failed: bool) -> dict[Turn, Record]:
        """Those that are not measured again."""
        found = {turn: self.records[turn] for turn in turns if turn in self.records}
        return {turn: record for turn, record in found.items() if record.ok or not retry_failed}

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


def run(
    config: Config,
    *,
    plan: Plan | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    names: Names | None = None,
    progress: Progress | None = None,
    worker: Sequence[str] = WORKER,
    board_worker: Sequence[str] = BOARD_WORKER,
) -> list[Record]:
    """Measure every case of the config's plan (or of `plan`); returns their records in the order of `plan.turns`.

    A case that fails gives a record with `error` and the rest goes on. Each record is on the disk before the next
    process starts. Where the config's processes are "auto", `processes.py` says after each whether there is another.
    With `resume`, the store's newest run is continued: processes that have a record there with the same settings and
    weights are not run again (failed ones only with `retry_failed`), nor is a search for batches of which a case has a
    record.

    A device at a host is reached over ssh; one that is lost does not end the others.

    Raises UserError if nothing could be started, Interrupted on Ctrl-C and SIGTERM, Unfinished where boards are away.
    """
    names = names or Names()
    progress = progress or Silent()
    auto = config.run.processes == "auto"
    settings = Settings(
        **config.run.model_dump(exclude={"out", "energy", "processes"}), processes=at_first(config.run.processes)
    )
    plan = plan or make_plan(config, names, boards=True)
    check_ready(plan, names, config.profiles)
    weights = find_weights(config, names)
    before = _before(config, settings, weights, resume)
    check_writable(config.run.out)
    mark_run(config.run.out, before.run_id)
    checkout = read_checkout()
    records: list[Record] = []
    counts: dict[Case, Counters] = {}  # of this call alone: code may have changed since the run that is resumed

    def job(turn: Turn, search: bool = False, place: Place | None = None) -> Job:
        made = _job(config, before.run_id, turn, settings, weights.get(turn.case.model), checkout, search, place)
        return made.model_copy(update={"counters": counts.get(turn.case)})

    with Stop() as stop, Boards(config.profiles, before.run_id, progress.away) as boards:
        found_batches: dict[Search, BatchSearch] = {}
        for search in plan.searches:
            found = before.found(search)
            if found is None:
                progress.searching(search)
                found = _search(job(Turn(search.case), search=True), worker, stop, progress)
            if found is None:
                progress.end()
                raise Interrupted(stop.signal or signal.SIGINT, [], len(plan.cases) + len(plan.searches))
            progress.found(search, found)
            found_batches[search] = found
        cases: dict[Case, BatchSearch | None] = dict.fromkeys(plan.cases)
        for search, found in found_batches.items():
            cases.update(dict.fromkeys(search.cases(batches(found)), found))
        wanted = turns(tuple(cases), most(config.run.processes))
        done = before.kept(wanted, retry_failed)
        first = at_first(config.run.processes)
        expected, number = first * len(cases), 0
        progress.begin(before.run_id, len(cases), expected, len(done))
        for turn in wanted:
            if stop.signal:
                break
            record = done.get(turn)
            lost, extra = turn.case.device in boards.lost, turn.process > first
            if record is None and ((lost and extra) or (auto and not another(_of(turn.case, records)))):
                expected -= not extra
                continue
            expected += extra
            number += 1
            if record is None and not lost:
                progress.started(number, expected, turn.case)
                try:
                    place = boards.place(turn.case.device)
                    record = _measure(job(turn, place=place), names, board_worker if place else worker, stop, progress)
                except Away as away:
                    boards.lose(turn.case.device, str(away))
                    continue
                if record is None:
                    break
                record = record.model_copy(update={"batch_search": cases[turn.case]})
                _keep(config.run.out, records, record)
                if found_counts := counted(record):
                    counts[turn.case] = found_counts
                progress.finished(number, record)
                boards.settle(turn.case.device)
            if record is not None:
                records.append(record)
    progress.end()
    missing = expected - len(records)
    if stop.signal and missing:
        raise Interrupted(stop.signal, records, len(records) + missing)
    if plan.away or missing:
        raise Unfinished((*plan.away.values(), *boards.lost.values()), records, missing)
    return records


def _of(case: Case, records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record.case == case]


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
            same = record.settings == settings and same_weights(record, weights.get(record.case.model))
            if record.run_id == run_id and same:
                done[Turn(record.case, record.process)] = record
    return Before(
        run_id, {turn: record for turn, record in done.items() if same_code(record, config.own.get(turn.case.model))}
    )


def _new_run_id() -> str:
    """Sorts by time; the random end tells two runs of one second apart."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def _job(
    config: Config,
    run_id: str,
    turn: Turn,
    settings: Settings,
    weights: WeightsFile | None,
    checkout: Checkout,
    search: bool,
    place: Place | None,
) -> Job:
    return Job(
        run_id=run_id,
        case=turn.case,
        process=turn.process,
        settings=settings,
        search=search,
        own=config.own.get(turn.case.model),
        weights=weights,
        torch_device=config.profiles[turn.case.device].torch_device,
        device=config.profiles[turn.case.device],
        energy=config.run.energy and turn.process == 1,  # long, and of many alike one is enough
        video=str(Path(config.input.file).absolute()) if config.input.file else None,
        place=place,
        git_commit=checkout.commit,
        git_dirty=checkout.dirty,
        parent_pid=os.getpid(),
    )


def _measure(job: Job, names: Names, worker: Sequence[str], stop: Stop, progress: Progress) -> Record | None:
    """One case in a fresh process; None if we were told to stop. Raises Away where its board is lost."""
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
