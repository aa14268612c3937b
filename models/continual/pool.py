"""Continual pooling (paper, section 3.4): space first, then time, with the past frames kept in one buffer.

The buffer is copied once a frame. For what is pooled over a long time, 432 numbers a frame in X3D, that is a
hundred kilobytes: a running sum would save microseconds and drift.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .frames import to_clip, to_frames
from .state import Fill, State, Temporal

Kind = Literal["avg", "max"]

_SPACE: dict[str, Callable[..., Tensor]] = {"avg": F.avg_pool2d, "max": F.max_pool2d}
_TIME: dict[str, Callable[[Tensor, int], Tensor]] = {"avg": torch.mean, "max": torch.amax}


class SpatialMean(nn.Module):
    """Mean over height and width, kept as 1 x 1: (B, C, H, W) or (B, C, T, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((-2, -1), keepdim=True)


class ClipMean(nn.Module):
    """Mean over time, height and width, kept as 1 x 1 x 1: (B, C, T, H, W) -> (B, C, 1, 1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((-3, -2, -1), keepdim=True)


class Pool3d(nn.Module):
    """`nn.AvgPool3d` or `nn.MaxPool3d` at temporal stride 1 and without temporal padding, also by frames.

    kernel_size (kT, kH, kW); stride (1, sH, sW), by default (1, kH, kW); padding (0, pH, pW).
    """

    def __init__(
        self,
        kind: Kind,
        kernel_size: tuple[int, int, int],
        stride: tuple[int, int, int] | None = None,
        padding: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        super().__init__()
        self.kind = kind
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else (1, *kernel_size[1:])
        self.padding = padding
        if self.stride[0] != 1 or padding[0] != 0:
            raise ValueError(
                f"temporal stride {self.stride[0]} and padding {padding[0]}: a continual pool needs 1 and 0"
            )
        self.state_count = int(kernel_size[0] > 1)

    @property
    def temporal(self) -> Temporal:
        return Temporal(self.kernel_size[0])

    def extra_repr(self) -> str:
        return f"{self.kind}, kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"

    def _space(self, x: Tensor) -> Tensor:
        if self.kernel_size[1:] == self.stride[1:] == (1, 1):
            return x
        return _SPACE[self.kind](x, self.kernel_size[1:], self.stride[1:], self.padding[1:])

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        if not self.state_count:
            return ()
        y = self._space(x)
        buffer = y.unsqueeze(1).repeat(1, self.kernel_size[0] - 1, 1, 1, 1)  # (B, kT - 1, C, H, W)
        return (buffer if fill == "replicate" else torch.zeros_like(buffer),)

    def forward(self, x: Tensor, state: State | None = None):
        if x.dim() == 4:
            y = self._space(x)
            if not self.state_count:
                return y
            if state is None:
                raise ValueError("a frame (4-D) needs the layer's state; without it pass a clip (5-D)")
            window = torch.cat((state[0], y.unsqueeze(1)), dim=1)
            return _TIME[self.kind](window, 1), (window[:, 1:],)
        y = to_clip(self._space(to_frames(x)), x.shape[0])
        if state is None:
            return self._slide(y) if self.state_count else y
        window = torch.cat((state[0].transpose(1, 2), y), dim=2)
        return self._slide(window), (window[:, :, 1 - self.kernel_size[0] :].transpose(1, 2).clone(),)

    def _slide(self, x: Tensor) -> Tensor:
        if x.shape[2] < self.kernel_size[0]:
            raise ValueError(f"{x.shape[2]} frames are too few to pool {self.kernel_size[0]} of them")
        return _TIME[self.kind](x.unfold(2, self.kernel_size[0], 1), -1)
