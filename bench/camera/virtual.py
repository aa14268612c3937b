"""A camera and a network on a virtual clock: the loop of real runs, with exact figures."""

from __future__ import annotations

from collections.abc import Sequence

from ..record.case import Policy
from .queue import Frame, FrameQueue
from .serve import Timeline, serve


class VirtualTime:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class VirtualFeed:
    """Frames that are due at given moments, through a queue."""

    def __init__(self, due_s: Sequence[float], queue: FrameQueue, timeline: Timeline, time: VirtualTime) -> None:
        self._due_s, self._queue, self._timeline, self._time = due_s, queue, timeline, time
        self._next = 0

    def take(self) -> Frame | None:
        self._admit_all()
        frame = self._queue.take()
        if frame is None and self._next < len(self._due_s):
            self._time.now_s = self._due_s[self._next]
            self._admit()
            frame = self._queue.take()
        self._admit_all()  # a camera that was blocked puts its frame where the taken one was
        return frame

    def _admit_all(self) -> None:
        """Put all frames that have come by now into the queue."""
        while self._next < len(self._due_s) and self._due_s[self._next] <= self._time.now_s and not self._queue.blocked:
            self._admit()

    def _admit(self) -> None:
        number, due_s = self._next, self._due_s[self._next]
        self._timeline.due(number, due_s)
        self._timeline.arrived_s[number] = due_s
        self._queue.put(Frame(number, due_s))
        self._next += 1


def simulate(due_s: Sequence[float], service_s: Sequence[float], capacity: int, policy: Policy) -> Timeline:
    """What becomes of frames that are due at these moments; the n-th that is taken needs the n-th service time, and the
    first again after the last."""
    time, timeline = VirtualTime(), Timeline()
    served = 0

    def answer(frame: Frame) -> None:
        nonlocal served
        time.now_s += service_s[served % len(service_s)]
        served += 1

    serve(VirtualFeed(due_s, FrameQueue(capacity, policy), timeline, time), answer, timeline, time)
    return timeline
