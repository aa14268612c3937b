"""Continual pooling (paper, section 3.4): space first, then time, with the past frames kept in one buffer.

The buffer is copied once a frame. For what is pooled over a long time, 432 numbers a frame in X3D, that is a
hundred kilobytes: a running sum would save microseconds and drift.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .frames import to_clip, to_frames
from .state import Fill, State, Temporal

Kind = Literal["avg", "max"]

_SPACE: dict[str, Callable[..., Tensor]] = {"avg": F.avg_pool2d, "max": F.max_pool2d}
_TIME: dict[str, Callable[[Tensor, int], Tensor]] = {"avg": torch.mean, "max": torch.amax}
_REGULAR: dict[str, Callable[..., Tensor]] = {"avg": F.avg_pool3d, "max": F.max_pool3d}


class SpatialMean(nn.Module):
    """Mean over height and width, kept as 1 x 1: (B, C, H, W) or (B, C, T, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((-2, -1), keepdim=True)


class ClipMean(nn.Module):
    """Mean over time, height and width, kept as 1 x 1 x 1: (B, C, T, H, W) -> (B, C, 1, 1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((-3, -2, -1), keepdim=True)


class Pool3d(nn.Module):
    """`nn.AvgPool3d` or `nn.MaxPool3d`, also by frames.

    kernel_size (kT, kH, kW); stride (sT, sH, sW), by default (1, kH, kW); padding (pT, pH, pW); `dilation` is that
    in time. `pad_time` and the temporal stride are as in `Conv3d`: the regular form pads and skips, the frame form
    does neither, and counts the padding in its delay. `options` go to torch's pool (ceil_mode, count_include_pad).

    Raises ValueError for a padding larger than the reach, and for a step at a temporal stride.
    """

    def __init__(
        self,
        kind: Kind,
        kernel_size: tuple[int, int, int],
        stride: tuple[int, int, int] | None = None,
        padding: tuple[int, int, int] = (0, 0, 0),
        dilation: int = 1,
        *,
        pad_time: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        self.kind: Kind = kind
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else (1, *kernel_size[1:])
        self.padding = padding
        self.dilation = dilation
        self.pad_time = pad_time
        self.options = options
        self.span = dilation * (kernel_size[0] - 1)  # frames it looks back
        if padding[0] > self.span:
            raise ValueError(f"temporal padding {padding[0]} is larger than the pool's reach {self.span}")
        self.state_count = int(self.span > 0)

    @property
    def temporal(self) -> Temporal:
        return Temporal(self.span + 1, self.padding[0], self.stride[0])

    def extra_repr(self) -> str:
        return f"{self.kind}, kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"

    def _space(self, x: Tensor) -> Tensor:
        if self.kernel_size[1:] == self.stride[1:] == (1, 1):
            return x
        return _SPACE[self.kind](x, self.kernel_size[1:], self.stride[1:], self.padding[1:], **self.options)

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        if not self.state_count:
            return ()
        y = self._space(x)
        buffer = y.unsqueeze(1).repeat(1, self.span, 1, 1, 1)  # (B, span, C, H, W)
        return (buffer if fill == "replicate" else torch.zeros_like(buffer),)

    def forward(self, x: Tensor, state: State | None = None):
        if self.stride[0] != 1 or (self.pad_time and self.padding[0]):
            if x.dim() == 4 or state is not None:
                raise ValueError("a pool that skips or pads frames has no steps; `convert` makes the frame form")
            x = x.contiguous(memory_format=torch.channels_last_3d)  # as torch's own pools want several clips
            return _REGULAR[self.kind](x, self.kernel_size, self.stride, self.padding, **self.options)
        if x.dim() == 4:
            y = self._space(x)
            if not self.state_count:
                return y
            if state is None:
                raise ValueError("a frame (4-D) needs the layer's state; without it pass a clip (5-D)")
            window = torch.cat((state[0], y.unsqueeze(1)), dim=1)
            return _TIME[self.kind](window[:, :: self.dilation], 1), (window[:, 1:],)
        y = to_clip(self._space(to_frames(x)), x.shape[0])
        if state is None:
            return self._slide(y) if self.state_count else y
        window = torch.cat((state[0].transpose(1, 2), y), dim=2)
        return self._slide(window), (window[:, :, -self.span :].transpose(1, 2).clone(),)

    def _slide(self, x: Tensor) -> Tensor:
        if x.shape[2] <= self.span:
            raise ValueError(f"{x.shape[2]} frames are too few to pool {self.span + 1} of them")
        windows = x.unfold(2, self.span + 1, 1)[..., :: self.dilation]
        return _TIME[self.kind](windows, -1)


class ClipPool(Pool3d):
    """The average of a network over the frames of its clip, at the end (paper, section 4.2).

    What is a type of its own is the role: the frame form may look back over more frames than the clip has.
    """

    def __init__(self, frames: int, dilation: int = 1) -> None:
        super().__init__("avg", (frames, 1, 1), dilation=dilation)
