"""Layers of networks that look at no frame to come (MoViNet, arxiv.org/abs/2103.11511): a convolution that pads before
the first frame alone, an average over all frames so far, and what TensorFlow's mobile networks have besides.

A clip is what its steps are from a state of zeros: as many answers as frames, from the first one on.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conv import Conv3d
from .frames import check_clip, to_clip, to_frames
from .state import Fill, State, Temporal


class CausalConv3d(Conv3d):
    """`Conv3d` that waits for nothing: its whole reach counts as padding, and lies before the first frame.

    (B, C, T, H, W) -> (B, O, T, H', W'). `padding` is that in space, (pH, pW).
    """

    def __init__(
        self,
        channels_in: int,
        channels: int,
        kernel_size: tuple[int, int, int],
        padding: tuple[int, int] = (0, 0),
        **options: Any,
    ) -> None:
        before = kernel_size[0] - 1
        super().__init__(channels_in, channels, kernel_size, padding=(before, *padding), pad_time=False, **options)

    def forward(self, clip: Tensor) -> Tensor:
        check_clip(clip)
        return self._clip(F.pad(clip, (0, 0, 0, 0, self.span, 0)), 0, self.bias)


class CumulativeMean(nn.Module):
    """The mean of a frame and of all before it since its state began: (B, C, H, W), or each frame of (B, C, T, H, W).

    Every frame counts alike, so one frame moves it by 1 / n after n frames, and nothing is ever forgotten. It begins
    anew where the state does, and never by itself. `beside` hands on the frame as well, behind the mean: 2 C channels.

    State: that mean, and for each stream the number of frames it is of, (B, 1, 1, 1). The mean is kept rather than the
    sum, so that it stays as exact as its inputs; from 16,777,216 frames on, 2,048 in float16 and 256 in bfloat16, the
    number no longer grows: the mean slowly forgets, and loses changes that are smaller than its rounding. A still
    picture's mean is that picture, however long it was shown, so both fills begin at no frames.
    """

    def __init__(self, *, beside: bool = False) -> None:
        super().__init__()
        self.beside = beside
        self.state_count = 2

    @property
    def temporal(self) -> Temporal:
        return Temporal(endless=True)

    def extra_repr(self) -> str:
        return "beside the frame" if self.beside else ""

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        return torch.zeros_like(x), x.new_zeros((x.shape[0], 1, 1, 1))

    def forward(self, clip: Tensor) -> Tensor:
        return self.steps(clip, self.initial_state(clip[:, :, 0], "zeros"))[0]

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:
        mean, count = state
        count = count + 1
        mean = mean + (frame - mean) / count
        return self._result(mean, frame), (mean, count)

    def steps(self, clip: Tensor, state: State) -> tuple[Tensor, State]:
        mean, count = (part.unsqueeze(2) for part in state)
        counts = count + torch.arange(1, clip.shape[2] + 1, dtype=clip.dtype, device=clip.device).view(1, 1, -1, 1, 1)
        means = mean + (clip - mean).cumsum(2) / counts
        return self._result(means, clip), (means[:, :, -1].clone(), counts[:, :, -1].clone())

    def _result(self, mean: Tensor, x: Tensor) -> Tensor:
        return torch.cat((mean, x), 1) if self.beside else mean


class SamePadding(nn.Module):
    """The zeros around frames or clips before a convolution of stride 2, as TensorFlow's `same` counts them.

    One row and column behind the last, and one before the first where the size is odd; the convolution itself pads by
    (k - 3) / 2.
    """

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        return F.pad(x, (width % 2, 1, height % 2, 1))


class SameMean(nn.Module):
    """The mean over 3 x 3 pixels at stride 2 of frames or clips, of those that are there: TensorFlow's `same`."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 5:
            return to_clip(self(to_frames(x)), len(x))
        height, width = x.shape[-2:]
        return F.avg_pool2d(x, 3, 2, (height % 2, width % 2), ceil_mode=True, count_include_pad=False)


class HardSigmoid(nn.Module):
    """TensorFlow's, from 0 at -2.5 to 1 at 2.5; torch's goes from -3 to 3."""

    def forward(self, x: Tensor) -> Tensor:
        return F.hardsigmoid(1.2 * x)


class Scale(nn.Module):
    """One factor for everything, `alpha`, by which a residual's branch counts (ReZero, arxiv.org/abs/2003.04887).

    It begins at 1, so that random weights carry a signal; its authors train from 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.alpha
