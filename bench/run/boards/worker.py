"""The process of one case that runs on a board: `python -m co3d_bench.bench.run.boards.worker`, a job in, events out.

Here the network is built, exported, counted, and its answers verified; there it is timed. No connection is held in
between, and the board goes on if this process is killed: `boards.py` ends what is left.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .... import __version__
from ....devices.remote.board import AgentError, Board, Hello
from ....devices.remote.files import HOST, MOVING, STANDING
from ....devices.remote.ssh import Ssh, Unreachable
from ....models.zoo import find_model
from ...errors import UserError
from ...measure.answers import why_not_by_rows
from ...measure.energy import Meter
from ...measure.job import PREPARING, BoardHost, Event, Job, Measurement, phase_event
from ...measure.passes import Emit, counting_pass, load
from ...measure.worker import FindModel, serve, spec_of
from ...record.environment import Checkout, make_environment
from ...record.facts import assumptions, model_facts
from ...record.record import Environment
from ...record.sensing import Energy
from ..child import thread_environment
from . import aten, native, trtexec
from .boards import UNREADABLE
from .facts import hardware_of, versions
from .lines import BoardLines, unreadable
from .measured import Measured, Request
from .sensor_log import (
    PERIOD_S,
    Thermometer,
    block_energy,
    energy_job,
    energy_meter,
    log_of,
    sensor_paths,
    sensors_during,
)

ENGINES = {"aten-json": aten, "native": native, "trtexec": trtexec}
SCRIPT = "onboard.py"
# A case that says nothing for longer than its time and this is lost: the agent there ends it before.
SILENCE_S = 60.0


def measure(job: Job, host: BoardHost, emit: Emit, find_model: FindModel = find_model) -> Event:
    """The case's measurement, why it failed, or that the board is lost."""
    import torch

    started, begin = datetime.now(timezone.utc), time.perf_counter()
    emit(phase_event("loading"))
    spec, engine, lines = spec_of(job, find_model), ENGINES[job.case.backend], BoardLines(emit)
    loaded = load(spec, job.weights, job.classes)
    spec = loaded.spec
    with torch.no_grad():
        if cause := why_not_by_rows(loaded.net, loaded.example, job.case.batch):
            raise UserError(cause.text)
    example = torch.zeros(job.case.batch, *spec.input_shape)
    emit(phase_event(PREPARING))
    request = engine.make_request(job, spec, loaded.net, example, Path(host.work))
    try:
        visit = _visit(job, host, request, lines)
        if failure := lines.failure(visit.ended, job.settings.timeout_s):
            return Event(event="failed", failure=failure)
        emit(phase_event("verifying"))
        measured = request.read(lines)
        log = log_of(lines.watched, job.device, visit.hello.snapshot) if job.device else None
    except (Unreachable, AgentError) as error:
        return Event(event="lost", phase=str(error))
    except UNREADABLE as error:
        return Event(event="failed", failure=unreadable(error))
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
        sensors=sensors_during(log, measured.span) if log else None,
        energy=block_energy(log, visit.power, measured.energy_blocks) if log and measured.verification.passed else None,
        cuda=measured.cuda,
        engine=measured.engine,
        notes=notes,
    )
    emit(Event(event="measured", measurement=measurement))
    counters, uncounted = job.counters, ()
    if counters is None:
        emit(phase_event("counting"))
        runnable = engine.local_runnable(job, loaded.net, example, request)
        counters, uncounted = counting_pass(spec, loaded.net, runnable, example, given=loaded.example)
    # Operations are the same on every machine, so they are counted here; the peak of allocated memory is the board's.
    counters = counters.model_copy(update={"peak_allocated_bytes": measured.peak_allocated_bytes})
    duration_s = time.perf_counter() - begin
    counted = Measurement(counters=counters, duration_s=duration_s, notes=(*notes, *uncounted))
    return Event(event="done", measurement=counted)


@dataclass(frozen=True)
class Visit:
    """One case on a board: the board's facts, its meter (or why energy is not measured), and how the case ended."""

    hello: Hello
    power: tuple[Meter, str | None] | Energy | None
    ended: dict[str, Any]


def _visit(job: Job, host: BoardHost, request: Request, lines: BoardLines) -> Visit:
    """Run the case on its board. Raises Unreachable, AgentError."""
    emit, profile, power = lines.emit, job.device, None
    board = Board(
        Ssh(host.host, job.settings.timeout_s + SILENCE_S, host.socket),
        job.run_id,
        host.python,
        on_wait=lambda text: emit(phase_event(text.replace("\n", " "))),
        takes_over=host.takes_over,
    )
    hello = board.again(lambda: board.hello((*HOST, *MOVING, *STANDING)))
    if profile:
        lines.hottest = Thermometer(profile, hello.snapshot).hottest_c
    if profile and job.energy and job.case.backend == "aten-json":
        power = energy_meter(profile, hello.snapshot, job.settings.timeout_s)
    paths = sensor_paths(profile, hello.snapshot) if profile else []
    emit(phase_event("copying"))
    files = {key: board.put(file) for key, file in request.files.items()}
    emit(phase_event("starting there"))
    ended = board.run(board_job(job, host, request, files, paths, energy_job(power)), lines.take)
    return Visit(hello, power, ended)


def _environment(job: Job, measured: Measured, hello: Hello) -> Environment:
    """The board's, with the commit and version of the co3d-bench here."""
    reported = {**measured.versions, "co3d_bench": __version__}
    return make_environment(
        hardware_of(hello).host,
        Checkout(job.git_commit, job.git_dirty),
        versions(reported, hello.snapshot),
        intra_op_threads=measured.threads or job.case.threads,
        inter_op_threads=measured.inter_op_threads or 1,
        allocator=measured.allocator,
        cuda=measured.cuda,
        environ=measured.environ,
    )


def board_job(
    job: Job, host: BoardHost, request: Request, files: dict[str, str], paths: list[str], energy: dict[str, Any] | None
) -> dict[str, Any]:
    """The board's job; its name there is a checksum of all of it."""
    return {
        **request.fields,
        **files,
        "script": SCRIPT,
        "case": job.case.key,
        "process": job.process,
        "torch_device": host.torch_device,
        "threads": job.case.threads,
        "settings": job.settings.model_dump(include={"runs", "min_s"}),
        "timeout_s": job.settings.timeout_s,
        "environment": thread_environment(job.case.threads),
        "watch": {"paths": paths, "period_s": PERIOD_S},
        "energy": energy,
    }


def main(find_model: FindModel = find_model) -> int:
    """Read a job and measure it on its board."""

    def work(job: Job, emit: Emit) -> Event:
        if job.host is None:
            raise UserError(f"{job.case.key}: the job names no board")
        return measure(job, job.host, emit, find_model)

    return serve(work)


if __name__ == "__main__":
    sys.exit(main())
