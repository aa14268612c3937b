"""A camera in a thread of its own: it captures at fixed moments and puts frames into the network's queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..record.case import CameraSetup
from .queue import Frame, FrameQueue
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
class CameraFeed:
    """The frames of one camera, for `serve`.

    Frame i is due at begin + i / fps, whatever became of those before it. A live one is due when it was received. All
    that is due before the end is counted, also what a camera that fell behind never captured.
    """

    source: Source
    setup: CameraSetup
    select: Select
    timeline: Timeline
    duration_s: float
    clock: Clock = time.perf_counter
    sleep: Callable[[float], None] = time.sleep
    capture: StageTime = field(default_factory=StageTime)
    error: Exception | None = None
    begin_s: float = 0.0
    _due: int = 0  # frames that were due so far

    def __post_init__(self) -> None:
        self._queue = FrameQueue(self.setup.queue, self.setup.policy)
        self._changed = threading.Condition()
        self._ended = self._stopping = False
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    @property
    def end_s(self) -> float:
        return self.begin_s + self.duration_s

    def start(self) -> None:
        """Show the first frame now."""
        self.begin_s = self.clock()
        self._thread.start()

    def stop(self) -> None:
        """End early; frames that wait are still answered."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def take(self) -> Frame | None:
        with self._changed:
            while (frame := self._queue.take()) is None and not self._ended:
                self._changed.wait(self._wait_s())
                self._ended = self._ended or (self.source.live and self.clock() >= self.end_s)
            self._changed.notify_all()
            return frame

    def _wait_s(self) -> float | None:
        """How long to wait for a frame: a live camera may never send one again."""
        return max(0.0, self.end_s - self.clock()) if self.source.live else None

    def finish(self) -> None:
        """Wait for the camera's end. Raises what it ran into before its first frame."""
        self._thread.join(_LEAVES_S if self.source.live else None)  # it may hang in a connection; it ends with us
        if self.error is not None and not self._due:
            raise self.error

    def _run(self) -> None:
        try:
            self._capture_all(self.source.frames())
        except Exception as error:  # noqa: BLE001 - raised by `finish`, in the thread that waits for frames
            self.error = error
        finally:
            with self._changed:
                if not self.source.live and self.error is None and not self._stopping:
                    self._count_rest()
                self._ended = True
                self._changed.notify_all()

    def _capture_all(self, frames: Iterator[Captured]) -> None:
        number = 0
        while not self._stopping:
            due_s = self.begin_s + number / self.setup.fps
            if not self.source.live:
                if due_s >= self.end_s or (self.setup.policy != "block" and self.clock() >= self.end_s):
                    return
                if (ahead_s := due_s - self.clock()) > 0:
                    self.sleep(ahead_s)
            captured = self.capture.timed(lambda: next(frames, None))
            if captured is None or (self.source.live and self.clock() >= self.end_s):
                return
            content = self.select(number, captured)
            if content is not None:
                self._put(due_s if captured.received_s is None else captured.received_s, content)
            number += 1

    def _put(self, due_s: float, content: Any) -> None:
        with self._changed:
            while self._queue.blocked and not self._stopping:
                self._changed.wait()
            if self._stopping:
                return
            self.timeline.due(self._due, due_s)
            self.timeline.arrived_s[self._due] = self.clock()
            self._queue.put(Frame(self._due, due_s, content))
            self._due += 1
            self._changed.notify_all()

    def _count_rest(self) -> None:
        """Frames that the camera should have shown by the end and did not."""
        while (due_s := self.begin_s + self._due * self.setup.period_s) < self.end_s:
            self.timeline.due(self._due, due_s)
            self._due += 1
