"""Real frames from a video file, prepared as a network's authors prescribe."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...models.spec import Preprocessing
from ..errors import ENVIRONMENT, USAGE, UserError

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Video:
    """Frames (N, C, H, W), float32 and normalised, and what a reader should know about them."""

    frames: Tensor
    notes: tuple[str, ...] = ()


def sha256(file: Path) -> str:
    """The file's fingerprint, in hex. Raises UserError if it is missing or cannot be read."""
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except FileNotFoundError:
        raise UserError(f"video {file}: no such file", USAGE) from None
    except OSError as error:
        raise UserError(f"video {file}: cannot be read: {error.strerror}", ENVIRONMENT) from error
    return digest.hexdigest()


def check_video(file: Path) -> None:
    """Decode one frame, so that a file that is not a video is reported before anything is run. Raises UserError."""
    for _ in _decode(file, limit=1):
        return


def read_frames(file: Path, count: int, how: Preprocessing, size: tuple[int, int]) -> Video:
    """`count` frames, every `frame_interval`-th of the file, from its start again where it is short.

    `size` is the network's (height, width) in pixels. Raises UserError for a missing file, one that cannot be
    decoded, and one without a video stream.
    """
    import torch

    wanted = 1 + (count - 1) * how.frame_interval
    decoded = [
        prepare(frame, how, size)
        for index, frame in enumerate(_decode(file, limit=wanted))
        if index % how.frame_interval == 0
    ]
    notes: tuple[str, ...] = ()
    if len(decoded) < count:
        notes = (f"video {file.name}: {len(decoded)} usable frames, {count} needed; it was looped",)
        decoded = (decoded * math.ceil(count / len(decoded)))[:count]
    return Video(torch.stack(decoded), notes)


def prepare(rgb: Any, how: Preprocessing, size: tuple[int, int]) -> Tensor:
    """One frame, (H, W, 3) of bytes, as network input (C, height, width).

    The shorter side is scaled to `short_side`, bilinear and without antialiasing as the authors' own transform
    does it, and the centre is cut out.
    """
    import torch

    image = torch.from_numpy(rgb).permute(2, 0, 1).float() / 255
    height, width = image.shape[1:]
    scale = how.short_side / min(height, width)
    if height <= width:
        scaled = (how.short_side, math.floor(width * scale))
    else:
        scaled = (math.floor(height * scale), how.short_side)
    image = torch.nn.functional.interpolate(image[None], size=scaled, mode="bilinear", align_corners=False)[0]
    top, left = (scaled[0] - size[0]) // 2, (scaled[1] - size[1]) // 2
    image = image[:, top : top + size[0], left : left + size[1]]
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (how.mean, how.std))
    return (image - mean) / std


def _decode(file: Path, limit: int) -> Any:
    """The first `limit` frames as (H, W, 3) arrays of bytes. Raises UserError."""
    import av
    from av.error import FFmpegError

    if not file.is_file():
        raise UserError(f"video {file}: {'not a file' if file.exists() else 'no such file'}", USAGE)
    seen = 0
    try:
        with av.open(str(file)) as container:
            if not container.streams.video:
                raise UserError(f"video {file}: has no video stream (sound only?)", USAGE)
            for frame in container.decode(video=0):
                seen += 1
                yield frame.to_ndarray(format="rgb24")
                if seen == limit:
                    return
    except FFmpegError as error:
        if not seen:
            reason = getattr(error, "strerror", None) or str(error)
            raise UserError(f"video {file}: cannot be decoded: {reason}", USAGE) from error
    if not seen:
        raise UserError(f"video {file}: has no frames", USAGE)
