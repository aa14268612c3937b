"""Parts of regular networks with a `forward` of their own; `convert` traces them.

Unlike `parts.py` this imports torch: a family imports it while it builds.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from . import continual as co


class Pathways(nn.Module):
    """One stage of SlowFast's two pathways; `fusion` hands what Fast found to Slow. Names are PyTorchVideo's."""

    def __init__(self, slow: nn.Module, fast: nn.Module, fusion: nn.Module | None = None) -> None:
        super().__init__()
        self.multipathway_blocks = nn.ModuleList([slow, fast])
        self.multipathway_fusion = fusion

    def forward(self, slow: Tensor, fast: Tensor) -> tuple[Tensor, Tensor]:
        slow, fast = self.multipathway_blocks[0](slow), self.multipathway_blocks[1](fast)
        if self.multipathway_fusion is not None:
            slow = torch.cat((slow, self.multipathway_fusion(fast)), 1)
        return slow, fast


class TwoPathways(nn.Sequential):
    """Slow takes what `subsample` leaves, Fast every frame: (B, 3, T, H, W) -> (B, classes, 1, 1, 1).

    (Feichtenhofer et al., ICCV 2019.)
    """

    def __init__(
        self, subsample: nn.Module, stages: list[Pathways], pools: tuple[nn.Module, nn.Module], head: nn.Module
    ) -> None:
        numbered: list[nn.Module] = [*stages, Pathways(*pools), head]
        super().__init__(OrderedDict((str(index), layer) for index, layer in enumerate(numbered)))
        self.add_module("subsample", subsample)

    def forward(self, input: Tensor) -> Tensor:
        *stages, head, subsample = self
        slow, fast = subsample(input), input
        for stage in stages:
            slow, fast = stage(slow, fast)
        return head(torch.cat((slow, fast), 1))


class BasicBlock(nn.Module):
    """relu(conv2(conv1(x)) + downsample(x)), as torchvision names the parts of a ResNet-18's block."""

    def __init__(self, conv1: co.Sequential, conv2: co.Sequential, downsample: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1 = conv1
        self.conv2 = conv2
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    @property
    def temporal(self) -> co.Temporal:
        """Reach of the longer branch."""
        return self.conv1.temporal.then(self.conv2.temporal)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.conv1(x))
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(y.add_(shortcut))
