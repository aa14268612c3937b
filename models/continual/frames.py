"""Clips as frames and back.

What the layers make of clips lies in memory as T x B images in `channels_last`, so that any stretch of time is a view;
for one clip that is `channels_last_3d`. With the batch first, each tap of a kernel would copy its stretch of every
clip: a batch of X3D-M took 1.5 times as long.
"""

from __future__ import annotations

import torch
from torch import Tensor


def to_frames(clip: Tensor) -> Tensor:
    """(B, C, T, H, W) -> (T x B, C, H, W)."""
    if clip.shape[0] == 1:
        return clip.transpose(1, 2).flatten(0, 1)
    return clip.permute(2, 0, 1, 3, 4).flatten(0, 1)


def to_clip(frames: Tensor, batch: int) -> Tensor:
    """(T x B, C, H, W) -> (B, C, T, H, W)."""
    if batch == 1:  # with the strides of one clip, by which torch's own layers tell `channels_last_3d`
        return frames.unflatten(0, (batch, -1)).transpose(1, 2)
    return frames.unflatten(0, (-1, batch)).permute(1, 2, 0, 3, 4)


def with_past(past: tuple[Tensor, ...], clip: Tensor) -> Tensor:
    """The clip (B, C, T, H, W), and before it the frames (B, C, H, W) that came earlier."""
    return torch.cat((*(frame.unsqueeze(2) for frame in past), clip), 2) if past else clip


def last_frames(clip: Tensor, count: int) -> tuple[Tensor, ...]:
    """The last frames of a clip, copied, so that holding them does not hold the clip."""
    return tuple(frame.clone() for frame in clip[:, :, clip.shape[2] - count :].unbind(2))


def check_clip(x: Tensor) -> None:
    """Raises ValueError for what is no clip: torch would take a frame (B, C, H, W) for a clip without a batch."""
    if x.dim() != 5:
        raise ValueError(f"expected a clip (B, C, T, H, W), got {tuple(x.shape)}; `step` takes a frame and the state")
