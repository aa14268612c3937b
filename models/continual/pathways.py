"""Two networks side by side that see the video at different rates, as in SlowFast (ICCV 2019)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn


class Pathways(nn.Module):
    """One stage of both pathways; `fusion` hands what Fast found to Slow. Names are PyTorchVideo's."""

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
    """Slow sees what `subsample` leaves, Fast every frame: (B, 3, T, H, W) -> (B, classes, 1, 1, 1).

    Regular form; `convert` traces it.
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
