"""Delays (paper, section 3.3), and thinning out of frames, which a frame network does not do."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .frames import last_frames, stack_time
from .state import Fill, State, Temporal


class Delay(nn.Module):
    """The frames of `frames` steps ago: what lets a quick branch wait for a slow one.

    As a clip (B, C, T, H, W) -> (B, C, T - frames, H, W): the frames that the steps hand on.
    """

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.state_count = self.frames = frames

    @property
    def temporal(self) -> Temporal:
        return Temporal(self.frames + 1)

    def extra_repr(self) -> str:
        return f"{self.frames}"

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        return (x if fill == "replicate" else torch.zeros_like(x),) * self.frames

    def forward(self, x: Tensor, state: State | None = None):
        if x.dim() == 4:
            if state is None:
                raise ValueError("a frame (4-D) needs the layer's state; without it pass a clip (5-D)")
            return state[0], (*state[1:], x)
        if state is None:
            return x[:, :, : x.shape[2] - self.frames]
        window = torch.cat((stack_time(state), x), dim=2)
        return window[:, :, : x.shape[2]], last_frames(window, self.frames)


class Subsample(nn.Module):
    """Every `stride`-th frame of a clip, from the first: T frames -> ceil(T / stride).

    `to_the_end` spreads the same number of frames from the first to the last one, rounded down, as PySlowFast packs
    its slow pathway (slowfast/datasets/utils.py). Regular form only; a frame network sees every frame.
    """

    def __init__(self, stride: int, *, to_the_end: bool = False) -> None:
        super().__init__()
        self.stride = stride
        self.to_the_end = to_the_end

    @property
    def temporal(self) -> Temporal:
        return Temporal(stride=self.stride)

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 5:
            raise ValueError("frames are taken out of a clip (5-D); `convert` makes the frame form")
        if not self.to_the_end:
            return x[:, :, :: self.stride]
        frames = x.shape[2]
        chosen = torch.linspace(0, frames - 1, frames // self.stride, device=x.device).long()
        return x.index_select(2, chosen)
