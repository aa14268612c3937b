"""The process of one case that runs on a board: `python -m co3d_bench.bench.run.boards.worker`, a job in, events out.

Here the network is built, written, counted and asked for the right answers; there it is timed. It holds no connection
while it does its own part, and the board goes on if it is killed: `boards.py` ends what is left.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ....devices.remote.board import AgentError, Board, Hello
from ....devices.remote.files import HOST, MOVING, STANDING
from ....devices.remote.ssh import Ssh, Unreachable
from ....models.zoo import find_model
from ...errors import UserError
from ...measure.energy import Meter
from ...measure.job import Event, Job, Measurement, Place, phase_event
from ...measure.passes import Emit, counting_pass, load
from ...measure.worker import FindModel, serve, spec_of
from ...record.environment import Checkout, make_environment, read_versions
from ...record.facts import assumptions, model_facts
from ...record.record import Environment
from ...record.sensing import Energy
from ..child import thread_environment
from . import aten, trtexec
from .facts import seen as machine
from .facts import versions
from .heard import Heard
from .measured import Asked, Measured
from .sensed import PERIOD_S, energy_asked, energy_job, energy_seen, log_of, seen, watched

ENGINES = {"aten-json": aten, "trtexec": trtexec}
SCRIPT = "onboard.py"


def measure(job: Job, place: Place, emit: Emit, find_model: FindModel = find_model) -> Event:
    """The case's measurement, why it failed, or that the board is lost."""
    import torch

    started, begin = datetime.now(timezone.utc), time.perf_counter()
    emit(phase_event("exporting"))
    spec, engine, heard = spec_of(job, find_model), ENGINES[job.case.backend], Heard(emit)
    loaded = load(spec, job.weights)
    example = torch.zeros(job.case.batch, *spec.input_shape)
    asked = engine.ask(job, spec, loaded.net, example, Path(place.work))
    try:
        visit = _visit(job, place, asked, heard)
    except (Unreachable, AgentError) as error:
        return Event(event="lost", phase=str(error))
    if failure := heard.failure(visit.ended, job.settings.timeout_s):
        return Event(event="failed", failure=failure)
    emit(phase_event("verifying"))
    measured = asked.read(heard)
    log = log_of(heard.watched, job.device, visit.hello.snapshot) if job.device else None
    notes = (*loaded.notes, *assumptions(spec, loaded.net), *measured.notes)
    measurement = Measurement(
        started_at=started.isoformat(timespec="milliseconds"),
        duration_s=time.perf_counter() - begin,
        model=model_facts(spec, loaded.net, job.weights),
        environment=_environment(job, measured, visit.hello),
        timing=measured.timing,
        peak_rss_bytes=measured.peak_rss_bytes,
        output_sha256=measured.output_sha256,
        verification=measured.verification,
        sensors=seen(log, measured.span) if log else None,
        energy=energy_seen(log, visit.power, measured.energy_blocks) if log and measured.verification.passed else None,
        cuda=measured.cuda,
        engine=measured.engine,
        notes=notes,
    )
    emit(Event(event="measured", measurement=measurement))
    counters, uncounted = job.counters, ()
    if counters is None:
        emit(phase_event("counting"))
        runnable = engine.played(job, loaded.net, example, asked)
        counters, uncounted = counting_pass(spec, loaded.net, runnable, example)
    # Counts hold on every machine, so they are made here; the peak of allocated memory is the board's.
    counters = counters.model_copy(update={"peak_allocated_bytes": measured.peak_allocated_bytes})
    duration_s = time.perf_counter() - begin
    counted = Measurement(counters=counters, duration_s=duration_s, notes=(*notes, *uncounted))
    return Event(event="done", measurement=counted)


@dataclass(frozen=True)
class Visit:
    """What a board was when the case ran there, what its energy is taken from (or why it is not), and how it ended."""

    hello: Hello
    power: tuple[Meter, str | None] | Energy | None
    ended: dict[str, Any]


def _visit(job: Job, place: Place, asked: Asked, heard: Heard) -> Visit:
    """Have the case run on its board. Raises Unreachable, AgentError."""
    emit, profile, power = heard.emit, job.device, None
    board = Board(
        Ssh(place.host), job.run_id, place.python, on_wait=lambda text: emit(phase_event(text.replace("\n", " ")))
    )
    hello = board.again(lambda: board.hello((*HOST, *MOVING, *STANDING)))
    if profile and job.energy and job.case.backend == "aten-json":
        power = energy_asked(profile, hello.snapshot, job.settings.timeout_s)
    paths = watched(profile, hello.snapshot) if profile else []
    emit(phase_event("copying"))
    files = {key: board.put(file) for key, file in asked.files.items()}
    emit(phase_event("starting there"))
    ended = board.run(board_job(job, place, asked, files, paths, energy_job(power)), heard.take)
    return Visit(hello, power, ended)


def _environment(job: Job, measured: Measured, hello: Hello) -> Environment:
    """Of the board, but for the commit and our version."""
    told = {**measured.versions, "co3d_bench": read_versions().get("co3d_bench")}
    return make_environment(
        machine(hello).host,
        Checkout(job.git_commit, job.git_dirty),
        versions(told, hello.snapshot),
        intra_op_threads=measured.threads or job.case.threads,
        inter_op_threads=measured.inter_op_threads or 1,
        allocator=measured.allocator,
        cuda=measured.cuda,
        environ=measured.environ,
    )


def board_job(
    job: Job, place: Place, asked: Asked, files: dict[str, str], paths: list[str], energy: dict[str, Any] | None
) -> dict[str, Any]:
    """What the board is told; its name over there is made of all of it."""
    return {
        **asked.fields,
        **files,
        "script": SCRIPT,
        "case": job.case.key,
        "process": job.process,
        "torch_device": place.torch_device,
        "threads": job.case.threads,
        "settings": job.settings.model_dump(include={"runs", "min_s"}),
        "timeout_s": job.settings.timeout_s,
        "environment": thread_environment(job.case.threads),
        "watch": {"paths": paths, "period_s": PERIOD_S},
        "energy": energy,
    }


def main(find_model: FindModel = find_model) -> int:
    """Read a job and have it measured on its board."""

    def work(job: Job, emit: Emit) -> Event:
        if job.place is None:
            raise UserError(f"{job.case.key}: the job names no board")
        return measure(job, job.place, emit, find_model)

    return serve(work)


if __name__ == "__main__":
    sys.exit(main())
