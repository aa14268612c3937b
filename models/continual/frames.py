"""One two-dimensional convolution over many frames: the only arithmetic the continual layers are made of.

Everything here works on frames-first views. A clip (B, C, T, H, W) in `channels_last_3d` is, byte for byte,
B x T images in `channels_last`, so the views below cost nothing there.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def to_frames(clip: Tensor) -> Tensor:
    """(B, C, T, H, W) -> (B x T, C, H, W)."""
    return clip.transpose(1, 2).flatten(0, 1)


def to_clip(frames: Tensor, batch: int) -> Tensor:
    """(B x T, C, H, W) -> (B, C, T, H, W)."""
    return frames.unflatten(0, (batch, -1)).transpose(1, 2)


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int]) -> Tensor:
    """1 x 1 convolution (N, I, H, W) -> (N, O, H', W') as one matrix product over the pixels.

    On a CPU this is about twice as fast as the convolution call on the small maps of video networks: a
    convolution picks and reorders on every call, a matrix product starts at once.
    """
    if stride != (1, 1):
        x = x[:, :, :: stride[0], :: stride[1]]
    return F.linear(x.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
) -> Tensor:
    """2D convolution (N, I, H, W) x (O, I / groups, kH, kW) -> (N, O, H', W'), by the quickest equal way."""
    if weight.shape[2:] == (1, 1) and padding == (0, 0):
        if groups == 1:
            return pointwise(x, weight, bias, stride)
        if weight.shape[0] == groups == x.shape[1] and stride == (1, 1):
            scaled = x * weight.view(1, -1, 1, 1)
            return scaled if bias is None else scaled + bias.view(1, -1, 1, 1)
    return F.conv2d(x, weight, bias, stride, padding, dilation, groups)


def frame_major(weight: Tensor) -> Tensor:
    """Depthwise weights (C, 1, kT, kH, kW) -> (kT x C, 1, kH, kW), for kT frames side by side as channels."""
    return weight.permute(2, 0, 1, 3, 4).flatten(0, 1)


def sum_of_thirds(y: Tensor, parts: int) -> Tensor:
    """(B, parts x C, H, W) -> (B, C, H, W): adds the blocks of channels."""
    first, *rest = y.chunk(parts, dim=1)
    total = first + rest[0] if rest else first
    for part in rest[1:]:
        total.add_(part)
    return total


def stack_time(frames: tuple[Tensor, ...] | list[Tensor]) -> Tensor:
    """Frames (B, C, H, W) -> a clip (B, C, T, H, W)."""
    return torch.stack(list(frames), dim=2)
