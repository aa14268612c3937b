"""A bounded queue of frames between a camera and a network. Pure: whoever uses it brings clock and locks."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..record.case import Policy


@dataclass(frozen=True)
class Frame:
    """One frame that is due an answer."""

    number: int  # among those that are due, from 0
    due_s: float  # when the camera has it, by its fixed clock
    content: Any = None  # what the network is given, or what that is made from
    stream: int = 0  # which camera's


class FrameQueue:
    """Frames that wait for the network, oldest first.

    When it is full, `newest` drops the frame that waits longest, `oldest` drops the one that arrives, and with `block`
    the camera waits until there is room (`blocked`), so that nothing is dropped.
    """

    def __init__(self, capacity: int, policy: Policy) -> None:
        self._waiting: deque[Frame] = deque()
        self._capacity, self._policy = capacity, policy

    @property
    def blocked(self) -> bool:
        """Whether the camera has to wait until a frame is taken."""
        return self._policy == "block" and len(self._waiting) >= self._capacity

    def put(self, frame: Frame) -> Frame | None:
        """Add a frame; returns the one that is dropped for it, if any. Raises ValueError where it is blocked."""
        if self.blocked:
            raise ValueError("the queue is full, and a camera that blocks waits before it puts")
        if len(self._waiting) < self._capacity:
            self._waiting.append(frame)
            return None
        if self._policy == "oldest":
            return frame
        dropped = self._waiting.popleft()
        self._waiting.append(frame)
        return dropped

    @property
    def oldest_due_s(self) -> float | None:
        """When the frame that waits longest was due; None where none waits."""
        return self._waiting[0].due_s if self._waiting else None

    def take(self) -> Frame | None:
        """Remove the frame that waits longest; None where none waits."""
        return self._waiting.popleft() if self._waiting else None


class StreamQueues:
    """A queue for each of several cameras before one network.

    `together`: a frame of each at once, as soon as each has one or has ended. Else one frame at a time, the oldest
    first; of those that were due at the same moment, the one whose camera's turn is next: so none is always the last.
    """

    def __init__(self, streams: int, capacity: int, policy: Policy, *, together: bool = False) -> None:
        self._queues = [FrameQueue(capacity, policy) for _ in range(streams)]
        self._ended = [False] * streams
        self._together, self._turn = together, 0

    def blocked(self, stream: int) -> bool:
        return self._queues[stream].blocked

    def put(self, frame: Frame) -> Frame | None:
        """Add a frame to the queue of its camera; returns the one that is dropped for it, if any."""
        return self._queues[frame.stream].put(frame)

    def end(self, stream: int) -> None:
        """No more frames will come from that camera."""
        self._ended[stream] = True

    @property
    def ended(self) -> bool:
        return all(self._ended)

    def take(self) -> Sequence[Frame]:
        """Remove what the network is given next; empty while that has not come."""
        if self._together:
            return self._of_each()
        order = (*range(self._turn, len(self._queues)), *range(self._turn))
        waiting = [(due_s, stream) for stream in order if (due_s := self._queues[stream].oldest_due_s) is not None]
        if not waiting:
            return ()
        stream = min(waiting, key=lambda each: each[0])[1]
        self._turn = (stream + 1) % len(self._queues)
        frame = self._queues[stream].take()
        return (frame,) if frame else ()

    def _of_each(self) -> Sequence[Frame]:
        if not all(
            ended or queue.oldest_due_s is not None for ended, queue in zip(self._ended, self._queues, strict=True)
        ):
            return ()
        return [frame for queue in self._queues if (frame := queue.take())]
