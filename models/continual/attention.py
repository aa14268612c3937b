"""Squeeze-and-excitation, for clips, for single frames, and with an average that slides along."""

from __future__ import annotations

from torch import Tensor, nn

from .blocks import may_overwrite
from .conv import Conv3d
from .frames import is_rows, row_factors, rows
from .pool import ClipMean, Pool3d, SpatialMean
from .state import Fill, Sequential, State, Temporal, temporal_of


def sliding_mean(frames: int, dilation: int = 1) -> Sequential:
    """The mean over a frame and the `frames` - 1 before it, `dilation` apart.

    What a clip's average is to the clip's last frame. It waits for nothing that comes later, so its reach counts as
    padding and adds no delay.
    """
    span = dilation * (frames - 1)
    return Sequential(SpatialMean(), Pool3d("avg", (frames, 1, 1), padding=(span, 0, 0), dilation=dilation))


class SqueezeExcitation(nn.Module):
    """Channel-wise attention from an average over the clip (`ClipMean`), a frame, or the last frames.

    Regular networks average over the clip. A frame network looks at the frame alone (`SpatialMean`: the paper's
    choice, section 3.4) or at the last ones (`sliding_mean`). Overwrites its input where no gradient is asked for, so
    it stands behind a layer that made it: here batch norm.
    """

    def __init__(self, channels: int, reduced: int, pool: nn.Module | None = None) -> None:
        super().__init__()
        self.block = nn.Sequential(Conv3d(channels, reduced, 1), nn.ReLU(), Conv3d(reduced, channels, 1), nn.Sigmoid())
        self.set_pool(ClipMean() if pool is None else pool)

    def set_pool(self, pool: nn.Module) -> None:
        """Average as `pool` does."""
        self.pool = pool
        self.state_count: int = getattr(pool, "state_count", 0)

    @property
    def temporal(self) -> Temporal:
        return temporal_of(self.pool)

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        return self.pool.initial_state(x, fill) if self.state_count else ()  # type: ignore[operator]

    def forward(self, x: Tensor, state: State | None = None):
        if state is None:
            mean = self.pool(x)
            if self.state_count:  # the sliding average of the first frames is not there yet
                x = x[:, :, x.shape[2] - mean.shape[2] :]
            return _scale(x, self.block(mean))
        mean, after = self.pool(x, state)
        return _scale(x, self.block(mean)), after


def _scale(x: Tensor, factors: Tensor) -> Tensor:
    if not may_overwrite():
        return x * factors
    if is_rows(x):
        rows(x).mul_(row_factors(factors.flatten(1), x.shape[3]))
        return x
    return x.mul_(factors)
