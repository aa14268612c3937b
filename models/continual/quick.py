"""Quicker ways to do what the layers do, by functions of the same signatures. `tuning.py` says which layer gets which.

For eager PyTorch on a CPU. The first half computes a convolution otherwise than torch's call does; the second half
writes into its first argument, where no gradient needs that and no graph is being recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .frames import to_clip, to_frames
from .pool import Kind, pool3d, pool_space, pool_time

# A tap: frames (N, C, H, W) or clips (B, C, T, H, W), a slice of the kernel (O, I, kH, kW) or a kernel of one slice,
# bias, stride, padding, dilation and groups as for F.conv2d, and `onto`: a tensor to add the result to, in place.
Tap = Callable[..., Tensor]

# Dimension orders that move the channels to the end, and back, for frames, one clip and several.
_CHANNELS_LAST = {"frames": (0, 2, 3, 1), "clip": (0, 2, 3, 4, 1), "clips": (2, 0, 3, 4, 1)}
_CHANNELS_SECOND = {"frames": (0, 3, 1, 2), "clip": (0, 4, 1, 2, 3), "clips": (1, 4, 0, 2, 3)}

# Below this many elements of one frame, starting a convolution costs more than copying the frames
# side by side and convolving them in one call (on a CPU: tests/speed/depthwise_steps.py).
SIDE_BY_SIDE_ELEMENTS = 80_000


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None, *in_space: Any, onto: Tensor | None = None) -> Tensor:
    """torch's own."""
    weight = weight if weight.dim() == 4 else weight.squeeze(2)
    y = F.conv2d(x if x.dim() == 4 else to_frames(x), weight, bias, *in_space)
    y = y if x.dim() == 4 else to_clip(y, len(x))
    return y if onto is None else onto.add_(y)


def matrix_product(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int], *_: Any, onto: Tensor | None = None
) -> Tensor:
    """A 1 x 1 convolution as one matrix product over the pixels.

    About twice as fast as the convolution call on the small feature maps of video networks: a convolution reorders its
    weights on every call, a matrix product starts at once.
    """
    if stride != (1, 1):
        x = x[..., :: stride[0], :: stride[1]]
    lies = "frames" if x.dim() == 4 else "clip" if len(x) == 1 else "clips"
    y = F.linear(x.permute(_CHANNELS_LAST[lies]), weight.flatten(1), bias).permute(_CHANNELS_SECOND[lies])
    return y if onto is None else onto.add_(y)


def scaling(x: Tensor, weight: Tensor, bias: Tensor | None, *_: Any, onto: Tensor | None = None) -> Tensor:
    """A depthwise 1 x 1 convolution: a factor for each channel."""
    factors = weight.flatten()
    if onto is None:
        y = x * _per_channel(factors, x)
        return y if bias is None else y.add_(_per_channel(bias, y))
    if _is_rows(x) and _is_rows(onto):
        _rows(onto).addcmul_(_rows(x), factors.repeat(x.shape[3]))
        return onto
    return onto.addcmul_(x, _per_channel(factors, x))


def conv_frames(tap: Tap, frames: Sequence[Tensor], weight: Tensor, bias: Tensor | None, *in_space: Any) -> Tensor:
    """One frame under each slice of the kernel, summed in place."""
    if len(frames) == 1:
        return tap(frames[0], weight, bias, *in_space)
    y = tap(frames[0], weight.select(2, 0), bias, *in_space)
    for index in range(1, len(frames)):
        tap(frames[index], weight.select(2, index), None, *in_space, onto=y)
    return y


def conv_side_by_side(frames: Sequence[Tensor], weight: Tensor, bias: Tensor | None, *in_space: Any) -> Tensor:
    """Depthwise: small frames are put side by side as channels, so that one call does the work of kT."""
    if len(frames) == 1 or frames[0][0].numel() >= SIDE_BY_SIDE_ELEMENTS:
        return conv_frames(convolution, frames, weight, bias, *in_space)
    stacked = weight.permute(2, 0, 1, 3, 4).flatten(0, 1)  # (kT x C, 1, kH, kW)
    if bias is not None:  # once, with the first frame
        bias = F.pad(bias, (0, len(stacked) - len(bias)))
    stride, padding, dilation, _ = in_space
    y = F.conv2d(torch.cat(tuple(frames), 1), stacked, bias, stride, padding, dilation, len(stacked))
    first, second, *rest = y.chunk(len(frames), 1)  # adding the parts is ten times faster than y.sum
    total = first + second
    for part in rest:
        total.add_(part)
    return total


def conv_clip(
    tap: Tap,
    clip: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, int, int],
    padding: tuple[int, int, int],
    dilation: tuple[int, int, int],
    groups: int,
) -> Tensor:
    """As F.conv3d, slice after slice of the kernel on all frames under it at once."""
    frames, kernel, step = clip.shape[2], weight.shape[2], stride[0]
    in_space = (stride[1:], padding[1:], dilation[1:], groups)
    if kernel == 1:
        return tap(clip if step == 1 else clip[:, :, ::step], weight, bias, *in_space)
    outputs = (frames + 2 * padding[0] - dilation[0] * (kernel - 1) - 1) // step + 1
    # Tap j of output t reads frame t x step + shift; outside the clip there is nothing to add.
    shifts = [index * dilation[0] - padding[0] for index in range(kernel)]
    ranges = [(max(0, -(shift // step)), min(outputs, -((shift - frames) // step))) for shift in shifts]
    # The tap that covers most outputs first: mostly it covers all, and the sum can start from it.
    total: Tensor | None = None
    for index in sorted(range(kernel), key=lambda index: ranges[index][0] - ranges[index][1]):
        start, stop = ranges[index]
        if start >= stop:
            continue
        first = start * step + shifts[index]
        seen = clip[:, :, first : first + (stop - start - 1) * step + 1 : step]
        slice_ = weight.select(2, index)
        if total is not None:
            tap(seen, slice_, None, *in_space, onto=total[:, :, start:stop])
            continue
        everywhere = (start, stop) == (0, outputs)
        total = tap(seen, slice_, bias if everywhere else None, *in_space)
        if not everywhere:
            total = F.pad(total, (0, 0, 0, 0, start, outputs - stop))
            total = total if bias is None else total.add_(_per_channel(bias, total))
    if total is None:  # no tap falls on a frame
        return F.conv3d(clip, weight, bias, stride, padding, dilation, groups)
    return total


def pool3d_by_frames(
    kind: Kind, clip: Tensor, kernel_size: Any, stride: Any, padding: Any, options: dict[str, Any]
) -> Tensor:
    """In space, then in time, where neither padding nor a stride in time ties the two together."""
    if stride[0] != 1 or padding[0]:
        clip = clip.contiguous(memory_format=torch.channels_last_3d)  # as torch's own pools want several clips
        return pool3d(kind, clip, kernel_size, stride, padding, options)
    y = to_clip(pool_space(kind, to_frames(clip), kernel_size, stride, padding, options), clip.shape[0])
    return y if kernel_size[0] == 1 else pool_time(kind, y, kernel_size[0] - 1)


def may_overwrite() -> bool:
    """Whether a tensor that nothing else uses may be overwritten: no gradient needs it, and no graph is recorded."""
    return not torch.is_grad_enabled() and not torch.compiler.is_compiling()


def batch_norm_(x: Tensor, mean: Any, variance: Any, weight: Any, bias: Any, training: bool, *rest: Any) -> Tensor:
    """F.batch_norm onto its input; saves one tensor per layer."""
    if training or not may_overwrite():
        return F.batch_norm(x, mean, variance, weight, bias, training, *rest)
    unused = x.new_empty(0)  # the batch's own statistics, which inference does not compute
    # Several clips by frames: torch has no quick code for them where they lie frame by frame.
    clips = x.dim() == 5 and len(x) > 1
    frames = to_frames(x) if clips else x
    torch.native_batch_norm(frames, weight, bias, mean, variance, False, *rest, out=(frames, unused, unused))
    return to_clip(frames, len(x)) if clips else x


def silu_(x: Tensor) -> Tensor:
    """F.silu onto its input."""
    return F.silu(x, inplace=may_overwrite())


def add_(x: Tensor, y: Tensor) -> Tensor:
    """torch.add onto the first."""
    return x.add_(y) if may_overwrite() else x + y


def scale_(x: Tensor, factors: Tensor) -> Tensor:
    """torch.mul onto the first; the second is one factor a channel, (B, C, 1, 1) or (B, C, 1, 1, 1)."""
    if not may_overwrite():
        return x * factors
    if _is_rows(x):
        _rows(x).mul_(factors.flatten(1).repeat(1, x.shape[3]).unsqueeze(1))
        return x
    return x.mul_(factors)


def _per_channel(values: Tensor, like: Tensor) -> Tensor:
    """One value a channel, shaped to be broadcast over frames or clips."""
    return values.view(-1, 1, 1) if like.dim() == 4 else values.view(-1, 1, 1, 1)


def _rows(x: Tensor) -> Tensor:
    """Frames (B, C, H, W) in `channels_last` as (B, H, W x C): the same memory."""
    return x.permute(0, 2, 3, 1).flatten(2)


def _is_rows(x: Tensor) -> bool:
    """Whether `_rows(x)` is a view, and worth it: a loop over short runs of channels costs more than the arithmetic."""
    return x.dim() == 4 and x.shape[3] > 8 and x.is_contiguous(memory_format=torch.channels_last)
