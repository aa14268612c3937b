"""Cameras in threads of their own: they capture at fixed moments and put frames into the network's queues."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..record.case import CameraSetup
from .queue import Frame, StreamQueues
from .serve import Clock, Timeline
from .source import Captured, Source

_LEAVES_S = 1.0
# A captured frame and its number at the camera -> what the network is given of it; None where no answer is due.
Select = Callable[[int, Captured], Any]


@dataclass
class StageTime:
    """What a stage has used so far."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    calls: int = 0

    def timed(self, work: Callable[[], Any]) -> Any:
        """The result of `work`, which runs in this thread."""
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        try:
            return work()
        finally:
            self.wall_s += time.perf_counter() - wall_s
            self.cpu_s += time.thread_time() - cpu_s
            self.calls += 1


@dataclass
class Camera:
    """One camera: what it shows, which of its frames are due an answer, and what became of those."""

    source: Source
    select: Select
    timeline: Timeline = field(default_factory=Timeline)
    capture: StageTime = field(default_factory=StageTime)
    error: Exception | None = None
    frames: Iterator[Captured] = field(default_factory=lambda: iter(()))

    def open(self) -> None:
        """A film is open and its first picture decoded before its first frame is due, as a camera is on before it is
        watched. A live one shows what comes from now on."""
        self.frames = self.source.frames()
        if not self.source.live:
            self.frames = itertools.chain(list(itertools.islice(self.frames, 1)), self.frames)


@dataclass
class CameraFeed:
    """The frames of cameras, for `serve`.

    Frame i of each is due at begin + i / fps, whatever became of those before it. A live one is due when it was
    received. All that is due before the end is counted, also what a camera that fell behind never captured.
    """

    setup: CameraSetup
    cameras: Sequence[Camera]
    duration_s: float
    together: bool = False  # the network takes a frame of each camera at once
    clock: Clock = time.perf_counter
    sleep: Callable[[float], None] = time.sleep
    begin_s: float = 0.0

    def __post_init__(self) -> None:
        setup, count = self.setup, len(self.cameras)
        self._queues = StreamQueues(count, setup.queue, setup.policy, together=self.together)
        self._live = any(camera.source.live for camera in self.cameras)
        self._changed = threading.Condition()
        self._over = self._stopping = False
        self._threads = [
            threading.Thread(target=self._run, args=(stream,), name=f"camera {stream}", daemon=True)
            for stream in range(count)
        ]

    @property
    def end_s(self) -> float:
        return self.begin_s + self.duration_s

    @property
    def error(self) -> Exception | None:
        """The first one that a camera ran into."""
        return next((camera.error for camera in self.cameras if camera.error), None)

    def start(self) -> None:
        """Show the first frames now. Raises what a camera runs into before its first one."""
        for camera in self.cameras:
            camera.open()
        self.begin_s = self.clock()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End early; frames that wait are still answered."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def take(self) -> Sequence[Frame]:
        with self._changed:
            while not (frames := self._queues.take()) and not (self._over or self._queues.ended):
                self._changed.wait(self._wait_s())
                self._over = self._live and (self._stopping or self.clock() >= self.end_s)
            self._changed.notify_all()
            return frames

    def _wait_s(self) -> float | None:
        """How long to wait for a frame: a live camera may never send one again."""
        return max(0.0, self.end_s - self.clock()) if self._live else None

    def finish(self, until_s: float | None = None) -> None:
        """Wait for the end of the cameras; `until_s`: where they were stopped, all that was due before it is counted.
        Raises what one ran into before its first frame."""
        for thread in self._threads:
            thread.join(_LEAVES_S if self._live else None)  # it may hang in a connection; it ends with us
        if self.error is not None and not any(len(camera.timeline) for camera in self.cameras):
            raise self.error
        for camera in self.cameras:
            if until_s is not None and not camera.source.live and camera.error is None:
                self._count_rest(camera, until_s)

    def _run(self, stream: int) -> None:
        camera = self.cameras[stream]
        try:
            self._capture_all(stream, camera)
        except Exception as error:  # noqa: BLE001 - noted, in the thread that waits for frames
            camera.error = error
        finally:
            camera.frames = iter(())  # a film is closed, and its decoder with it
            with self._changed:
                if not camera.source.live and camera.error is None and not self._stopping:
                    self._count_rest(camera, self.end_s)
                self._queues.end(stream)
                self._changed.notify_all()

    def _capture_all(self, stream: int, camera: Camera) -> None:
        live = camera.source.live
        number = 0
        while not self._stopping:
            due_s = self.begin_s + number / self.setup.fps
            if not live:
                if due_s >= self.end_s or (self.setup.policy != "block" and self.clock() >= self.end_s):
                    return
                if (ahead_s := due_s - self.clock()) > 0:
                    self.sleep(ahead_s)
            captured = camera.capture.timed(lambda: next(camera.frames, None))
            if captured is None or (live and self.clock() >= self.end_s):
                return
            content = camera.select(number, captured)
            if content is not None:
                self._put(stream, due_s if captured.received_s is None else captured.received_s, content)
            number += 1

    def _put(self, stream: int, due_s: float, content: Any) -> None:
        timeline = self.cameras[stream].timeline
        with self._changed:
            while self._queues.blocked(stream) and not self._stopping:
                self._changed.wait()
            if self._stopping:
                return
            number = len(timeline)
            timeline.due(number, due_s)
            timeline.arrived_s[number] = self.clock()
            self._queues.put(Frame(number, due_s, content, stream))
            self._changed.notify_all()

    def _count_rest(self, camera: Camera, end_s: float) -> None:
        """Frames that the camera should have shown by then and did not."""
        timeline = camera.timeline
        while (due_s := self.begin_s + len(timeline) * self.setup.period_s) < end_s:
            timeline.due(len(timeline), due_s)
