"""The loop of a network in front of a camera: take a frame, answer, note the times. Clock and feed are arguments."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from typing import Protocol

from .queue import Frame

Clock = Callable[[], float]


class Feed(Protocol):
    """Where the network's frames come from."""

    def take(self) -> Sequence[Frame]:
        """What the network is given next, as soon as it waits: a frame, or one of each camera. Empty once no more will
        come."""
        ...


class Timeline:
    """When each due frame was due, arrived in the queue, was taken and was answered: 32 bytes a frame.

    What did not happen is NaN: a dropped frame has no answer.
    """

    def __init__(self) -> None:
        self.due_s, self.arrived_s, self.started_s, self.answered_s = (array("d") for _ in range(4))

    def __len__(self) -> int:
        return len(self.due_s)

    def due(self, number: int, due_s: float) -> None:
        """A frame is due. They come in the order of their numbers."""
        if number != len(self.due_s):
            raise ValueError(f"frame {number} is due after {len(self.due_s)} others")
        self.due_s.append(due_s)
        for column in (self.arrived_s, self.started_s, self.answered_s):
            column.append(math.nan)


def serve(feed: Feed, answer: Callable[[Sequence[Frame]], None], timelines: Sequence[Timeline], clock: Clock) -> None:
    """Answer frame after frame until no more come; each camera has a timeline."""
    while frames := feed.take():
        started_s = clock()
        answer(frames)
        answered_s = clock()
        for frame in frames:
            timelines[frame.stream].started_s[frame.number] = started_s
            timelines[frame.stream].answered_s[frame.number] = answered_s
