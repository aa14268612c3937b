"""What a network is given of the frames that a camera shows, and how it answers.

A frame network steps at every n-th frame. A clip network answers for the window of every `frame_interval`-th
frame that ends there, so all frames of a window are kept, preprocessed, as the camera shows them; a frame whose answer
was dropped is still part of later windows.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from ..backends import Runnable
from ..record.case import Gap
from .feed import StageTime
from .queue import Frame
from .source import Captured

if TYPE_CHECKING:
    from torch import Tensor

# A picture -> (C, H, W); tensors are taken as they are.
Prepare = Callable[[Any], "Tensor"]


class Stages:
    """The stages of the pipeline that belong to the network's side, and those that a camera shares with it."""

    def __init__(self) -> None:
        self.preprocess, self.copy, self.network, self.hand_over = (StageTime() for _ in range(4))


class Watcher(Protocol):
    """A network in front of one camera."""

    def select(self, number: int, captured: Captured) -> Any:
        """Of a captured frame what the network is given; None where no answer is due. Called in the camera's thread."""
        ...

    def __call__(self, frame: Frame) -> None:
        """Answer for a frame."""
        ...


class RowWatcher(Watcher, Protocol):
    """One whose input can be a row of a batch."""

    def row(self, frame: Frame) -> Tensor:
        """The network's input for a frame, with a batch of one in front."""
        ...


class FrameWatcher:
    """A frame network in front of one camera."""

    def __init__(self, runnable: Runnable, prepare: Prepare, every: int, gap: Gap, stages: Stages) -> None:
        self._runnable, self._prepare, self._every, self._gap, self._stages = runnable, prepare, every, gap, stages
        self._last: Tensor | None = None
        self._next = 0
        self.answer: Any = None

    def select(self, number: int, captured: Captured) -> Any:
        return captured.content if number % self._every == 0 else None

    def row(self, frame: Frame) -> Tensor:
        picture = self._stages.preprocess.timed(lambda: self._prepare(frame.content))
        return self._stages.copy.timed(lambda: picture[None] if picture.dim() == 3 else picture)

    def __call__(self, frame: Frame) -> None:
        stages, x = self._stages, self.row(frame)
        if self._gap == "repeat" and (last := self._last) is not None:
            for _ in range(frame.number - self._next):  # what was dropped since
                stages.network.timed(lambda: self._runnable.step(last))
        scores = stages.network.timed(lambda: _answered(self._runnable, x))
        self._last, self._next = x, frame.number + 1
        self.answer = stages.hand_over.timed(lambda: _to_host(scores))


class InterleavedWatcher:
    """A frame network with as many states as frames lie between two of its trained rate: each frame goes to the next
    one, so each state sees frames of that rate, and each frame gets its answer."""

    def __init__(self, watchers: Sequence[FrameWatcher]) -> None:
        self._watchers = watchers
        self.answer: Any = None

    def select(self, number: int, captured: Captured) -> Any:
        return self._watchers[0].select(number, captured)

    def __call__(self, frame: Frame) -> None:
        own, which = divmod(frame.number, len(self._watchers))
        self._watchers[which](replace(frame, number=own))
        self.answer = self._watchers[which].answer


class ClipWatcher:
    """A clip network in front of one camera."""

    def __init__(
        self, runnable: Runnable, prepare: Prepare, every: int, frames: int, interval: int, stages: Stages
    ) -> None:
        self._runnable, self._prepare, self._every, self._stages = runnable, prepare, every, stages
        self._step = math.gcd(every, interval)  # every n-th frame belongs to some window
        self._stride = interval // self._step
        self._kept: deque[Tensor] = deque(maxlen=(frames - 1) * self._stride + 1)
        self._frames = frames
        self.answer: Any = None

    def select(self, number: int, captured: Captured) -> Any:
        if number % self._step:
            return None
        if getattr(captured.content, "dim", lambda: 0)() == 5:  # a whole clip of noise
            return captured.content if number % self._every == 0 else None
        self._kept.append(self._stages.preprocess.timed(lambda: self._prepare(captured.content)))
        return self._window() if number % self._every == 0 else None

    def _window(self) -> tuple[Tensor, ...]:
        """The frames of the clip that ends now; at the beginning the first frame stands for those before it."""
        last = len(self._kept) - 1
        places = [max(0, last - back * self._stride) for back in range(self._frames)]
        return tuple(self._kept[place] for place in reversed(places))

    def row(self, frame: Frame) -> Tensor:
        import torch

        content = frame.content
        return self._stages.copy.timed(lambda: torch.stack(content, 1)[None] if isinstance(content, tuple) else content)

    def __call__(self, frame: Frame) -> None:
        stages, x = self._stages, self.row(frame)
        scores = stages.network.timed(lambda: _answered(self._runnable, x))
        self.answer = stages.hand_over.timed(lambda: _to_host(scores))


class OneCall:
    """One call for a frame of each of several cameras: a batch, in which each has its row, and its row of the state."""

    def __init__(self, runnable: Runnable, watchers: Sequence[RowWatcher], stages: Stages) -> None:
        self._runnable, self._watchers, self._stages = runnable, watchers, stages
        self._rows: dict[int, Tensor] = {}
        self.answer: Any = None

    def __call__(self, frames: Sequence[Frame]) -> None:
        import torch

        stages, rows = self._stages, self._rows
        for frame in frames:
            rows[frame.stream] = self._watchers[frame.stream].row(frame)
        # A camera that has ended keeps its row, which nobody reads any more.
        own = [rows.get(stream, rows[frames[0].stream]) for stream in range(len(self._watchers))]
        x = stages.copy.timed(lambda: torch.cat(own))
        scores = stages.network.timed(lambda: _answered(self._runnable, x))
        self.answer = stages.hand_over.timed(lambda: _to_host(scores))


def _answered(runnable: Runnable, x: Tensor) -> Any:
    scores = runnable.step(x)
    runnable.synchronize()
    return scores


def _to_host(scores: Any) -> Any:
    """The best class of each row, as whoever waits for an answer has it; other outputs as they are."""
    if hasattr(scores, "dim") and scores.dim() == 2:
        return scores.argmax(1).tolist()
    return scores
