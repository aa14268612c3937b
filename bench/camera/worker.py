"""The measuring process of a camera: `python -m co3d_bench.bench.camera.worker`. One job in, events out."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from ...devices.host import read_host
from ...devices.own_path import python_command
from ...models.spec import ModelSpec, keeps_state
from ...models.zoo import find_model
from ..backends import Runnable
from ..errors import USAGE, UserError
from ..measure.allocator import keep_freed_memory
from ..measure.in_force import hold_threads
from ..measure.job import CameraJob, Event, Job, Measurement, phase_event
from ..measure.loop import Calls, WarmUpRule, seldom, warm_up
from ..measure.passes import CaseClock, Emit, Subject
from ..measure.probe import peak_rss_bytes, restart_peak_rss
from ..measure.reaction import reaction
from ..measure.sensors import SensorWatch
from ..measure.verify import compare
from ..measure.video import prepare
from ..measure.worker import Process, environment_of, subject_of
from ..measure.worker import serve as serve_job
from ..record.blobs import write_blob
from ..record.camera import CameraRun, Reaction, Stage
from ..record.case import CameraSetup
from ..record.facts import assumptions, model_facts, receptive_field_of
from ..stats.camera import PERCENTS, FrameTimes
from .feed import CameraFeed, StageTime
from .plan import trained_interval
from .serve import Timeline, serve
from .source import RANDOM, Film, Live, Noise, Source, is_live, without_password
from .watch import ClipWatcher, FrameWatcher, InterleavedWatcher, Stages

COMMAND = python_command("-m", "co3d_bench.bench.camera.worker")
WARMUP = WarmUpRule(max_predictions=200, max_seconds=3.0)
_COMPARE_S = 1.0


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
        runnables = _prepared(subject, job.case.camera.states)
        runnable = runnables[0]
        emit(phase_event("verifying"))
        tolerance = subject.backend.tolerance[job.case.precision]
        like, net, first = subject.loaded.example, subject.loaded.net, subject.inputs.ring[0]
        verification = compare(runnable, net, first, tolerance, budget_s=_COMPARE_S, like=like)
        hold_threads(job.case.threads)
        emit(phase_event("warming"))
        for each in runnables:
            _warm(each, subject)
        emit(Event(event="measured", measurement=Measurement(engine=runnable.engine())))
        source = _source(job.camera, job.case.camera, subject)
        watched = _Watched(subject, runnables, source)
        restart_peak_rss()  # what was taken to verify and is free again does not count
        run = _run(job.case.camera, job.camera, watched, emit) if verification.passed else None
        rss_bytes = peak_rss_bytes() if run else None
        sensors = watch.stop(run.duration_s) if watch and run else None
        seen = job.case.camera.every * job.case.camera.states  # every n-th frame, by a state
        if run and seen == trained_interval(subject.spec, job.case.camera.fps):
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


def _prepared(subject: Subject, states: int) -> list[Runnable]:
    """The network with a state of its own, as often as states take turns. Weights are shared where the engine does."""
    net, own = subject.loaded.net, keeps_state(subject.loaded.net)
    nets = (deepcopy(net) if own and number else net for number in range(states))
    return [subject.backend.prepare(each, subject.inputs.ring[0], subject.ask) for each in nets]


def _state_bytes(runnables: Sequence[Runnable]) -> int | None:
    """Of all states together; None for a clip network."""
    return sum(each.nbytes for runnable in runnables for each in runnable.state_tensors()) or None


def _warm(runnable: Runnable, subject: Subject) -> None:
    ring = subject.accelerator.to_device(subject.inputs.ring)
    runnable.warm(ring[0])
    fill = receptive_field_of(subject.loaded.net) if subject.spec.form == "frame" else 0
    rule = WARMUP._replace(fill=fill, until=time.perf_counter() + WARMUP.max_seconds)
    warm_up(Calls(runnable.step, ring, runnable.synchronize), time.perf_counter, rule)
    runnable.reset()


def _reaction(subject: Subject, source: str) -> Reaction | None:
    """On pictures of the film that is shown, else on noise."""
    film = None if source == RANDOM or is_live(source) else Path(source)
    return reaction(subject.spec, subject.loaded.net, film)


def _source(job: CameraJob, setup: CameraSetup, subject: Subject) -> Source:
    if job.source == RANDOM:
        return Noise(subject.inputs.ring, fps=setup.fps)
    if is_live(job.source):
        return Live(job.source, without_password(job.source), setup.fps)
    return Film(Path(job.source), Path(job.source).name, setup.fps)


def _watcher(
    setup: CameraSetup, spec: ModelSpec, runnables: Sequence[Runnable], stages: Stages
) -> FrameWatcher | InterleavedWatcher | ClipWatcher:
    how = spec.preprocessing
    size = (spec.input_shape[-2], spec.input_shape[-1])

    def ready(picture: Any) -> Any:
        return picture if how is None or hasattr(picture, "dim") else prepare(picture, how, size)

    if spec.form == "frame":
        watchers = [FrameWatcher(each, ready, setup.every, setup.gap, stages) for each in runnables]
        return InterleavedWatcher(watchers) if len(watchers) > 1 else watchers[0]
    interval = trained_interval(spec, setup.fps)
    return ClipWatcher(runnables[0], ready, setup.every, spec.input_shape[1], interval, stages)


@dataclass(frozen=True)
class _Watched:
    """A network that is ready, and the camera before it."""

    subject: Subject
    runnables: Sequence[Runnable]  # one for each state
    source: Source


def _run(setup: CameraSetup, job: CameraJob, watched: _Watched, emit: Emit) -> CameraRun:
    """The camera from its first frame to its last."""
    timeline, stages = Timeline(), Stages()
    watcher = _watcher(setup, watched.subject.spec, watched.runnables, stages)
    feed = CameraFeed(watched.source, setup, watcher.select, timeline, job.duration_s)
    expected = round(job.duration_s / setup.period_s)
    report = seldom(lambda done: emit(phase_event("sampling", done, max(done, expected))), time.perf_counter)
    emit(phase_event("sampling", 0, expected))
    answered = 0

    def answer(frame: Any) -> None:
        nonlocal answered
        watcher(frame)
        answered += 1
        report(answered)

    process = psutil.Process()
    rss_bytes, cpu_s = process.memory_info().rss, time.process_time()
    feed.start()
    try:
        serve(feed, answer, timeline, time.perf_counter)
    finally:
        feed.stop()
    feed.finish()
    emit(Event(event="sampled"))
    now_s = time.perf_counter()
    if feed.error is not None:  # after its first frame: what was measured until then is kept
        watched.source.notes[f"the camera ended after {now_s - feed.begin_s:.1f} s: {feed.error}"] = None
    end_s = now_s if feed.source.live or feed.error else max(feed.end_s, now_s)
    used = Used(process.memory_info().rss - rss_bytes, time.process_time() - cpu_s)
    return _camera_run(job, feed, timeline, stages, used, end_s).model_copy(
        update={"state_bytes": _state_bytes(watched.runnables)}
    )


@dataclass(frozen=True)
class Used:
    """What the process used from the first frame to the last."""

    growth_bytes: int
    cpu_s: float


def _camera_run(
    job: CameraJob, feed: CameraFeed, timeline: Timeline, stages: Stages, used: Used, end_s: float
) -> CameraRun:
    columns = {
        name: np.array(getattr(timeline, name)) - feed.begin_s
        for name in ("due_s", "arrived_s", "started_s", "answered_s")
    }
    times = FrameTimes(columns["due_s"], columns["answered_s"], end_s - feed.begin_s, job.deadline_s)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **columns)
    percentiles = {f"p{percent:g}": times.percentile_s(percent) for percent in PERCENTS}
    return CameraRun(
        source=feed.source.name,
        duration_s=end_s - feed.begin_s,
        deadline_s=job.deadline_s,
        due=times.due,
        in_time=times.in_time,
        late=times.late,
        dropped=times.dropped,
        latency_s={name: value for name, value in percentiles.items() if value is not None and value < float("inf")},
        mean_age_s=times.mean_age_s,
        peak_age_s=times.peak_age_s,
        longest_gap_s=times.longest_gap_s,
        stages=_stages(feed.capture, stages, used.cpu_s),
        times=write_blob(Path(job.blobs), file.getvalue()),
        growth_bytes=used.growth_bytes,
    )


def _stages(capture: StageTime, stages: Stages, cpu_s: float) -> tuple[Stage, ...]:
    """Threads of the network are not told apart: what no other stage used is the network's."""
    parts = {"capture": capture, "preprocess": stages.preprocess, "copy": stages.copy, "hand-over": stages.hand_over}
    rest_s = cpu_s - sum(each.cpu_s for each in parts.values())
    network = Stage(name="network", wall_s=stages.network.wall_s, cpu_s=max(0.0, rest_s), calls=stages.network.calls)
    others = (Stage(name=name, wall_s=each.wall_s, cpu_s=each.cpu_s, calls=each.calls) for name, each in parts.items())  # pyright: ignore
    return (*others, network)


def main(work: Callable[[Job, Emit], Event] = watch_camera) -> int:
    """Watch the camera of the job on standard input."""
    return serve_job(work)


if __name__ == "__main__":
    sys.exit(main())
