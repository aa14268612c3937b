"""A bounded queue of frames between a camera and a network. Pure: whoever uses it brings clock and locks."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from ..record.case import Policy


@dataclass(frozen=True)
class Frame:
    """One frame that is due an answer."""

    number: int  # among those that are due, from 0
    due_s: float  # when the camera has it, by its fixed clock
    content: Any = None  # what the network is given, or what that is made from


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

    def take(self) -> Frame | None:
        """Remove the frame that waits longest; None where none waits."""
        return self._waiting.popleft() if self._waiting else None
