"""Residuals, and the layers that only had to learn that a frame has no time axis."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .frames import last_frames, to_clip, to_frames
from .state import Fill, Sequential, State, Temporal


def may_overwrite() -> bool:
    """Whether a layer may write into a map that it alone holds: no gradient needs it, and no graph is recorded."""
    return not torch.is_grad_enabled() and not torch.compiler.is_compiling()


class BatchNorm3d(nn.BatchNorm3d):
    """`nn.BatchNorm3d` for clips (B, C, T, H, W) and for frames (B, C, H, W).

    `inplace=True` overwrites its input where no gradient is asked for, as `nn.ReLU(inplace=True)` does: right
    behind a convolution, whose output nobody else holds. It saves a fresh map a layer.
    """

    def __init__(self, num_features: int, *, inplace: bool = False, **options) -> None:
        super().__init__(num_features, **options)
        self.inplace = inplace

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (4, 5):
            raise ValueError(f"expected a frame (4-D) or a clip (5-D), got {input.dim()}-D")

    def forward(self, input: Tensor) -> Tensor:
        if not self.inplace or self.training or not may_overwrite():
            return super().forward(input)
        unused = input.new_empty(0)  # the batch's own statistics, which inference does not compute
        # Several clips by frames: torch has no quick code for them where they lie frame by frame.
        clips = input.dim() == 5 and len(input) > 1
        frames = to_frames(input) if clips else input
        torch.native_batch_norm(
            frames,
            self.weight,
            self.bias,
            self.running_mean,
            self.running_var,
            False,
            0.0,
            self.eps,
            out=(frames, unused, unused),
        )
        return to_clip(frames, len(input)) if clips else input


class Swish(nn.Module):
    """x * sigmoid(x); overwrites x where no gradient is asked for, so it stands behind a layer that made x."""

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x, inplace=may_overwrite())


class Residual(nn.Module):
    """activation(shortcut(x) + branch2(x)), the shortcut delayed as much as the branch delays (section 3.3).

    Where the shortcut projects, the projected frames are kept: never larger than the unprojected, and a quarter
    of them at spatial stride 2.
    """

    def __init__(
        self,
        branch2: Sequential,
        activation: nn.Module,
        branch1_conv: nn.Module | None = None,
        branch1_norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.branch1_conv = branch1_conv
        self.branch1_norm = branch1_norm
        self.branch2 = branch2
        self.activation = activation
        self.state_count = branch2.state_count + self.temporal.delay

    @property
    def temporal(self) -> Temporal:
        return self.branch2.temporal

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.branch1_conv is not None:
            x = self.branch1_conv(x)
        return x if self.branch1_norm is None else self.branch1_norm(x)

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        kept = self._shortcut(x)
        kept = torch.zeros_like(kept) if fill == "zeros" else kept
        return (*self.branch2.initial_state(x, fill), *(kept,) * self.temporal.delay)

    def forward(self, x: Tensor, state: State | None = None):
        shortcut = self._shortcut(x)
        if state is None:
            y = self.branch2(x)
            if (lost := shortcut.shape[2] - y.shape[2]) > 0:  # without temporal padding the branch is shorter
                start = self.temporal.padding
                shortcut = shortcut[:, :, start : shortcut.shape[2] - (lost - start)]
            return self.activation(y.add_(shortcut))
        count = self.branch2.state_count
        y, inner = self.branch2(x, state[:count]) if count else (self.branch2(x), ())
        held = state[count:]
        if not held:
            return self.activation(y.add_(shortcut)), inner
        if x.dim() == 4:
            delayed, held = held[0], (*held[1:], shortcut)
        else:
            window = torch.cat((torch.stack(held, dim=2), shortcut), dim=2)
            delayed = window[:, :, : shortcut.shape[2]]
            held = last_frames(window, len(held))
        return self.activation(y.add_(delayed)), (*inner, *held)


class Projection(nn.Linear):
    """The classifier: `nn.Linear` over the channels of (B, C, 1, 1) or (B, C, T, 1, 1), shape kept."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)
