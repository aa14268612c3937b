"""Cameras and a network on a virtual clock: the loop of real runs, with exact figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..record.case import Policy
from .queue import Frame, StreamQueues
from .serve import Timeline, serve


class VirtualTime:
    """A clock that moves only when it is set."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class VirtualFeed:
    """Frames that are due at given moments, the same for each camera, through their queues."""

    def __init__(
        self, due_s: Sequence[float], queues: StreamQueues, timelines: Sequence[Timeline], time: VirtualTime
    ) -> None:
        self._due_s, self._queues, self._timelines, self._time = due_s, queues, timelines, time
        self._next = [0] * len(timelines)
        self._stopping = False

    def stop(self) -> None:
        """No more frames come."""
        self._stopping = True

    def take(self) -> Sequence[Frame]:
        self._admit_all()
        frames = self._queues.take()
        while not frames and not self._stopping and (coming := [each for each in self._next if self._more(each)]):
            self._time.now_s = max(self._time.now_s, self._due_s[min(coming)])
            self._admit_all()
            frames = self._queues.take()
        self._admit_all()  # a camera that was blocked puts its frame where the taken one was
        return frames

    def _more(self, number: int) -> bool:
        return number < len(self._due_s)

    def _admit_all(self) -> None:
        """Put all frames that have come by now into the queues."""
        for stream, number in enumerate(self._next):
            while (
                self._more(number)
                and not self._stopping
                and self._due_s[number] <= self._time.now_s
                and not self._queues.blocked(stream)
            ):
                self._admit(stream, number)
                number += 1
            self._next[stream] = number
            if self._stopping or not self._more(number):
                self._queues.end(stream)

    def _admit(self, stream: int, number: int) -> None:
        timeline, due_s = self._timelines[stream], self._due_s[number]
        timeline.due(number, due_s)
        timeline.arrived_s[number] = due_s
        self._queues.put(Frame(number, due_s, stream=stream))


def simulate(due_s: Sequence[float], service_s: Sequence[float], capacity: int, policy: Policy) -> Timeline:
    """What becomes of frames that are due at these moments; the n-th that is taken needs the n-th service time, and the
    first again after the last."""
    served = 0

    def duration_s(_begin_s: float, _frames: int) -> float:
        nonlocal served
        served += 1
        return service_s[(served - 1) % len(service_s)]

    return simulate_streams(due_s, duration_s, StreamQueues(1, capacity, policy), 1)[0]


def simulate_streams(
    due_s: Sequence[float],
    duration_s: Callable[[float, int], float],
    queues: StreamQueues,
    streams: int,
    stop: Callable[[Sequence[Timeline], float], bool] = lambda timelines, now_s: False,
) -> list[Timeline]:
    """What becomes of the frames of several cameras, each due at these moments. `duration_s` is how long a call takes
    that begins at a moment and answers so many frames. `stop` is asked before each call; frames that
    wait are still answered."""
    time, timelines = VirtualTime(), [Timeline() for _ in range(streams)]
    feed = VirtualFeed(due_s, queues, timelines, time)

    def answer(frames: Sequence[Frame]) -> None:
        if stop(timelines, time.now_s):
            feed.stop()
        time.now_s += duration_s(time.now_s, len(frames))

    serve(feed, answer, timelines, time)
    return timelines
