"""The processes of a run: the job of each, how it is started, and its result."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ...devices.cgroup import oom_kills
from ...devices.host import read_host
from ...models.spec import ModelSpec
from ..measure.job import Answers, BoardHost, CameraJob, EvaluationJob, Event, Job, TransientJob, job_line
from ..plan.plan import CaseProcess, Plan
from ..plan.resolve import Resolved
from ..record.blobs import blobs_folder
from ..record.case import Case, WeightsFile
from ..record.environment import Checkout
from ..record.fleet import FleetFacts
from ..record.record import REFERENCE, BatchSearch, BatchTrial, Record, Settings
from ..record.store import records_file
from ..stats.batch import batches
from .boards.boards import BoardUnavailable
from .child import Outcome, child_environment, run_child
from .outcome import diagnose, to_record
from .progress import Progress
from .resume import EarlierRun
from .session import Hints, Refusal
from .stop import Interrupted, Stop

# Extra time of a case on a board: to export and copy the network, and to wait for a broken connection.
BOARD_EXTRA_S = 3600.0
FINISHING = "stopping: what was seen of this camera is kept; a second Ctrl-C ends at once, and keeps nothing of it"


@dataclass(frozen=True)
class Parent:
    """What all processes of a run have in common."""

    config: Resolved
    settings: Settings
    weights: Mapping[str, WeightsFile]
    checkout: Checkout
    earlier: EarlierRun
    workers: tuple[Sequence[str], Sequence[str]]  # of this machine, and for boards
    stop: Stop
    progress: Progress
    fleet: FleetFacts | None = None  # of the board of a fleet
    answers: dict[Case, Answers] = field(default_factory=dict)  # of the reference's cases, as far as there are any

    def measure(
        self, process: CaseProcess, hints: Hints, host: BoardHost | None, search: BatchSearch | None, may_refuse: bool
    ) -> Record | Refusal | None:
        """Run one process; None if it was stopped."""
        extra = {
            "batch_search": search,
            "counters": hints.counters,
            "operations": hints.operations,
            "verified": hints.verified,
            "answers": None if host or hints.verified else self.answers.get(reference_of(process.case)),
            "energy": hints.energy,
            "energy_later": self.config.run.energy and not hints.energy,
        }
        job = self.job(process, host).model_copy(update=extra)
        spec = self.config.spec(process.case.model)

        def on_event(event: Event) -> None:
            if event.answers:
                self.answers[process.case] = event.answers
            self.progress.event(event)

        return self._measure(job, spec, self.workers[host is not None], on_event, may_refuse)

    def _measure(
        self,
        job: Job,
        spec: ModelSpec,
        worker: Sequence[str],
        on_event: Callable[[Event], None],
        may_refuse: bool,
    ) -> Record | Refusal | None:
        """One case in a fresh process; None if it was stopped. Raises BoardUnavailable where its board is lost.

        With `may_refuse` (an engine that `auto` chose) an exception before there is a timing means that the engine
        refuses the network; otherwise the case has failed. After a crash or a wrong answer it always has.
        """
        begin = time.monotonic()
        killed_before = oom_kills()
        outcome = run_child(
            worker,
            job_line(job),
            job.settings.timeout_s + (BOARD_EXTRA_S if job.host else 0.0),
            stop=self.stop,
            on_event=on_event,
            environment=child_environment(job.case.threads if job.host is None else read_host().usable_cores),
            finishing=partial(self.progress.note, FINISHING) if job.camera else None,
        )
        if outcome.final and outcome.final.event == "lost":
            who = f"{job.device.name} is lost: " if job.host and job.device else ""
            raise BoardUnavailable(f"{who}{outcome.final.phase}")
        if outcome.stopped and not outcome.done:
            return None
        if may_refuse and (why := refusal(outcome)):
            return Refusal(why)
        duration_s = time.monotonic() - begin
        return to_record(job, spec, outcome, oom_kills() - killed_before, duration_s)

    def job(self, process: CaseProcess, host: BoardHost | None = None) -> Job:
        config, case = self.config, process.case
        return Job(
            run_id=self.earlier.run_id,
            case=case,
            process=process.number,
            settings=self.settings,
            own=config.custom.get(case.model),
            weights=self.weights.get(case.model),
            classes=config.plan.classes,
            torch_device=config.profiles[case.device].torch_device,
            device=config.profiles[case.device],
            video=str(Path(config.input.file).absolute()) if config.input.file else None,
            host=host,
            fleet=self.fleet,
            camera=camera_job(config) if case.camera else None,
            evaluation=evaluation_job(config) if case.evaluation else None,
            transient=transient_job(config) if case.transient else None,
            git_commit=self.checkout.commit,
            git_dirty=self.checkout.dirty,
        )

    def find_cases(self, plan: Plan) -> dict[Case, BatchSearch | None]:
        """The cases of a plan, each with the search that found its batch, if any. Raises Interrupted."""
        cases: dict[Case, BatchSearch | None] = {
            self.earlier.with_earlier_engine(case, plan.instead.get(case, ())): None for case in plan.cases
        }
        for search in plan.searches:
            batch = self.earlier.search_result(search)
            if batch is None:
                self.progress.searching(search)
                job = self.job(CaseProcess(search.case)).model_copy(update={"search": True})
                batch = _search(job, self.workers[0], self.stop, self.progress)
            if batch is None:
                self.progress.end()
                raise Interrupted(self.stop.signal or signal.SIGINT, [], len(plan.cases) + len(plan.searches))
            self.progress.batch_found(search, batch)
            cases.update(dict.fromkeys(search.cases(batches(batch)), batch))
        return cases


def reference_of(case: Case) -> Case:
    """The case that its answers are compared with."""
    engine, precision = REFERENCE
    return case.model_copy(update={"backend": engine, "precision": precision})


def camera_job(config: Resolved) -> CameraJob:
    """The camera of a run, for its processes."""
    camera = config.camera
    blobs = blobs_folder(config.run.out)
    return CameraJob(
        source=camera.source, duration_s=camera.duration_s, deadline_s=camera.deadline_s, blobs=str(blobs.absolute())
    )


def evaluation_job(config: Resolved) -> EvaluationJob:
    """The films of a run, for its processes."""
    given = config.evaluate
    assert given.data is not None  # noqa: S101 - `evaluation_config` has seen to it
    paths = {
        name: str(Path(path).absolute()) for name in ("data", "films", "classes") if (path := getattr(given, name))
    }
    store = records_file(config.run.out).parent
    cameras = str(Path(given.drop).absolute()) if isinstance(given.drop, str) else None
    return EvaluationJob(**paths, limit=given.limit, cameras=cameras, store=str(store.absolute()))


def transient_job(config: Resolved) -> TransientJob:
    """Where the answers of a run go, for its processes."""
    return TransientJob(store=str(records_file(config.run.out).parent.absolute()))


def refusal(outcome: Outcome) -> str | None:
    """Why an engine does not run a network. Before it was given that, something else is wrong; once it was ready it
    does, whatever came later."""
    failure = outcome.final.failure if outcome.final else None
    ready = outcome.measurement.timing or outcome.measurement.engine
    refused = failure and failure.kind == "exception" and outcome.prepared and not ready
    return failure.message if failure and refused else None


def _search(job: Job, worker: Sequence[str], stop: Stop, progress: Progress) -> BatchSearch | None:
    """The batches of one case, in a fresh process; None if it was stopped. A search that fails keeps what it tried
    before; where that is nothing, the case at batch 1 will show the error."""
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
