"""Small networks of their own weights, one a name: what simulated boards can answer in the time of a breath."""

import torch
from torch import nn


class Net(nn.Module):
    input_shape = (3, 2, 2, 2)

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.line = nn.Linear(24, 4)

    def forward(self, clip):
        return self.line(clip.flatten(1))


def _factory(seed):
    return lambda: Net(seed)


globals().update({f"net_{seed}": _factory(seed) for seed in range(5)})
