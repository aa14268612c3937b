"""Continual 3D convolution (paper, section 3.2): k_T two-dimensional convolutions a frame, and no more.

The form printed in the paper's listing 1.1 pads each frame in time and runs the 3D kernel over it, which
costs k_T times the multiply-accumulates of equation (4). Here either the last frames of the input are kept and
convolved with their slices of the kernel, or the running sums of the outputs to come are: whichever is smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .frames import check_clip, last_frames, with_past
from .state import Fill, State, Temporal


def conv_frames(
    frames: Sequence[Tensor], weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    """One frame (B, C, H, W) under each slice in time of `weight` (O, I, kT, kH, kW): the sum of kT convolutions."""
    y = F.conv2d(frames[0], weight.select(2, 0), bias, stride, padding, dilation, groups)
    for index in range(1, len(frames)):
        y = y + F.conv2d(frames[index], weight.select(2, index), None, stride, padding, dilation, groups)
    return y


class Conv3d(nn.Conv3d):
    """`nn.Conv3d`, same parameters and same names, that can also be stepped frame by frame.

    `pad_time` says what the clip form does in time: pad with zeros as a regular network is trained (True), or not
    pad, which is what the frame form equals (False; section 3.5). `padding[0]` counts towards the delay in both
    cases. A temporal stride belongs to the regular form only: a frame network skips no frame, and `convert` spreads
    the kernels behind the stride instead.

    Raises ValueError for a padding mode or a padding that has no frame form, and for a step at a temporal stride.
    """

    # What computes it; `tuning.py` puts quicker functions of the same signatures here.
    conv3d: Callable[..., Tensor] = staticmethod(F.conv3d)
    conv2d: Callable[..., Tensor] = staticmethod(F.conv2d)
    conv_frames: Callable[..., Tensor] = staticmethod(conv_frames)

    def __init__(self, *args, pad_time: bool = True, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.padding, str):
            raise ValueError(f"padding={self.padding!r}: give the padding as numbers")
        if self.padding_mode != "zeros":
            raise ValueError(f"padding_mode={self.padding_mode!r} has no frame form; only zeros has")
        self.pad_time = pad_time
        self.time_padding = int(self.padding[0])
        self.in_space = (self.stride[1:], self.padding[1:], self.dilation[1:], self.groups)  # within one frame
        self.span = self.dilation[0] * (self.kernel_size[0] - 1)  # past frames it needs
        if self.time_padding > self.span:
            raise ValueError(f"temporal padding {self.time_padding} is larger than the kernel's reach {self.span}")
        self.state_count = self.span
        # At spatial stride s a frame of the input has s x s pixels for each one of the output.
        self.keeps_inputs = self.span == 0 or self.in_channels * self.stride[1] * self.stride[2] <= self.out_channels

    @property
    def temporal(self) -> Temporal:
        return Temporal(self.span + 1, self.time_padding, self.stride[0])

    def forward(self, clip: Tensor) -> Tensor:  # type: ignore[override]
        return self._clip(clip, self.time_padding if self.pad_time else 0, self.bias)

    def _clip(self, clip: Tensor, padding: int, bias: Tensor | None) -> Tensor:
        check_clip(clip)
        if clip.shape[2] + 2 * padding <= self.span:
            raise ValueError(f"a clip of {clip.shape[2]} frames is too short for a kernel that reaches {self.span + 1}")
        return self.conv3d(
            clip, self.weight, bias, self.stride, (padding, *self.padding[1:]), self.dilation, self.groups
        )

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        if self.keeps_inputs:
            return (x if fill == "replicate" else torch.zeros_like(x),) * self.span
        taps = [self._tap(x, index) for index in range(self.kernel_size[0])]
        empty = torch.zeros_like(taps[0])
        if self.bias is not None:  # comes with the first tap, which these outputs have behind them
            empty = empty + self.bias.view(-1, 1, 1)
        if fill == "zeros":
            return (empty,) * self.span
        # Slot i is the output due at the i-th coming frame. Of a picture that never changed it already holds
        # every tap whose frame lies in the past.
        return tuple(
            sum((tap for j, tap in enumerate(taps) if self.span - j * self.dilation[0] > slot), start=empty)
            for slot in range(self.span)
        )

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:
        self._check_steps()
        if self.keeps_inputs:
            window = (*state, frame)
            return self.conv_frames(window[:: self.dilation[0]], self.weight, self.bias, *self.in_space), window[1:]
        # The newest frame's first tap, and the bias with it, is all there is of the farthest output.
        due = [*state, self._tap(frame, 0, self.bias)]
        for index in range(1, self.kernel_size[0]):
            slot = self.span - index * self.dilation[0]
            due[slot] = due[slot] + self._tap(frame, index)
        return due[0], tuple(due[1:])

    def steps(self, clip: Tensor, state: State) -> tuple[Tensor, State]:
        self._check_steps()
        if self.keeps_inputs:
            window = with_past(state, clip)
            return self._clip(window, 0, self.bias), last_frames(window, self.span)
        # Padded by its whole reach, the kernel gives what these frames add to every output that they are part of.
        due = self._clip(clip, self.span, None)
        if self.bias is not None:  # the outputs in the state have theirs
            due[:, :, self.span :] += self.bias.view(-1, 1, 1, 1)
        due[:, :, : self.span] += torch.stack(state, 2)
        return due[:, :, : clip.shape[2]], last_frames(due, self.span)

    def _tap(self, frame: Tensor, index: int, bias: Tensor | None = None) -> Tensor:
        """A frame (B, C, H, W) under the kernel's slice at time `index`."""
        return self.conv2d(frame, self.weight.select(2, index), bias, *self.in_space)

    def _check_steps(self) -> None:
        if self.stride[0] != 1:
            raise ValueError(f"temporal stride {self.stride[0]} skips frames; `convert` makes the frame form")
