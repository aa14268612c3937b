"""Cameras before a network, from their first frame to their last, and the figures of that."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from ..measure.job import CameraJob, phase_event
from ..measure.loop import seldom
from ..measure.passes import Emit
from ..record.blobs import write_blob
from ..record.camera import CameraRun, Stage
from ..record.case import CameraSetup
from ..stats.camera import PERCENTS, FrameTimes, ages
from .feed import Camera, CameraFeed, StageTime
from .queue import Frame
from .serve import Timeline, serve
from .source import Source
from .watchers import Stages, Watcher

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COLUMNS = ("due_s", "arrived_s", "started_s", "answered_s")


@dataclass(frozen=True)
class Served:
    """Who is given the frames of each camera, and who answers for those that the network takes at once."""

    watchers: Sequence[Watcher]  # one for each camera
    answer: Callable[[Sequence[Frame]], None]
    stages: Sequence[Stages]
    together: bool = False


def one_by_one(watchers: Sequence[Watcher], stages: Sequence[Stages]) -> Served:
    """A call for each frame."""

    def answer(frames: Sequence[Frame]) -> None:
        for frame in frames:
            watchers[frame.stream](frame)

    return Served(watchers, answer, stages)


class StopRequest:
    """Whether somebody wants what was seen so far, and no more. A thread waits for it: a camera may send nothing."""

    def __init__(self) -> None:
        self.made = False
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None

    def listen(self, descriptor: int) -> None:
        """It is made by anything that can be read from there; the end of that file is no request."""

        def wait() -> None:
            if os.read(descriptor, 1):
                self.make()

        threading.Thread(target=wait, name="stop request", daemon=True).start()

    def make(self) -> None:
        with self._lock:
            self.made = True
            if self._stop:
                self._stop()

    @contextmanager
    def stops(self, stop: Callable[[], None]) -> Iterator[None]:
        """While entered, it calls this; at once where it was made before."""
        with self._lock:
            self._stop = stop
            if self.made:
                stop()
        try:
            yield
        finally:
            with self._lock:
                self._stop = None


@dataclass(frozen=True)
class Scene:
    """What cameras show, and for how long."""

    source: Source
    setup: CameraSetup
    job: CameraJob
    emit: Emit
    request: StopRequest = field(default_factory=StopRequest)


@dataclass(frozen=True)
class Used:
    """What the process used from the first frame to the last."""

    growth_bytes: int
    cpu_s: float


@dataclass(frozen=True)
class Seen:
    """What became of the frames. Neither networks nor decoders are among it: a search keeps this of each trial."""

    timelines: Sequence[Timeline]  # one for each camera
    capture: Sequence[StageTime]
    stages: Sequence[Stages]
    used: Used
    begin_s: float
    end_s: float
    stopped: bool  # on request


# (the timelines so far, seconds since the first frame was due) -> whether enough was seen
Enough = Callable[[Sequence[Timeline], float], bool]


def watch(scene: Scene, served: Served, duration_s: float, enough: Enough = lambda timelines, passed_s: False) -> Seen:
    """Show the network the cameras for so long, until enough was seen, or until they are stopped on request."""
    cameras = [Camera(scene.source, watcher.select) for watcher in served.watchers]
    timelines = [camera.timeline for camera in cameras]
    feed = CameraFeed(scene.setup, cameras, duration_s, served.together)
    expected = round(len(cameras) * duration_s / scene.setup.period_s)
    report = seldom(lambda done: scene.emit(phase_event("sampling", done, max(done, expected))), time.perf_counter)
    scene.emit(phase_event("sampling", 0, expected))
    answered, stopped_s, requested = 0, None, False

    def stop() -> None:
        nonlocal stopped_s
        if stopped_s is None:
            stopped_s = time.perf_counter()
            feed.stop()

    def stop_on_request() -> None:
        nonlocal requested
        requested = True
        stop()

    def answer(frames: Sequence[Frame]) -> None:
        nonlocal answered
        served.answer(frames)
        answered += len(frames)
        report(answered)
        if stopped_s is None and enough(timelines, time.perf_counter() - feed.begin_s):
            stop()

    process = psutil.Process()
    rss_bytes, cpu_s = process.memory_info().rss, time.process_time()
    feed.start()
    try:
        with scene.request.stops(stop_on_request):
            serve(feed, answer, timelines, time.perf_counter)
    finally:
        feed.stop()
    feed.finish(stopped_s)
    now_s = time.perf_counter()
    if feed.error is not None:  # after its first frame: what was measured until then is kept
        scene.source.notes[f"the camera ended after {now_s - feed.begin_s:.1f} s: {feed.error}"] = None
    ended = scene.source.live or feed.error or stopped_s is not None
    end_s = now_s if ended else max(feed.end_s, now_s)
    used = Used(process.memory_info().rss - rss_bytes, time.process_time() - cpu_s)
    capture = [camera.capture for camera in cameras]
    return Seen(timelines, capture, served.stages, used, feed.begin_s, end_s, requested)


def camera_run(scene: Scene, seen: Seen, end_s: float | None = None) -> CameraRun:
    """The figures, and the times of the frames in a blob. `end_s`: of the frames that were due before it, in seconds
    from the first one."""
    job, alone = scene.job, frame_times_of(scene, seen, end_s)
    until_s = alone[0].end_s
    columns = _joined([_columns(timeline, seen.begin_s, end_s) for timeline in seen.timelines])
    times = FrameTimes(columns["due_s"], columns["answered_s"], until_s, job.deadline_s)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **columns)
    percentiles = {f"p{percent:g}": times.percentile_s(percent) for percent in PERCENTS}
    age = ages(alone)
    return CameraRun(
        source=scene.source.name,
        duration_s=until_s,
        deadline_s=job.deadline_s,
        due=times.due,
        in_time=times.in_time,
        late=times.late,
        dropped=times.dropped,
        latency_s={name: value for name, value in percentiles.items() if value is not None and value < float("inf")},
        mean_age_s=age.mean_s,
        peak_age_s=age.peak_s,
        longest_gap_s=age.longest_gap_s,
        stages=_stages(seen.capture, seen.stages, seen.used.cpu_s),
        times=write_blob(Path(job.blobs), file.getvalue()),
        growth_bytes=seen.used.growth_bytes,
        stopped=seen.stopped,
    )


def frame_times_of(scene: Scene, seen: Seen, end_s: float | None) -> list[FrameTimes]:
    """The frames of each camera; `end_s` as for `camera_run`."""
    until_s = seen.end_s - seen.begin_s if end_s is None else end_s
    every = [_columns(timeline, seen.begin_s, end_s) for timeline in seen.timelines]
    return [FrameTimes(each["due_s"], each["answered_s"], until_s, scene.job.deadline_s) for each in every]


def _columns(timeline: Timeline, begin_s: float, end_s: float | None) -> dict[str, NDArray[Any]]:
    columns = {name: np.array(getattr(timeline, name)) - begin_s for name in _COLUMNS}
    if end_s is None:
        return columns
    kept = columns["due_s"] < end_s - 1e-9
    return {name: column[kept] for name, column in columns.items()}


def _joined(cameras: Sequence[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """The frames of all cameras by when they were due, and which camera's each is; of one its frames."""
    if len(cameras) == 1:
        return dict(cameras[0])
    stream = np.concatenate([np.full(len(each["due_s"]), float(place)) for place, each in enumerate(cameras)])
    columns = {name: np.concatenate([each[name] for each in cameras]) for name in _COLUMNS} | {"stream": stream}
    order = np.argsort(columns["due_s"], kind="stable")
    return {name: column[order] for name, column in columns.items()}


def _stages(capture: Sequence[StageTime], stages: Sequence[Stages], cpu_s: float) -> tuple[Stage, ...]:
    """CPU time that no other stage used is the network's: its threads are not known one by one."""
    parts = {
        "capture": _sum(capture),
        "preprocess": _sum([each.preprocess for each in stages]),
        "copy": _sum([each.copy for each in stages]),
        "hand-over": _sum([each.hand_over for each in stages]),
    }
    network = _sum([each.network for each in stages])
    rest_s = cpu_s - sum(each.cpu_s for each in parts.values())
    others = (Stage(name=name, wall_s=each.wall_s, cpu_s=each.cpu_s, calls=each.calls) for name, each in parts.items())  # pyright: ignore
    return (*others, Stage(name="network", wall_s=network.wall_s, cpu_s=max(0.0, rest_s), calls=network.calls))


def _sum(times: Sequence[StageTime]) -> StageTime:
    return StageTime(
        sum(each.wall_s for each in times), sum(each.cpu_s for each in times), sum(each.calls for each in times)
    )
