"""Layers that are convolutions over frames, with weights of other shapes: of pictures, series, flattened clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .conv import Conv3d


class ViewedConv3d(Conv3d):
    """A `Conv3d` whose weight keeps the shape of the layer that it stands for: `nn.Conv2d`, `nn.Conv1d`, or an
    `nn.Linear` on a flattened clip, which is the convolution by a kernel as large as the clip.

    sizes, order: of the weight's numbers as (outputs, ...), and how these dimensions become (O, I, T, H, W); -1: as
        many outputs as the weight has.
    """

    sizes: tuple[int, ...] = ()
    order: tuple[int, ...] = ()

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        weight = self.__dict__.get("_parameters", {}).get("weight")
        if weight is None:
            raise AttributeError("weight")  # as yet
        if not self.sizes or weight.dim() == 5:
            return weight
        return weight.reshape(self.sizes).permute(self.order)


def viewed(layer: nn.Module, sizes: Sequence[int], order: Sequence[int], **options: Any) -> ViewedConv3d:
    """The convolution that `layer` is, with its parameters; `sizes` and `order` as in `ViewedConv3d`."""
    outputs, channels, *kernel = (sizes[dim] for dim in order)
    groups = options.get("groups", 1)
    with torch.device("meta"):
        made = ViewedConv3d(
            channels * groups, outputs, tuple(kernel), bias=layer.bias is not None, pad_time=False, **options
        )
    made._parameters.update(layer._parameters)
    made.sizes, made.order = (-1, *sizes[1:]), tuple(order)  # a head may be rebuilt for other classes
    return made
