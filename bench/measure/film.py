"""One video file: its frames as players show them, the time of each, and what is wrong with the file.

The file is opened by us and handed over without its name, so that no name is taken for an address, a pattern or a list,
and FFmpeg may open nothing else: a file that lists others is refused, and nothing is ever fetched.
"""

from __future__ import annotations

import contextlib
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import ENVIRONMENT, USAGE, UserError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.error import FFmpegError
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream

DEFAULT_RATE = Fraction(30)  # frames/s, where a file has none: what the networks were trained on
_HIGH_DYNAMIC_RANGE = (16, 18)  # its transfer functions: SMPTE 2084 and ARIB STD-B67 (pixfmt.h)
_ASPECTS = (Fraction(1, 8), Fraction(8))  # pixels beyond these are a mistake of the file, which players ignore as well
_LISTS = ("not on whitelist", "Unsafe file name", "Operation not permitted", "m3u8")  # FFmpeg's words about other files
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)


@dataclass
class Film:
    """An open film. What it notes is complete once its frames were read."""

    file: Path
    container: InputContainer
    stream: VideoStream
    converter: VideoReformatter  # one for all frames: each keeps megabytes
    decoded: int = 0  # frames
    end: Fraction = Fraction(0)  # s, of the last frame
    ended: bool = False  # whether its end was reached
    directions: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)  # rotation -> see `_directions`
    start: Fraction | None = None  # s, of the first frame that has a time
    damaged: int = 0  # packets
    first_damage: str = ""  # where it is, and what
    peculiar: dict[str, None] = field(default_factory=dict)  # ordered: what is to be known of the frames

    @property
    def gap(self) -> Fraction:
        """Seconds from a frame to the next, as the file states it."""
        rate = self.stream.guessed_rate or self.stream.average_rate
        return 1 / (rate if rate and rate > 0 else DEFAULT_RATE)

    def frames(self) -> Iterator[tuple[Fraction, VideoFrame]]:
        """(seconds since the first frame, frame), in order; each later than the one before, whatever the file says."""
        for frame in self._decode():
            self.decoded += 1
            time = self.end + self.gap if self.decoded > 1 else Fraction(0)
            if frame.pts is not None and frame.time_base:
                written = frame.pts * frame.time_base
                self.start = written - time if self.start is None else self.start
                time = written - self.start if written - self.start > self.end else time
            self.end = time
            yield time, frame

    def apart(self, count: int) -> Iterator[VideoFrame]:
        """Frames at equal distances over its whole length; none where it does not say how long it is."""
        begin = (self.stream.start_time or 0) * (self.stream.time_base or Fraction(0))
        length = self._claimed_s()
        for index in range(count if length and self.stream.time_base else 0):
            wanted = begin + (length or 0) * Fraction(2 * index + 1, 2 * count)
            self.container.seek(int(wanted / (self.stream.time_base or 1)), stream=self.stream)
            self.ended = False
            found = None
            for found in self._decode():
                if found.pts is not None and found.time_base and found.pts * found.time_base >= wanted:
                    break
            if found is not None:
                self.decoded += 1
                yield found

    def last_s(self) -> Fraction:
        """Seconds from the first frame to the last, by the packets alone: nothing is decoded. The film is then at its
        end, and can be asked for its damage, but not for frames."""
        from av.error import FFmpegError

        times: list[Fraction] = []
        packets = self.container.demux(self.stream)
        while not self.ended:
            try:
                packet = next(packets)
            except (StopIteration, FFmpegError):  # what cannot be read on ends there, as for `frames`
                break
            if packet.size and not packet.is_discard:
                self.decoded += 1
                if packet.pts is not None and packet.time_base:
                    times.append(packet.pts * packet.time_base)
        self.ended = True
        self.start = min(times, default=None)
        self.end = max(times) - min(times) if times else max(0, self.decoded - 1) * self.gap
        return self.end

    def picture(self, frame: VideoFrame) -> Any:
        """The frame as it is shown, (H, W, 3) bytes: its pixels made square, turned and mirrored as the file says."""
        import numpy as np

        aspect = self.stream.sample_aspect_ratio or Fraction(1)
        width = frame.width if not _ASPECTS[0] <= aspect <= _ASPECTS[1] else max(1, round(frame.width * aspect))
        rgb = self.converter.reformat(frame, width=width, format="rgb24").to_ndarray()
        # Once for each rotation: a frame that was asked for its side data is freed only when Python looks for cycles.
        if frame.rotation not in self.directions:
            self.directions[frame.rotation] = _directions(frame)
        across, x_down, y_across, down = self.directions[frame.rotation]
        if across == down == 0:
            rgb, across, down = rgb.swapaxes(0, 1), y_across, x_down
        elif x_down or y_across:
            self.peculiar["its rotation is no multiple of 90 degrees, so its frames are used as they are stored"] = None
            across = down = 1
        self._look_at(frame)
        return np.ascontiguousarray(rgb[:: 1 if down > 0 else -1, :: 1 if across > 0 else -1])

    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing to know of what was read."""
        notes = [*self.peculiar, *self.damage()]
        if self.ended and self.decoded == 1:
            notes.append("it has one frame (a still picture?), and every input is the same")
        return tuple(f"video {self.file.name}: {note}" for note in notes)

    def damage(self) -> tuple[str, ...]:
        """A sentence for each damage of what was read."""
        notes = []
        if self.damaged:
            packets = f"{self.damaged} packet{'s' if self.damaged > 1 else ''}"
            notes.append(f"it is damaged: {packets} with errors, the first {self.first_damage}")
        claimed = self._claimed_s() if self.ended else None
        # Some files count their length from zero, others from their first frame.
        if claimed is not None and max(self.start or 0, 0) + self.end + 2 * self.gap < claimed:
            where = f"{float(self.end):.2f} s (frame {self.decoded})"
            notes.append(f"it ends early, at {where} of {float(claimed):.2f} s: cut short or damaged")
        return tuple(notes)

    def _look_at(self, frame: VideoFrame) -> None:
        facts = {
            "it is interlaced, and both fields are used as one picture": frame.interlaced_frame,
            "its transparency is ignored": any(part.is_alpha for part in frame.format.components),
            "its high dynamic range is used without tone mapping": self.stream.codec_context.color_trc
            in _HIGH_DYNAMIC_RANGE,
        }
        self.peculiar.update(dict.fromkeys(fact for fact, holds in facts.items() if holds))

    def _claimed_s(self) -> Fraction | None:
        """How long the file says that it is: the least that it says, since sound may be longer than the frames."""
        import av

        said = []
        if self.stream.duration and self.stream.time_base:
            said.append(self.stream.duration * self.stream.time_base)
        if written := re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", self.stream.metadata.get("DURATION", "")):
            hours, minutes, seconds = (Fraction(part) for part in written.groups())
            said.append(hours * 3600 + minutes * 60 + seconds)
        if self.container.duration and (said or len(self.container.streams) == 1):
            said.append(Fraction(self.container.duration, av.time_base))
        return min(said, default=None)

    def _decode(self) -> Iterator[VideoFrame]:
        """Every frame that can be decoded; packets that cannot be are noted, and passed over as players do."""
        from av import logging
        from av.error import FFmpegError

        packets = self.container.demux(self.stream)
        while not self.ended:
            frames: list[VideoFrame] = []
            packet, failed = None, None
            with logging.Capture() as said:
                try:
                    packet = next(packets)
                    frames = packet.decode()  # type: ignore[assignment] - of a video stream
                except StopIteration:
                    self.ended = True
                except FFmpegError as error:
                    failed = error
                    self.ended = packet is None  # the file cannot be read on
            bad = any(part.is_corrupt for part in (packet, *frames) if part)
            if reason := _reason(said, failed) or ("its data is not whole" if bad else ""):
                after = f"after {float(self.end):.2f} s (frame {self.decoded})" if self.decoded else "at its beginning"
                self.damaged += 1
                self.first_damage = self.first_damage or f"{after}: {reason}"
            yield from frames


@contextlib.contextmanager
def open_film(file: Path) -> Iterator[Film]:
    """The film of a file: its default video stream, else the first; cover pictures are none. Raises UserError."""
    from av import logging
    from av.error import FFmpegError
    from av.video.reformatter import VideoReformatter

    level, skip_repeated = logging.get_level(), logging.get_skip_repeated()
    logging.set_level(logging.ERROR)
    logging.set_skip_repeated(False)  # it would hold a message back, and report it with the next film
    try:
        with open_file(file) as source, logging.Capture() as said, _opened(file, source, said) as container:
            stream, others = _film_stream(file, container)
            # One thread decodes: memory stays small, and no thread of FFmpeg waits for Python to take its message.
            stream.thread_count = 1
            film = Film(file, container, stream, VideoReformatter(), peculiar=others)
            yield film
            if not film.decoded:
                reason = film.first_damage or _reason(said)
                raise UserError(f"video {file}: {f'cannot be decoded: {reason}' if reason else 'has no frames'}", USAGE)
    except FFmpegError as error:
        raise UserError(f"video {file}: cannot be decoded: {_reason([], error)}", USAGE) from error
    finally:
        logging.set_level(level)
        logging.set_skip_repeated(skip_repeated)


def _film_stream(file: Path, container: InputContainer) -> tuple[VideoStream, dict[str, None]]:
    """The stream that players show, and a note if there are several. Raises UserError if there is none."""
    from av.stream import Disposition

    pictures = Disposition.attached_pic | Disposition.timed_thumbnails
    films = [each for each in container.streams.video if not each.disposition & pictures]
    if not films:
        only = "its pictures are covers" if container.streams.video else "sound only?"
        raise UserError(f"video {file}: has no video stream ({only})", USAGE)
    stream = next((each for each in films if each.disposition & Disposition.default), films[0])
    if stream.codec_context is None:
        raise UserError(f"video {file}: cannot be decoded: FFmpeg has no decoder for its video", USAGE)
    which = f"number {films.index(stream) + 1} ({stream.width} x {stream.height})"
    return stream, {f"of {len(films)} video streams, {which} is used": None} if len(films) > 1 else {}


@contextlib.contextmanager
def open_file(file: Path) -> Iterator[BinaryIO]:
    """A regular file, open for reading. Raises UserError, a sentence for each thing that it may be instead."""
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):  # before it is opened: to open a pipe is to wait for its writer
            kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
            raise UserError(f"video {file}: not a file but {kind}", USAGE)
        source = file.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        address = "; co3d-bench downloads no film: download it first" if _ADDRESS.match(str(file)) else ""
        raise UserError(f"video {file}: no such file{address}", USAGE) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"video {file}: cannot be read: {reason}", ENVIRONMENT) from error
    with source:
        yield source


class _Nameless:
    """A file without its name, for FFmpeg."""

    def __init__(self, source: BinaryIO) -> None:
        self.read, self.seek, self.tell = source.read, source.seek, source.tell


def _opened(file: Path, source: BinaryIO, said: list[tuple[int, str, str]]) -> InputContainer:
    import av
    from av.error import FFmpegError

    if not file.stat().st_size:
        raise UserError(f"video {file}: is empty", USAGE)
    # Titles in other encodings than UTF-8 are no reason to refuse a film.
    lenient: Any = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
    try:
        return av.open(_Nameless(source), "r", options={"protocol_whitelist": ""}, **lenient)
    except FFmpegError as error:
        reason = _reason(said, error)
    if any(words in reason for words in _LISTS):
        raise UserError(f"video {file}: lists other files, which are not opened; give one video", USAGE)
    raise UserError(f"video {file}: cannot be decoded: {reason}", USAGE)


def _reason(said: list[tuple[int, str, str]], error: FFmpegError | None = None) -> str:
    """What FFmpeg says: its first message is more precise than the name of its error. Empty if all went well."""
    return next((text.strip() for _, _, text in said), "") or (error and (error.strerror or str(error))) or ""


def _directions(frame: VideoFrame) -> tuple[int, int, int, int]:
    """The frame's display matrix: where its x axis goes (across, down), then its y axis; as numbers of 16.16 bits."""
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except (KeyError, ValueError):  # side data of a kind that PyAV does not know: its quarter turns are known still
        return {0: (1, 0, 0, 1), 90: (0, -1, 1, 0), -90: (0, 1, -1, 0)}.get(frame.rotation, (-1, 0, 0, -1))
    if matrix is None:
        return 1, 0, 0, 1
    import numpy as np

    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    return a, b, c, d
