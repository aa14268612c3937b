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

from .frames import check_clip, to_clip, to_frames
from .state import Fill, State, Temporal

Kind = Literal["avg", "max"]

_SPACE: dict[str, Callable[..., Tensor]] = {"avg": F.avg_pool2d, "max": F.max_pool2d}
_TIME: dict[str, Callable[[Tensor, int], Tensor]] = {"avg": torch.mean, "max": torch.amax}
_REGULAR: dict[str, Callable[..., Tensor]] = {"avg": F.avg_pool3d, "max": F.max_pool3d}


def spatial_mean(x: Tensor) -> Tensor:
    """Mean over height and width, kept as 1 x 1."""
    return x.mean((-2, -1), keepdim=True)


def pool_space(kind: Kind, x: Tensor, kernel_size: Any, stride: Any, padding: Any, options: dict[str, Any]) -> Tensor:
    """Frames (N, C, H, W) pooled in space; the three sizes are (time, height, width)."""
    if kernel_size[1:] == stride[1:] == (1, 1):
        return x
    return _SPACE[kind](x, kernel_size[1:], stride[1:], padding[1:], **options)


def pool_time(kind: Kind, clip: Tensor, span: int, dilation: int = 1) -> Tensor:
    """Over each `span` + 1 frames in a row, of which every `dilation`-th counts."""
    return _TIME[kind](clip.unfold(2, span + 1, 1)[..., ::dilation], -1)


def pool3d(kind: Kind, clip: Tensor, kernel_size: Any, stride: Any, padding: Any, options: dict[str, Any]) -> Tensor:
    """torch's own."""
    return _REGULAR[kind](clip, kernel_size, stride, padding, **options)


class SpatialMean(nn.Module):
    """Mean over height and width, kept as 1 x 1: (B, C, H, W) or (B, C, T, H, W)."""

    mean: Callable[[Tensor], Tensor] = staticmethod(spatial_mean)  # `tuning.py` may put another one here

    def forward(self, x: Tensor) -> Tensor:
        return self.mean(x)


class ClipMean(nn.Module):
    """Mean over time, height and width, kept as 1 x 1 x 1: (B, C, T, H, W) -> (B, C, 1, 1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((-3, -2, -1), keepdim=True)


class Pool3d(nn.Module):
    """`nn.AvgPool3d` or `nn.MaxPool3d`, also by frames.

    kernel_size (kT, kH, kW); stride (sT, sH, sW), by default (1, kH, kW); padding (pT, pH, pW); `dilation` is that
    in time. `pad_time` and the temporal stride are as in `Conv3d`: the regular form pads and skips, the frame form
    does neither, and counts the padding in its delay. `options` go to torch's pool (ceil_mode, count_include_pad).

    Raises ValueError for a padding larger than the reach, for a dilated pool that pads or skips frames, and for a step
    at a temporal stride.
    """

    pool3d: Callable[..., Tensor] = staticmethod(pool3d)  # of a clip; `tuning.py` may put another one here

    def __init__(
        self,
        kind: Kind,
        kernel_size: tuple[int, int, int],
        stride: tuple[int, int, int] | None = None,
        padding: tuple[int, int, int] = (0, 0, 0),
        dilation: int = 1,
        *,
        pad_time: bool = True,
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
        self.span = dilation * (kernel_size[0] - 1)  # past frames it needs
        if padding[0] > self.span:
            raise ValueError(f"temporal padding {padding[0]} is larger than the pool's reach {self.span}")
        if dilation != 1 and ((pad_time and padding[0]) or self.stride[0] != 1):
            raise ValueError("a dilated pool neither pads nor skips frames")
        self.state_count = int(self.span > 0)

    @property
    def temporal(self) -> Temporal:
        return Temporal(self.span + 1, self.padding[0], self.stride[0])

    def extra_repr(self) -> str:
        return f"{self.kind}, kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"

    def forward(self, clip: Tensor) -> Tensor:
        check_clip(clip)
        padding = self.padding[0] if self.pad_time else 0
        if clip.shape[2] + 2 * padding <= self.span:
            raise ValueError(f"{clip.shape[2]} frames are too few to pool {self.span + 1} of them")
        if self.dilation != 1:
            return pool_time(self.kind, self._space_of_clip(clip), self.span, self.dilation)
        return self.pool3d(self.kind, clip, self.kernel_size, self.stride, (padding, *self.padding[1:]), self.options)

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        if not self.state_count:
            return ()
        buffer = self._space(x).unsqueeze(1).repeat(1, self.span, 1, 1, 1)  # (B, span, C, H, W)
        return (buffer if fill == "replicate" else torch.zeros_like(buffer),)

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:
        self._check_steps()
        y = self._space(frame)
        if not self.state_count:
            return y, ()
        window = torch.cat((state[0], y.unsqueeze(1)), dim=1)
        return _TIME[self.kind](window[:, :: self.dilation], 1), (window[:, 1:],)

    def steps(self, clip: Tensor, state: State) -> tuple[Tensor, State]:
        self._check_steps()
        y = self._space_of_clip(clip)
        if not self.state_count:
            return y, ()
        window = torch.cat((state[0].transpose(1, 2), y), dim=2)
        new = window[:, :, -self.span :].transpose(1, 2).clone()
        return pool_time(self.kind, window, self.span, self.dilation), (new,)

    def _space(self, frames: Tensor) -> Tensor:
        return pool_space(self.kind, frames, self.kernel_size, self.stride, self.padding, self.options)

    def _space_of_clip(self, clip: Tensor) -> Tensor:
        return to_clip(self._space(to_frames(clip)), clip.shape[0])

    def _check_steps(self) -> None:
        if self.stride[0] != 1:
            raise ValueError(f"temporal stride {self.stride[0]} skips frames; `convert` makes the frame form")


class ClipPool(Pool3d):
    """The average of a network over the frames of its clip, at the end (paper, section 4.2).

    It is a type of its own for its role: the frame form may average over more frames than the clip has.
    """

    def __init__(self, frames: int, dilation: int = 1) -> None:
        super().__init__("avg", (frames, 1, 1), dilation=dilation)
