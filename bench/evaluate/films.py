"""Films as a network is shown them: decoded and preprocessed by processes of their own, ahead of the network."""

from __future__ import annotations

import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...devices.own_path import python_command
from ...models.spec import FILM_FRAMES_PER_S, ModelSpec, Preprocessing
from ..errors import UserError
from ..measure.film import open_film
from ..measure.video import prepare
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
    step_s = (
        Fraction(how.frame_interval, FILM_FRAMES_PER_S) if fps is None else 1 / Fraction(fps).limit_denominator(1001)
    )
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
