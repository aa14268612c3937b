"""Small networks with what the zoo's are made of."""

from __future__ import annotations

import torch

from co3d_bench.models import continual as co


def clip_network():
    """A small network with what the zoo's are made of."""
    torch.manual_seed(0)
    inner = co.Sequential(
        co.Conv3d(8, 12, 1, bias=False),
        co.BatchNorm3d(12),
        co.ReLU(inplace=True),
        co.Conv3d(12, 12, 3, padding=1, groups=12, bias=False),
        co.Sequential(co.BatchNorm3d(12), co.SqueezeExcitation(12, 8)),
        co.Swish(),
        co.Conv3d(12, 8, 1, bias=False),
        co.BatchNorm3d(8),
    )
    blocks = co.Sequential(
        co.Conv3d(3, 8, (3, 3, 3), stride=(1, 2, 2), padding=1, bias=False),
        co.BatchNorm3d(8),
        co.ReLU(inplace=True),
        co.Residual(inner, co.ReLU(inplace=True)),
        co.SpatialMean(),
        co.ClipPool(4),
        co.Projection(8, 5),
    )
    co.initialise(blocks)
    return co.ClipNetwork(blocks, (3, 4, 16, 16)).eval()


class Sums(torch.nn.Module):
    """A frame network: the sum of what it has seen."""

    receptive_field, padding, delay = 4, 0, 0

    def step(self, frame, state):
        seen = state[0] + frame.mean((1, 2, 3))[:, None] * torch.arange(3.0)
        return seen[:, None], (seen,)  # three dimensions: handed over as they are

    def initial_state(self, batch_size=1):
        return (torch.zeros(batch_size, 3),)
