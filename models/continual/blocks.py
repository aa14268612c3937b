"""Residuals, and the layers that only had to learn that a frame has no time axis."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conv import Conv3d
from .frames import last_frames, with_past
from .state import Fill, Sequential, State, Temporal


class BatchNorm3d(nn.BatchNorm3d):
    """`nn.BatchNorm3d` for clips (B, C, T, H, W) and for frames (B, C, H, W)."""

    batch_norm: Callable[..., Tensor] = staticmethod(F.batch_norm)  # by the running statistics; see `tuning.py`

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (4, 5):
            raise ValueError(f"expected a frame (4-D) or a clip (5-D), got {input.dim()}-D")

    def forward(self, input: Tensor) -> Tensor:
        if self.training or (mean := self.running_mean) is None:
            return super().forward(input)
        return self.batch_norm(input, mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)


class Swish(nn.Module):
    """x * sigmoid(x)."""

    silu: Callable[[Tensor], Tensor] = staticmethod(F.silu)

    def forward(self, x: Tensor) -> Tensor:
        return self.silu(x)


class Residual(nn.Module):
    """activation(shortcut(x) + branch2(x)), the shortcut delayed as much as the branch delays (section 3.3).

    Where the shortcut projects, the projected frames are kept: never larger than the unprojected, and a quarter
    of them at spatial stride 2. `branch1_conv` may be a chain of layers without state.
    """

    add: Callable[[Tensor, Tensor], Tensor] = staticmethod(torch.add)

    def __init__(
        self,
        branch2: Sequential,
        activation: nn.Module,
        branch1_conv: Conv3d | Sequential | None = None,
        branch1_norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.branch1_conv = branch1_conv
        self.branch1_norm = branch1_norm
        self.branch2 = branch2
        self.activation = activation
        self.delay = self.temporal.delay
        self.state_count = branch2.state_count + self.delay

    @property
    def temporal(self) -> Temporal:
        return self.branch2.temporal

    def forward(self, clip: Tensor) -> Tensor:
        shortcut = self._normed(self.branch1_conv(clip) if self.branch1_conv is not None else clip)
        y = self.branch2(clip)
        if (lost := shortcut.shape[2] - y.shape[2]) > 0:  # without temporal padding the branch is shorter
            start = self.temporal.padding
            shortcut = shortcut[:, :, start : shortcut.shape[2] - (lost - start)]
        return self.activation(self.add(y, shortcut))

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        kept = self._shortcut_of_frame(x)
        kept = torch.zeros_like(kept) if fill == "zeros" else kept
        return (*self.branch2.initial_state(x, fill), *(kept,) * self.delay)

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:
        count = self.branch2.state_count
        delayed, *held = *state[count:], self._shortcut_of_frame(frame)
        y, inner = self.branch2.step(frame, state[:count])
        return self.activation(self.add(y, delayed)), (*inner, *held)

    def steps(self, clip: Tensor, state: State) -> tuple[Tensor, State]:
        count = self.branch2.state_count
        shortcut = self.branch1_conv.steps(clip, ())[0] if self.branch1_conv is not None else clip
        window = with_past(state[count:], self._normed(shortcut))
        y, inner = self.branch2.steps(clip, state[:count])
        y = self.activation(self.add(y, window[:, :, : clip.shape[2]]))
        return y, (*inner, *last_frames(window, self.delay))

    def _shortcut_of_frame(self, frame: Tensor) -> Tensor:
        return self._normed(self.branch1_conv.step(frame, ())[0] if self.branch1_conv is not None else frame)

    def _normed(self, shortcut: Tensor) -> Tensor:
        return shortcut if self.branch1_norm is None else self.branch1_norm(shortcut)


class Projection(nn.Linear):
    """The classifier: `nn.Linear` over the channels of (B, C, 1, 1) or (B, C, T, 1, 1), shape kept."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)
