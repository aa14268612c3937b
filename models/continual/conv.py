"""Continual 3D convolution (paper, section 3.2): k_T two-dimensional convolutions a frame, and no more.

The form printed in the paper's listing 1.1 pads each frame in time and runs the 3D kernel over it, which
costs k_T times the multiply-accumulates of equation (4). Here either the last frames of the input are kept and
convolved with their slices of the kernel, or the running sums of the outputs to come are: whichever is smaller.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .frames import convolve, frame_major, stack_time, sum_of_thirds, to_clip, to_frames
from .state import Fill, State, Temporal

# Below this many elements of one frame's map, starting a convolution costs more than copying the frames
# side by side and convolving them in one call (measured on CPU; see benchmarks/).
SIDE_BY_SIDE_ELEMENTS = 80_000


class Conv3d(nn.Conv3d):
    """`nn.Conv3d`, same parameters and same names, that can also be stepped frame by frame.

    `pad_time` says what the clip form does in time: pad with zeros as a regular network is trained (True), or
    not pad, which is what the frame form equals (False; section 3.5). `padding[0]` counts towards the delay in
    both cases. Temporal stride must be 1, and padding must be zeros.

    Raises ValueError for a temporal stride, a padding mode or a padding that has no frame form.
    """

    def __init__(self, *args, pad_time: bool = True, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.padding, str):
            raise ValueError(f"padding={self.padding!r}: give the padding as numbers")
        if self.padding_mode != "zeros":
            raise ValueError(f"padding_mode={self.padding_mode!r} has no frame form; only zeros has")
        if self.stride[0] != 1:
            raise ValueError(
                f"temporal stride {self.stride[0]} skips frames; a continual convolution needs 1"
            )
        self.pad_time = pad_time
        self.span = self.dilation[0] * (self.kernel_size[0] - 1)  # frames it looks back
        if self.padding[0] > self.span:
            raise ValueError(
                f"temporal padding {self.padding[0]} is larger than the kernel's reach {self.span}"
            )
        self.state_count = self.span
        # A frame of the input has in_channels x (stride x stride) numbers for each out_channels of the output.
        self.keeps_inputs = self.in_channels * self.stride[1] * self.stride[2] <= self.out_channels
        self.depthwise = self.groups == self.in_channels == self.out_channels

    @property
    def temporal(self) -> Temporal:
        return Temporal(self.span + 1, int(self.padding[0]))

    def _tap(self, x: Tensor, index: int, bias: Tensor | None = None) -> Tensor:
        """Frames (N, C, H, W) convolved with the kernel's slice at time `index`."""
        return convolve(
            x,
            self.weight[:, :, index],
            bias,
            self.stride[1:],
            self.padding[1:],
            self.dilation[1:],
            self.groups,
        )

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        if self.span == 0:
            return ()
        if self.keeps_inputs:
            kept = x if fill == "replicate" else torch.zeros_like(x)
            return (kept,) * self.span
        taps = [self._tap(x, index) for index in range(self.kernel_size[0])]
        if fill == "zeros":
            return (torch.zeros_like(taps[0]),) * self.span
        # Slot i is the output due in i + 1 frames; of a picture that never changed it has seen every tap
        # whose frame is already past.
        empty = torch.zeros_like(taps[0])
        return tuple(
            sum((tap for j, tap in enumerate(taps) if self.span - j * self.dilation[0] > slot), start=empty)
            for slot in range(self.span)
        )

    def forward(self, x: Tensor, state: State | None = None):  # type: ignore[override]
        if x.dim() == 4:
            if not self.span:
                return self._tap(x, 0, self.bias)
            assert state is not None, "a frame needs the layer's state"
            return self._step_inputs(x, state) if self.keeps_inputs else self._step_outputs(x, state)
        if state is None:
            return self._clip(x, int(self.padding[0]) if self.pad_time else 0)
        return self._chunk_inputs(x, state) if self.keeps_inputs else self._chunk_outputs(x, state)

    def _step_inputs(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        window = (*state, x)
        seen = window[:: self.dilation[0]]
        if self.depthwise and x[0].numel() < SIDE_BY_SIDE_ELEMENTS and self.kernel_size[1] > 1:
            width = len(seen)
            y = convolve(
                torch.cat(seen, dim=1),
                frame_major(self.weight),
                None,
                self.stride[1:],
                self.padding[1:],
                self.dilation[1:],
                self.groups * width,
            )
            y = sum_of_thirds(y, width)
        else:
            y = self._tap(seen[0], 0)
            for index in range(1, len(seen)):
                y.add_(self._tap(seen[index], index))
        if self.bias is not None:
            y.add_(self.bias.view(1, -1, 1, 1))
        return y, window[1:]

    def _step_outputs(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        due = [*state, None]
        last = self.kernel_size[0] - 1
        for index in range(last + 1):
            slot = (last - index) * self.dilation[0]
            tap = self._tap(x, index)
            held = due[slot]
            due[slot] = tap if held is None else tap.add_(held)
        y = due[0]
        assert y is not None
        if self.bias is not None:
            y = y.add_(self.bias.view(1, -1, 1, 1))
        return y, tuple(slot for slot in due[1:] if slot is not None)

    def _clip(self, x: Tensor, padding: int) -> Tensor:
        batch, frames = x.shape[0], x.shape[2]
        out_frames = frames + 2 * padding - self.span
        if out_frames < 1:
            raise ValueError(
                f"a clip of {frames} frames is too short for a kernel that reaches {self.span + 1}"
            )
        if self.span == 0:
            return to_clip(self._tap(to_frames(x), 0, self.bias), batch)
        # Tap j of output t reads frame t - padding + j x dilation; outside the clip there is nothing to add.
        ranges = []
        for index in range(self.kernel_size[0]):
            shift = index * self.dilation[0] - padding
            ranges.append((index, max(0, -shift), min(out_frames, frames - shift), shift))
        ranges.sort(key=lambda r: r[1] - r[2])  # the tap that covers most outputs first
        y: Tensor | None = None
        for index, start, stop, shift in ranges:
            if start >= stop:
                continue
            tap = to_clip(self._tap(to_frames(x[:, :, start + shift : stop + shift]), index), batch)
            if y is None:
                if (start, stop) == (0, out_frames):
                    y = tap
                    continue
                y = tap.new_zeros(batch, tap.shape[1], out_frames, *tap.shape[3:])
            y[:, :, start:stop].add_(tap)
        assert y is not None
        return y if self.bias is None else y.add_(self.bias.view(1, -1, 1, 1, 1))

    def _chunk_inputs(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        window = torch.cat((stack_time(state), x), dim=2)
        return self._clip(window, 0), window[:, :, -self.span :].unbind(2)

    def _chunk_outputs(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        batch, frames = x.shape[0], x.shape[2]
        held = stack_time(state)
        due = torch.cat((held, held.new_zeros(*held.shape[:2], frames, *held.shape[3:])), dim=2)
        for index in range(self.kernel_size[0]):
            start = self.span - index * self.dilation[0]
            due[:, :, start : start + frames].add_(to_clip(self._tap(to_frames(x), index), batch))
        y, rest = due[:, :, :frames], due[:, :, frames:]
        if self.bias is not None:
            y = y + self.bias.view(1, -1, 1, 1, 1)
        return y, rest.unbind(2)
