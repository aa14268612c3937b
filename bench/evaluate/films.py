"""Films as a network is shown them: decoded and preprocessed by processes of their own, ahead of the network."""

from __future__ import annotations

import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ...devices.own_path import python_command
from ...models.spec import FILM_FRAMES_PER_S, ModelSpec, Preprocessing
from ..errors import UserError
from ..measure.film import open_film
from ..measure.video import prepare
from .clips import Arrivals, clip_moments, nearest, stream_moments

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AHEAD_BYTES = 1 << 29  # of frames that wait for the network
_AHEAD = 2  # films that each decoder may be ahead
CRASHED = "its decoder crashed"


class Dropping(Protocol):
    """Which frames of films arrive."""

    def arrivals(self, file: Path, frames: int) -> Arrivals:
        """Of the first so many frames of a film."""
        ...


@dataclass(frozen=True)
class Sampling:
    """What a network is shown of a film."""

    form: Literal["clip", "frame"]
    frames: int | None  # of a clip; of a frame network its receptive field, None where it has none
    step_s: Fraction
    how: Preprocessing
    size: tuple[int, int]  # height, width
    drops: Dropping | None = None  # None: every frame arrives

    def moments(self, last_s: Fraction, file: Path = Path()) -> tuple[Fraction, ...]:
        """When, in a film whose last frame is at `last_s`; empty where none of its frames arrives."""
        arriving = partial(self.drops.arrivals, file) if self.drops else None
        if self.form == "clip":
            return clip_moments(last_s, self.frames or 1, self.step_s, arriving)
        return stream_moments(last_s, self.step_s, self.frames, arriving)


def step_of(spec: ModelSpec, fps: float | None) -> Fraction:
    """Seconds from one frame that a network sees to the next; `fps`: frames a second instead of those of its weights.
    Raises UserError for one that cannot read a video."""
    how = spec.preprocessing
    if how is None or spec.form == "input":
        raise UserError(spec.not_watchable() or f"{spec.name} takes neither clips nor frames")
    return Fraction(how.frame_interval, FILM_FRAMES_PER_S) if fps is None else 1 / Fraction(fps).limit_denominator(1001)


def sampling_of(
    spec: ModelSpec, receptive_field: int | None, fps: float | None, drops: Dropping | None = None
) -> Sampling:
    """The protocol for a network that can read a video; `fps`: frames a second instead of those of its weights."""
    step_s, how = step_of(spec, fps), spec.preprocessing
    assert how is not None and spec.form != "input"  # noqa: S101, PT018 - `step_of` has seen to it
    frames = spec.input_shape[1] if spec.form == "clip" else receptive_field
    return Sampling(spec.form, frames, step_s, how, (spec.input_shape[-2], spec.input_shape[-1]), drops)


@dataclass(frozen=True)
class Shown:
    """The frames of a film, (N, C, H, W) in float32, in order; N is 0 where none of them arrives."""

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
        moments = sampling.moments(last_s, file)
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
    frames = np.stack(pictures) if pictures else np.empty((0, 3, *sampling.size), np.float32)
    repeated = len(set(moments)) < len(moments) or any(moment > last_s for moment in moments)
    return Shown(frames, padded=repeated, damage="; ".join(damage))


Show = Callable[[Path, Sampling], "Shown | Unreadable"]


def each_shown(
    files: Sequence[Path], sampling: Sampling, decoders: int, show: Show = show
) -> Iterator[Shown | Unreadable]:
    """The films in order, decoded ahead by so many processes, as long as what waits stays below `AHEAD_BYTES`.

    A film whose decoder crashes is unreadable, and the rest goes on.
    """
    left, waiting = deque(files), deque["Future[Shown | Unreadable]"]()
    largest = 0  # bytes of a film so far
    processes = _Decoders(sampling, show)
    threads = ThreadPoolExecutor(decoders)  # each waits for a decoder of its own
    try:
        while left or waiting:
            most = max(1, min(_AHEAD * decoders, AHEAD_BYTES // largest)) if largest else decoders
            while left and len(waiting) < most:
                waiting.append(threads.submit(processes.show, left.popleft()))
            found = waiting.popleft().result()
            if isinstance(found, Shown):
                largest = max(largest, found.frames.nbytes)
            yield found
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        processes.close()


class _Decoders:
    """Processes that decode, one for each thread that asks; one that has crashed is replaced."""

    def __init__(self, sampling: Sampling, show: Show) -> None:
        self._sampling, self._show = sampling, show
        self._of_thread = threading.local()
        self._all: list[subprocess.Popen[bytes]] = []
        self._closed = False

    def show(self, file: Path) -> Shown | Unreadable:
        try:
            pipe = getattr(self._of_thread, "pipe", None) or self._start()
            pipe.send(file)
            return pipe.recv()
        except (EOFError, OSError):
            self._of_thread.pipe = None
            return Unreadable(CRASHED)

    def _start(self) -> Connection:
        if self._closed:
            raise EOFError
        ours, theirs = Pipe()
        with theirs:  # closed here, so that its end is noticed
            command, end = python_command("-m", "co3d_bench.bench.evaluate.decoder"), theirs.fileno()
            # What a library prints is no part of our events.
            process = subprocess.Popen([*command, str(end)], pass_fds=[end], stdin=subprocess.DEVNULL, stdout=2)  # noqa: S603
        self._all.append(process)
        ours.send((self._sampling, self._show))
        self._of_thread.pipe = ours
        return ours

    def close(self) -> None:
        self._closed = True
        for process in self._all:
            process.kill()
            process.wait()
