"""Continual 3D convolution (paper, section 3.2): k_T two-dimensional convolutions a frame, and no more.

The form printed in the paper's listing 1.1 pads each frame in time and runs the 3D kernel over it, which
costs k_T times the multiply-accumulates of equation (4). Here either the last frames of the input are kept and
convolved with their slices of the kernel, or the running sums of the outputs to come are: whichever is smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .frames import (
    depthwise_side_by_side,
    is_rows,
    last_frames,
    pointwise,
    row_factors,
    rows,
    stack_time,
    tap_major,
    to_clip,
    to_frames,
)
from .state import Fill, State, Temporal

# Below this many elements of one frame's map, starting a convolution costs more than copying the frames
# side by side and convolving them in one call (on a CPU: tests/speed/depthwise_steps.py).
SIDE_BY_SIDE_ELEMENTS = 80_000


class InSpace(NamedTuple):
    """What a convolution does within one frame, (height, width) each."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]


def _pair(values: Sequence[int | str]) -> tuple[int, int]:
    """The spatial part of (time, height, width)."""
    _, height, width = values
    return int(height), int(width)


class Conv3d(nn.Conv3d):
    """`nn.Conv3d`, same parameters and same names, that can also be stepped frame by frame.

    `pad_time` says what the clip form does in time: pad with zeros as a regular network is trained (True), or not
    pad, which is what the frame form equals (False; section 3.5). `padding[0]` counts towards the delay in both
    cases. A temporal stride belongs to the regular form only: a frame network skips no frame, and `convert` spreads
    the kernels behind the stride instead.

    Raises ValueError for a padding mode or a padding that has no frame form, and for a step at a temporal stride.
    """

    def __init__(self, *args, pad_time: bool = True, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.weight = nn.Parameter(tap_major(self.weight.detach()))
        if isinstance(self.padding, str):
            raise ValueError(f"padding={self.padding!r}: give the padding as numbers")
        if self.padding_mode != "zeros":
            raise ValueError(f"padding_mode={self.padding_mode!r} has no frame form; only zeros has")
        self.pad_time = pad_time
        self.time_padding = int(self.padding[0])
        self.in_space = InSpace(_pair(self.stride), _pair(self.padding), _pair(self.dilation))
        self.span = self.dilation[0] * (self.kernel_size[0] - 1)  # frames it looks back
        if self.time_padding > self.span:
            raise ValueError(f"temporal padding {self.time_padding} is larger than the kernel's reach {self.span}")
        self.state_count = self.span
        # At spatial stride s a frame of the input has s x s pixels for each one of the output.
        self.keeps_inputs = self.in_channels * self.stride[1] * self.stride[2] <= self.out_channels
        depthwise = self.groups == self.in_channels == self.out_channels
        in_one_pixel = self.kernel_size[1:] == (1, 1) and self.padding[1:] == (0, 0)
        self.is_matrix = in_one_pixel and self.groups == 1
        self.is_scale = in_one_pixel and depthwise and self.stride[1:] == (1, 1)
        self.may_stack = depthwise and not in_one_pixel

    @property
    def temporal(self) -> Temporal:
        return Temporal(self.span + 1, self.time_padding, self.stride[0])

    def _tap(self, x: Tensor, index: int, bias: Tensor | None = None) -> Tensor:
        """Frames or clips convolved in space with the kernel's slice at time `index`, by the quickest equal way."""
        weight = self.weight.select(2, index)
        if self.is_matrix:
            return pointwise(x, weight.flatten(1), bias, self.in_space.stride)
        if self.is_scale:
            scaled = x * _per_channel(weight, x)
            return scaled if bias is None else scaled.add_(_per_channel(bias, x))
        frames = x if x.dim() == 4 else to_frames(x)
        y = F.conv2d(frames, weight, bias, *self.in_space, self.groups)
        return y if x.dim() == 4 else to_clip(y, x.shape[0])

    def _add_tap(self, y: Tensor, x: Tensor, index: int) -> Tensor:
        """Adds the tap at time `index` to `y`, in place."""
        if self.is_scale:
            factors = self.weight.select(2, index).flatten()
            if is_rows(x) and is_rows(y):
                rows(y).addcmul_(rows(x), row_factors(factors, x.shape[3]))
                return y
            return y.addcmul_(x, _per_channel(factors, x))
        return y.add_(self._tap(x, index))

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        if self.span == 0:
            return ()
        if self.keeps_inputs:
            kept = x if fill == "replicate" else torch.zeros_like(x)
            return (kept,) * self.span
        taps = [self._tap(x, index) for index in range(self.kernel_size[0])]
        empty = torch.zeros_like(taps[0])
        if self.bias is not None:  # comes with the first tap, which these outputs have behind them
            empty = empty + _per_channel(self.bias, empty)
        if fill == "zeros":
            return (empty,) * self.span
        # Slot i is the output due at the i-th coming frame. Of a picture that never changed it already holds
        # every tap whose frame lies in the past.
        return tuple(
            sum((tap for j, tap in enumerate(taps) if self.span - j * self.dilation[0] > slot), start=empty)
            for slot in range(self.span)
        )

    def forward(self, x: Tensor, state: State | None = None):  # type: ignore[override]
        if self.stride[0] != 1:
            if x.dim() == 4 or state is not None:
                raise ValueError(f"temporal stride {self.stride[0]} skips frames; `convert` makes the frame form")
            if self.span == 0:
                x = x[:, :, :: self.stride[0]]
        if self.span == 0:
            if self.is_matrix:
                return pointwise(x, self.weight.flatten(1), self.bias, self.in_space.stride)
            return self._tap(x, 0, self.bias)
        if x.dim() == 4:
            if state is None:
                raise ValueError("a frame (4-D) needs the layer's state; without it pass a clip (5-D)")
            return self._step_inputs(x, state) if self.keeps_inputs else self._step_outputs(x, state)
        if state is None:
            return self._clip(x, self.time_padding if self.pad_time else 0)
        return self._chunk_inputs(x, state) if self.keeps_inputs else self._chunk_outputs(x, state)

    def _step_inputs(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        window = (*state, x)
        seen = window[:: self.dilation[0]]
        if self.may_stack and x[0].numel() < SIDE_BY_SIDE_ELEMENTS:
            return depthwise_side_by_side(seen, self.weight, self.bias, *self.in_space), window[1:]
        y = self._tap(seen[0], 0, self.bias)
        for index in range(1, len(seen)):
            y = self._add_tap(y, seen[index], index)
        return y, window[1:]

    def _step_outputs(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        # The newest frame's first tap, and the bias with it, is all there is of the farthest output.
        due = [*state, self._tap(x, 0, self.bias)]
        for index in range(1, self.kernel_size[0]):
            slot = self.span - index * self.dilation[0]
            due[slot] = self._tap(x, index).add_(due[slot])
        return due[0], tuple(due[1:])

    def _clip(self, x: Tensor, padding: int) -> Tensor:
        frames, stride = x.shape[2], self.stride[0]
        out_frames = (frames + 2 * padding - self.span - 1) // stride + 1
        if out_frames < 1:
            raise ValueError(f"a clip of {frames} frames is too short for a kernel that reaches {self.span + 1}")
        # Tap j of output t reads frame t x stride + shift; outside the clip there is nothing to add.
        shifts = [index * self.dilation[0] - padding for index in range(self.kernel_size[0])]
        ranges = [(max(0, -(shift // stride)), min(out_frames, -((shift - frames) // stride))) for shift in shifts]
        # The tap that covers most outputs first: mostly it covers all, and the sum can start from it.
        order = sorted(range(len(shifts)), key=lambda index: ranges[index][0] - ranges[index][1])
        y: Tensor | None = None
        for index in order:
            start, stop = ranges[index]
            if start >= stop:
                continue
            first = start * stride + shifts[index]
            seen = x[:, :, first : first + (stop - start - 1) * stride + 1 : stride]
            if y is not None:
                self._add_tap(y[:, :, start:stop], seen, index)
                continue
            everywhere = (start, stop) == (0, out_frames)
            y = self._tap(seen, index, self.bias if everywhere else None)
            if not everywhere:
                y = F.pad(y, (0, 0, 0, 0, start, out_frames - stop))
                y = y if self.bias is None else y.add_(_per_channel(self.bias, y))
        if y is None:
            raise ValueError(f"a clip of {frames} frames meets no tap of this kernel")
        return y

    def _chunk_inputs(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        window = torch.cat((stack_time(state), x), dim=2)
        return self._clip(window, 0), last_frames(window, self.span)

    def _chunk_outputs(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        frames = x.shape[2]
        due = torch.cat((stack_time(state), self._tap(x, 0, self.bias)), dim=2)
        for index in range(1, self.kernel_size[0]):
            start = self.span - index * self.dilation[0]
            self._add_tap(due[:, :, start : start + frames], x, index)
        return due[:, :, :frames], last_frames(due, self.span)


def _per_channel(values: Tensor, like: Tensor) -> Tensor:
    """One value a channel, shaped to be broadcast over frames or clips."""
    return values.view(-1, 1, 1) if like.dim() == 4 else values.view(-1, 1, 1, 1)
