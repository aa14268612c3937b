"""The measuring process of a camera: `python -m co3d_bench.bench.camera.worker`. One job in, events out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from ...devices.host import read_host
from ...devices.own_path import python_command
from ...models.zoo import find_model
from ..errors import USAGE, UserError
from ..measure.allocator import keep_freed_memory
from ..measure.in_force import hold_threads
from ..measure.job import PREPARING, Event, Job, Measurement, phase_event
from ..measure.passes import CaseClock, Emit, Subject
from ..measure.probe import peak_rss_bytes, restart_peak_rss
from ..measure.reaction import reaction
from ..measure.sensors import SensorWatch
from ..measure.verify import compare
from ..measure.worker import Process, environment_of, subject_of
from ..measure.worker import serve as serve_job
from ..record.camera import Reaction
from ..record.facts import assumptions, model_facts
from .networks import COMPARE_S, Networks, source_of
from .pipeline import Scene
from .plan import trained_interval
from .source import RANDOM, is_live
from .streams import watch_streams

COMMAND = python_command("-m", "co3d_bench.bench.camera.worker")


def watch_camera(job: Job, emit: Emit) -> Event:
    """One network in front of one camera; returns the last event. Errors of the network or the source are raised."""
    case_clock = CaseClock.now(job.settings)
    allocator = keep_freed_memory()
    import torch

    if job.camera is None or job.case.camera is None:
        raise UserError(f"{job.case.key}: no camera", USAGE)
    started = datetime.now(timezone.utc)
    environ = dict(os.environ)  # as torch has read it; the network's code may change it
    torch.set_num_threads(job.case.threads)
    host = read_host()
    watch = SensorWatch(job.device, emit) if job.device else None
    emit = watch.emit if watch else emit
    subject = subject_of(job, emit, find_model)
    if watch:
        watch.ready()
    with torch.inference_mode():
        emit(phase_event(PREPARING))
        networks = Networks(subject, job.case.camera)
        runnable = networks.first
        emit(phase_event("verifying"))
        tolerance = subject.backend.tolerance[job.case.precision]
        like, net, first = subject.loaded.example, subject.loaded.net, subject.inputs.ring[0]
        verification = compare(runnable, net, first, tolerance, budget_s=COMPARE_S, like=like)
        hold_threads(job.case.threads)
        emit(phase_event("warming"))
        networks.warm()
        emit(Event(event="measured", measurement=Measurement(engine=runnable.engine())))
        source = source_of(job.camera, job.case.camera, subject)
        scene = Scene(source, job.case.camera, job.camera, emit)
        scene.request.listen(sys.stdin.fileno())
        restart_peak_rss()  # what was taken to verify and is free again does not count
        run = watch_streams(scene, networks, subject.accelerator.memory) if verification.passed else None
        if run:
            emit(Event(event="sampled"))
        rss_bytes = peak_rss_bytes() if run else None
        sensors = watch.stop(run.duration_s if run.streams is None else None) if watch and run else None
        seen = job.case.camera.every * job.case.camera.states  # every n-th frame, by a state
        if run and not run.stopped and seen == trained_interval(subject.spec, job.case.camera.fps):
            emit(phase_event("reaction"))
            run = run.model_copy(update={"reaction": _reaction(subject, job.camera.source)})
    notes = (*subject.inputs.notes, *source.notes, *subject.loaded.notes, *assumptions(subject.spec, net))
    measurement = Measurement(
        started_at=started.isoformat(timespec="milliseconds"),
        duration_s=case_clock.passed_s(),
        model=model_facts(subject.spec, subject.loaded.net, job.weights),
        environment=environment_of(job, host, None, Process(torch.get_num_threads(), allocator, environ)),
        peak_rss_bytes=rss_bytes,
        verification=verification,
        engine=runnable.engine(),
        sensors=sensors,
        camera=run,
        notes=tuple(dict.fromkeys(notes)),
    )
    return Event(event="done", measurement=measurement)


def _reaction(subject: Subject, source: str) -> Reaction | None:
    """On pictures of the film that is shown, else on noise."""
    film = None if source == RANDOM or is_live(source) else Path(source)
    return reaction(subject.spec, subject.loaded.net, film)


def main(work: Callable[[Job, Emit], Event] = watch_camera) -> int:
    """Watch the camera of the job on standard input."""
    return serve_job(work)


if __name__ == "__main__":
    sys.exit(main())
