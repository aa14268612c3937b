"""Squeeze-and-excitation, for clips, for single frames, and with an average that slides along."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .conv import Conv3d
from .pool import ClipMean, Pool3d, SpatialMean
from .state import Fill, Sequential, State, Temporal


def sliding_mean(frames: int, dilation: int = 1) -> Sequential:
    """The mean over a frame and the `frames` - 1 before it, `dilation` apart.

    What a clip's average is to the clip's last frame. It waits for nothing that comes later, so its reach counts as
    padding and adds no delay.
    """
    span = dilation * (frames - 1)
    over_time = Pool3d("avg", (frames, 1, 1), padding=(span, 0, 0), dilation=dilation, pad_time=False)
    return Sequential(SpatialMean(), over_time)


class SqueezeExcitation(nn.Module):
    """Channel-wise attention from an average over the clip (`ClipMean`), a frame, or the last frames.

    Regular networks average over the clip. A frame network averages over the frame alone (`SpatialMean`: the paper's
    choice, section 3.4) or at the last ones (`sliding_mean`).
    """

    scale: Callable[[Tensor, Tensor], Tensor] = staticmethod(torch.mul)  # `tuning.py` may put another one here

    def __init__(
        self,
        channels: int,
        reduced: int,
        pool: nn.Module | None = None,
        *,
        pooled: int | None = None,  # channels that come from the pool, where those are not as many as go in
        activation: nn.Module | None = None,
        gate: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.block = Sequential(
            Conv3d(pooled or channels, reduced, 1),
            activation or nn.ReLU(),
            Conv3d(reduced, channels, 1),
            gate or nn.Sigmoid(),
        )
        self.set_pool(ClipMean() if pool is None else pool)

    def set_pool(self, pool: nn.Module) -> None:
        """Average as `pool` does."""
        self.pool = pool if isinstance(pool, Sequential) else Sequential(pool)
        self.state_count = self.pool.state_count

    @property
    def temporal(self) -> Temporal:
        return self.pool.temporal

    def forward(self, clip: Tensor) -> Tensor:
        mean = self.pool(clip)
        if self.state_count:  # the sliding average of the first frames is not there yet
            clip = clip[:, :, clip.shape[2] - mean.shape[2] :]
        return self.scale(clip, self.block(mean))

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        return self.pool.initial_state(x, fill)

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:
        mean, after = self.pool.step(frame, state)
        return self.scale(frame, self.block.step(mean, ())[0]), after

    def steps(self, clip: Tensor, state: State) -> tuple[Tensor, State]:
        mean, after = self.pool.steps(clip, state)
        return self.scale(clip, self.block.steps(mean, ())[0]), after
