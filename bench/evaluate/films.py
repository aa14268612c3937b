"""Films as a network is shown them: decoded and preprocessed by processes of their own, ahead of the network."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...models.spec import ModelSpec, Preprocessing
from ..errors import UserError
from ..measure.film import open_film
from ..measure.video import RATE, prepare
from .clips import clip_moments, nearest, stream_moments

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AHEAD_BYTES = 1 << 29  # of frames that wait for the network
_AHEAD = 2  # films that each decoder may be ahead
CRASHED = "its decoder crashed"


@dataclass(frozen=True)
class Sampling:
    """What a network is shown of a film."""

    form: Literal["clip", "frame"]
    frames: int | None  # of a clip; of a frame network its receptive field, None where it has none
    step_s: Fraction
    how: Preprocessing
    size: tuple[int, int]  # height, width

    def moments(self, last_s: Fraction) -> tuple[Fraction, ...]:
        """When, in a film whose last frame is at `last_s`."""
        if self.form == "clip":
            return clip_moments(last_s, self.frames or 1, self.step_s)
        return stream_moments(last_s, self.step_s, self.frames)


def sampling_of(spec: ModelSpec, receptive_field: int | None, fps: float | None) -> Sampling:
    """The protocol for a network that can read a video; `fps`: frames a second instead of those of its weights."""
    how = spec.preprocessing
    if how is None or spec.form == "input":
        raise UserError(spec.not_watchable() or f"{spec.name} takes neither clips nor frames")
    step_s = Fraction(how.frame_interval, RATE) if fps is None else 1 / Fraction(fps).limit_denominator(1001)
    frames = spec.input_shape[1] if spec.form == "clip" else receptive_field
    return Sampling(spec.form, frames, step_s, how, (spec.input_shape[-2], spec.input_shape[-1]))


@dataclass(frozen=True)
class Shown:
    """The frames of a film, (N, C, H, W) in float32, in order."""

    frames: NDArray[np.float32]
    padded: bool  # whether its last frame was repeated because it is short
    damage: str = ""


@dataclass(frozen=True)
class Unreadable:
    """Why a film cannot be decoded."""

    why: str


def show(file: Path, sampling: Sampling) -> Shown | Unreadable:
    """Decode what a network is shown of a film. It is read twice: its length decides which frames are decoded."""
    import numpy as np

    try:
        with open_film(file) as film:
            last_s = film.last_s()
            damage = film.damage()
        moments = sampling.moments(last_s)
        pictures: list[Any] = []
        before = None
        with open_film(file) as film:
            for frame in nearest(film.frames(), moments):
                same = frame is before
                pictures.append(
                    pictures[-1] if same else prepare(film.picture(frame), sampling.how, sampling.size).numpy()
                )
                before = frame
            damage = tuple(dict.fromkeys((*damage, *film.damage())))
    except UserError as error:
        return Unreadable(error.message.removeprefix(f"video {file}: "))
    except Exception as error:  # noqa: BLE001 - whatever a damaged file makes a library raise
        return Unreadable(f"{type(error).__name__}: {error}")
    return Shown(np.stack(pictures), padded=moments[-1] > last_s, damage="; ".join(damage))


def each_shown(files: Sequence[Path], sampling: Sampling, decoders: int) -> Iterator[Shown | Unreadable]:
    """The films in order, decoded ahead by so many processes, as long as what waits stays below `AHEAD_BYTES`.

    A film whose decoder crashes is unreadable, and the rest goes on.
    """
    pool = _pool(decoders)
    left, waiting = deque(files), deque[tuple[Path, "Future[Shown | Unreadable]"]]()
    largest = 1  # bytes of a film so far
    try:
        while left or waiting:
            most = max(1, min(_AHEAD * decoders, AHEAD_BYTES // largest))
            while left and len(waiting) < most:
                file = left.popleft()
                waiting.append((file, _submitted(pool, file, sampling)))
            file, future = waiting.popleft()
            try:
                found = future.result()
            except BrokenProcessPool:  # by this film, or by one that was decoded beside it
                pool.shutdown(wait=False, cancel_futures=True)
                found = _alone(file, sampling)
                pool = _pool(decoders)
                left.extendleft(other for other, _ in reversed(waiting))
                waiting.clear()
            if isinstance(found, Shown):
                largest = max(largest, found.frames.nbytes)
            yield found
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _pool(decoders: int) -> ProcessPoolExecutor:
    # A server that has loaded the libraries once and forks from there: this process has threads by now.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["av", "numpy", "torch", __name__])
    return ProcessPoolExecutor(decoders, context, _one_thread)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _submitted(pool: ProcessPoolExecutor, file: Path, sampling: Sampling) -> Future[Shown | Unreadable]:
    try:
        return pool.submit(show, file, sampling)
    except BrokenProcessPool as error:
        future: Future[Shown | Unreadable] = Future()
        future.set_exception(error)
        return future


def _alone(file: Path, sampling: Sampling) -> Shown | Unreadable:
    with _pool(1) as pool:
        try:
            return pool.submit(show, file, sampling).result()
        except BrokenProcessPool:
            return Unreadable(CRASHED)
