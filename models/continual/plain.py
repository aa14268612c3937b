"""A network for engines that read a graph: one convolution call a kernel or a tap, and nothing between.

The layers here call what is quick in eager PyTorch: matrix products over permuted maps, frames side by side, rows
of pixels. Written into a graph, that becomes transpositions and copies which an engine does one by one, where its own
convolutions would have been quicker, and which hide the convolution that it would have fused with what follows.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch.nn.functional as F
from torch import Tensor, nn

from .conv import Conv3d
from .pool import _REGULAR, ClipPool, Pool3d, SpatialMean
from .state import State

Module = TypeVar("Module", bound=nn.Module)


def plain_form(net: Module) -> Module:
    """A copy with the same weights and the same answers, whose graph holds the convolutions and pools themselves."""
    net = copy.deepcopy(net)
    for layer in net.modules():
        # By exact type: a subclass may do something else. A graph of layers holds them as well, so they stay in place.
        if (plain := _PLAIN.get(type(layer))) is not None:
            layer.__class__ = plain
        if isinstance(layer, Conv3d):
            layer.is_matrix = layer.is_scale = layer.may_stack = False
    return net


class PlainConv3d(Conv3d):
    """A clip is convolved in one call; a step in one for each tap."""

    def forward(self, x: Tensor, state: State | None = None):  # type: ignore[override]
        if x.dim() == 4 or state is not None:
            return super().forward(x, state)
        padding = (self.time_padding if self.pad_time else 0, *self.in_space.padding)
        return F.conv3d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class PlainPool3d(Pool3d):
    """A clip is pooled in one call."""

    def forward(self, x: Tensor, state: State | None = None):
        if x.dim() == 4 or state is not None or self.dilation != 1 or x.shape[2] <= self.span:
            return super().forward(x, state)
        padding = (self.padding[0] if self.pad_time else 0, *self.padding[1:])
        return _REGULAR[self.kind](x, self.kernel_size, self.stride, padding, **self.options)


class PlainSpatialMean(SpatialMean):
    """As a pool, which engines keep in the layout of their convolutions."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, x.shape[-2:]) if x.dim() == 4 else super().forward(x)


_PLAIN: dict[type[nn.Module], type[nn.Module]] = {
    Conv3d: PlainConv3d,
    Pool3d: PlainPool3d,
    ClipPool: PlainPool3d,
    SpatialMean: PlainSpatialMean,
}
