"""Where frames come from: seeded noise, a film that is played in a loop, a camera or stream that is live.

A source yields the next frame as soon as it has been read and decoded. Pacing is not its business: `feed.py` asks at
the moment when a frame is due.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import USAGE, UserError
from ..measure.film import open_film

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_FPS = 30.0
RANDOM = "random"


STREAMS = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "srt")


def is_live(source: str) -> bool:
    """Whether a source is a device or a stream rather than a file. Raises UserError for a stream of another kind."""
    scheme, found, _ = source.partition("://")
    if found and scheme.lower() not in STREAMS:
        raise UserError(f"{source}: no film, and no stream: those begin with {', '.join(STREAMS)}", USAGE)
    return bool(found) or source.startswith("/dev/")


def without_password(address: str) -> str:
    """An address without the user and the password in it: records are passed on."""
    return re.sub(r"//[^/]*@", "//", address)  # a password may hold an @ itself


@dataclass(frozen=True)
class Captured:
    """One frame of the camera: a picture (H, W, 3) of bytes, or a tensor that needs no preprocessing."""

    content: Any
    received_s: float | None = None  # of a live one: when it came, before it was decoded


class Source(Protocol):
    """A camera."""

    @property
    def name(self) -> str:
        """For people and for the case's key."""
        ...

    @property
    def fps(self) -> float:
        """Its own rate."""
        ...

    @property
    def live(self) -> bool:
        """Whether frames come when they come, and not when they are asked for."""
        ...

    @property
    def notes(self) -> dict[str, None]:
        """What is wrong with it, as far as it was read; in order."""
        ...

    def frames(self) -> Iterator[Captured]:
        """Frame after frame, without end where it is not live. Raises UserError."""
        ...


@dataclass(frozen=True)
class Noise:
    """Tensors that are shown one after the other, again and again: nothing is decoded or preprocessed."""

    ring: Sequence[Tensor]
    name: str = RANDOM
    fps: float = DEFAULT_FPS
    live: bool = False
    notes: dict[str, None] = field(default_factory=dict)

    def frames(self) -> Iterator[Captured]:
        yield from itertools.cycle([Captured(tensor) for tensor in self.ring])


@dataclass(frozen=True)
class Film:
    """A file, played from its start again when it ends. One decoded picture is held at a time."""

    file: Path
    name: str
    fps: float
    live: bool = False
    notes: dict[str, None] = field(default_factory=dict)  # ordered: what is wrong with it, once it was read to its end

    def frames(self) -> Iterator[Captured]:
        while True:
            with open_film(self.file) as film:
                for _, frame in film.frames():
                    yield Captured(film.picture(frame))
                self.notes.update(dict.fromkeys(film.notes()))
                whole_s = float(film.end + film.gap)
            self.notes[f"video {self.name}: it is {whole_s:.2f} s long, and was repeated"] = None


def film_fps(file: Path) -> float:
    """The rate of a film, as it states it. Raises UserError for a file that is none."""
    with open_film(file) as film:
        next(film.frames(), None)
        return float(1 / film.gap)


# RTSP over TCP: over UDP lost packets are damaged pictures.
_TRANSPORT = {"rtsp_transport": "tcp"}
_ANSWERS_S = 10.0


def live_fps(source: str) -> float:
    """The rate that a live source states, else 30. Raises UserError where it cannot be read: before anything is run."""
    from av.error import FFmpegError

    name, begin_s = without_password(source), time.perf_counter()
    try:
        with _opened(source) as container:
            if source.lower().startswith("http") and container.duration:
                raise UserError(
                    f"{name}: a film, which would arrive faster than it plays: download it and give the file", USAGE
                )
            stream = _picture_of(container, name)
            next(iter(container.decode(stream)), None)
            rate = stream.average_rate or stream.guessed_rate
    except (OSError, FFmpegError) as error:
        silent = time.perf_counter() - begin_s > 0.9 * _ANSWERS_S
        why = f"no answer within {_ANSWERS_S:g} s" if silent else error.strerror or type(error).__name__
        raise UserError(f"{name}: cannot be opened: {why}; is it on, and is that its address?", USAGE) from error
    return float(rate) if rate else DEFAULT_FPS


def _opened(source: str) -> Any:
    import av

    device = "v4l2" if source.startswith("/dev/") else None
    return av.open(source, format=device, options=_TRANSPORT, timeout=_ANSWERS_S)


def _picture_of(container: Any, name: str) -> Any:
    if not container.streams.video:
        raise UserError(f"{name}: has no picture (sound only?)", USAGE)
    stream = container.streams.video[0]
    stream.thread_type = "NONE"
    return stream


@dataclass(frozen=True)
class Live:
    """A stream or a video device, read as it comes; opened again where the connection breaks."""

    address: str
    name: str
    fps: float
    retry_s: float = 1.0
    live: bool = True
    notes: dict[str, None] = field(default_factory=dict)
    clock: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep

    def frames(self) -> Iterator[Captured]:
        from av.error import FFmpegError

        begin_s = self.clock()
        while True:
            why = "it ended"
            try:
                yield from self._read()
            except (OSError, FFmpegError) as error:  # the time without frames is in the record
                why = error.strerror or type(error).__name__  # its text may hold a password
            if not self.notes:
                again = "it was opened again, until it answered or the time was over"
                self.notes[f"{self.name}: no frames from {self.clock() - begin_s:.1f} s on ({why}); {again}"] = None
            self.sleep(self.retry_s)

    def _read(self) -> Iterator[Captured]:
        with _opened(self.address) as container:
            for packet in container.demux(_picture_of(container, self.name)):
                received_s = self.clock()
                for frame in packet.decode():
                    yield Captured(frame.to_ndarray(format="rgb24"), received_s)
