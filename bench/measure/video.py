"""Real frames from a video file, prepared as a network's authors prescribe."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...models.spec import FILM_FRAMES_PER_S, ModelSpec, Preprocessing
from ..errors import ENVIRONMENT, UserError
from .film import Film, open_file, open_film

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from torch import Tensor

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Video:
    """Frames (N, C, H, W), float32 and normalised, and what a reader should know about them."""

    frames: Tensor
    notes: tuple[str, ...] = ()


def trained_frames_per_s(spec: ModelSpec) -> float | None:
    """How many frames of a second of video the network takes, as its weights were trained; None where nobody says."""
    return spec.preprocessing.frames_per_s if spec.preprocessing else spec.frame_rate_hz


def sha256(file: Path) -> str:
    """The file's fingerprint, in hex. Raises UserError if it is missing or cannot be read."""
    digest = hashlib.sha256()
    with open_file(file) as stream:
        try:
            while block := stream.read(_BLOCK):
                digest.update(block)
        except OSError as error:
            raise UserError(f"video {file}: cannot be read: {error.strerror}", ENVIRONMENT) from error
    return digest.hexdigest()


def check_video(file: Path) -> None:
    """Decode one frame, so that a file that is not a video is reported before anything is run. Raises UserError."""
    with open_film(file) as film:
        next(film.frames(), None)


def read_frames(file: Path, count: int, how: Preprocessing, size: tuple[int, int]) -> Video:
    """`count` frames, every `frame_interval`-th of a film of 30 frames/s, by the times of this one's frames; from its
    start again where it is short. No more is decoded than that, and no frame is kept as it was decoded.

    `size` is the network's (height, width) in pixels. Raises UserError for a missing file, one that cannot be
    decoded, and one without a video stream.
    """
    import torch

    frames = torch.empty(count, 3, *size)
    taken = repeated = 0
    before: VideoFrame | None = None
    with open_film(file) as film:
        for frame in islice(_at_times(film, Fraction(how.frame_interval, FILM_FRAMES_PER_S)), count):
            repeated += frame is before
            frames[taken] = frames[taken - 1] if frame is before else prepare(film.picture(frame), how, size)
            before, taken = frame, taken + 1
        notes = list(film.notes())
    if repeated:
        rate = f"{how.frames_per_s:.3g}"
        notes.append(
            f"video {file.name}: {repeated} of {taken} frames are repeated, where it has less than {rate} a second"
        )
    if taken < count:
        if film.decoded > 1:
            notes.append(f"video {file.name}: {taken} usable frame{'s' * (taken > 1)}, {count} needed; it was looped")
        frames[taken:] = frames[torch.arange(taken, count) % taken]
    return Video(frames, tuple(notes))


def read_apart(file: Path, count: int, how: Preprocessing, size: tuple[int, int]) -> list[Tensor]:
    """Pictures (C, H, W) at equal distances over the whole film, prepared; fewer where the film does not say how long
    it is. No more is decoded than leads to them. Raises UserError for a file that is no film."""
    with open_film(file) as film:
        return [prepare(film.picture(frame), how, size) for frame in film.apart(count)]


def _at_times(film: Film, step: Fraction) -> Iterator[VideoFrame]:
    """The frame nearest to each multiple of `step` seconds, until the film ends; the same again where it is slower."""
    wanted = before_time = gap = Fraction(0)
    before: VideoFrame | None = None
    for time, frame in film.frames():
        while wanted <= time:
            yield before if before is not None and wanted - before_time < time - wanted else frame
            wanted += step
        before, before_time, gap = frame, time, time - before_time
    while before is not None and wanted < before_time + (gap or film.gap) / 2:
        yield before
        wanted += step


def prepare(rgb: Any, how: Preprocessing, size: tuple[int, int]) -> Tensor:
    """One frame, (H, W, 3) of bytes, as network input (C, height, width).

    The shorter side is scaled to `short_side`, bilinear and without antialiasing as the authors' own transform
    does it, and the centre is cut out. Only what remains is computed, so that a picture that is far wider than high
    takes no more than any other.
    """
    import torch

    height, width = rgb.shape[:2]
    scale = how.short_side / min(height, width)
    if height <= width:
        scaled = (how.short_side, math.floor(width * scale))
    else:
        scaled = (math.floor(height * scale), how.short_side)
    rows, columns = (_centre(*each) for each in zip((height, width), scaled, size, strict=True))
    across = slice(int(columns.before[0]), int(columns.after[-1]) + 1)
    pixels = torch.from_numpy(rgb[:, across])
    above, below = (pixels[each].float() for each in (rows.before, rows.after))
    lines = above.lerp_(below, rows.share.view(-1, 1, 1)).permute(2, 0, 1).contiguous() / 255
    left, right = (lines[:, :, each - across.start] for each in (columns.before, columns.after))
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (how.mean, how.std))
    return (left.lerp_(right, columns.share) - mean) / std


class _Taps(NamedTuple):
    """Of each pixel of a scaled line: the two of the original that it lies between, and the share of the second."""

    before: Tensor
    after: Tensor
    share: Tensor


def _centre(length: int, scaled: int, kept: int) -> _Taps:
    """Of the `kept` pixels in the middle of a line that is scaled, as `interpolate(..., align_corners=False)` has it;
    in float32, as there."""
    import torch

    step = torch.tensor(length, dtype=torch.float32) / scaled
    first = (scaled - kept) // 2
    at = ((torch.arange(first, first + kept) + 0.5) * step - 0.5).clamp_(0, length - 1)
    before = at.long()
    return _Taps(before, (before + 1).clamp_(max=length - 1), at - before)
