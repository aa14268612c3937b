"""Delays (paper, section 3.3), and thinning out of frames, which a frame network does not do."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .frames import check_clip, last_frames, with_past
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

    def forward(self, clip: Tensor) -> Tensor:
        return clip[:, :, : clip.shape[2] - self.frames]

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:
        return state[0], (*state[1:], frame)

    def steps(self, clip: Tensor, state: State) -> tuple[Tensor, State]:
        window = with_past(state, clip)
        return window[:, :, : clip.shape[2]], last_frames(window, self.frames)


class Subsample(nn.Module):
    """Every `stride`-th frame of a clip, from the first: T frames -> ceil(T / stride).

    `to_the_end` spreads the same number of frames from the first to the last one, rounded down, as PySlowFast packs
    its slow pathway (slowfast/datasets/utils.py). Regular form only; a frame network takes every frame.
    """

    def __init__(self, stride: int, *, to_the_end: bool = False) -> None:
        super().__init__()
        self.stride = stride
        self.to_the_end = to_the_end

    @property
    def temporal(self) -> Temporal:
        return Temporal(stride=self.stride)

    def forward(self, clip: Tensor) -> Tensor:
        check_clip(clip)
        if not self.to_the_end:
            return clip[:, :, :: self.stride]
        frames = clip.shape[2]
        chosen = torch.linspace(0, frames - 1, frames // self.stride, device=clip.device).long()
        return clip.index_select(2, chosen)
