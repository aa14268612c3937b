"""One two-dimensional convolution over many frames: the only arithmetic the continual layers are made of.

Everything here works on frames-first views. What the layers make of clips lies in memory as T x B images in
`channels_last`, so that any stretch of time is a view; for one clip that is `channels_last_3d`. With the batch first,
each tap of a kernel would copy its stretch of every clip: a batch of X3D-M took 1.5 times as long.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Dimension orders that move the channels to the end, and back, for frames, one clip and several.
_CHANNELS_LAST = {"frames": (0, 2, 3, 1), "clip": (0, 2, 3, 4, 1), "clips": (2, 0, 3, 4, 1)}
_CHANNELS_SECOND = {"frames": (0, 3, 1, 2), "clip": (0, 4, 1, 2, 3), "clips": (1, 4, 0, 2, 3)}


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


def stack_time(frames: tuple[Tensor, ...] | list[Tensor]) -> Tensor:
    """Frames (B, C, H, W) -> a clip (B, C, T, H, W)."""
    return torch.stack(list(frames), dim=2)


def last_frames(clip: Tensor, count: int) -> tuple[Tensor, ...]:
    """The last frames of a clip, copied, so that holding them does not hold the clip."""
    return tuple(frame.clone() for frame in clip[:, :, clip.shape[2] - count :].unbind(2))


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int]) -> Tensor:
    """1 x 1 convolution of frames (B, I, H, W) or clips (B, I, T, H, W) as one matrix product over the pixels.

    `weight` is (O, I). On a CPU this is about twice as fast as the convolution call on the small maps of video
    networks: a convolution reorders its weights on every call, a matrix product starts at once.
    """
    if stride != (1, 1):
        x = x[..., :: stride[0], :: stride[1]]
    lies = "frames" if x.dim() == 4 else "clip" if x.shape[0] == 1 else "clips"
    return F.linear(x.permute(_CHANNELS_LAST[lies]), weight, bias).permute(_CHANNELS_SECOND[lies])


def depthwise_side_by_side(
    frames: tuple[Tensor, ...],
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> Tensor:
    """The sum over kT frames (B, C, H, W) of each one convolved with its slice of `weight` (C, 1, kT, kH, kW).

    The frames are put side by side as channels, so that one call does the work of kT.
    """
    stacked = weight.permute(2, 0, 1, 3, 4).flatten(0, 1)  # (kT x C, 1, kH, kW)
    if bias is not None:  # once, with the first frame
        bias = F.pad(bias, (0, stacked.shape[0] - bias.shape[0]))
    y = F.conv2d(torch.cat(frames, 1), stacked, bias, stride, padding, dilation, stacked.shape[0])
    first, second, *rest = y.chunk(len(frames), 1)  # adding the parts is ten times faster than y.sum
    total = first + second
    for part in rest:
        total.add_(part)
    return total


def tap_major(weight: Tensor) -> Tensor:
    """The same (O, I, kT, kH, kW), laid out in memory so that each slice in time is contiguous.

    A slice of torch's own layout would be copied on every call that uses it.
    """
    return weight.permute(2, 0, 1, 3, 4).contiguous().permute(1, 2, 0, 3, 4)


def rows(x: Tensor) -> Tensor:
    """Frames (B, C, H, W) in `channels_last` as (B, H, W x C): the same memory."""
    return x.permute(0, 2, 3, 1).flatten(2)


def is_rows(x: Tensor) -> bool:
    """Whether `rows(x)` is a view, and worth it: a loop over short runs of channels costs more than the arithmetic."""
    return x.dim() == 4 and x.shape[3] > 8 and x.is_contiguous(memory_format=torch.channels_last)


def row_factors(factors: Tensor, width: int) -> Tensor:
    """One factor a channel (C,) or (B, C), repeated for every pixel of a row: (W x C,) or (B, 1, W x C)."""
    if factors.dim() == 1:
        return factors.repeat(width)
    return factors.repeat(1, width).unsqueeze(1)
