"""Which calls average over a whole clip in a way that attention does, and what makes attention of them: a product."""

from __future__ import annotations

import operator
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import fx, nn

from .calls import argument

PRODUCTS = {operator.mul, operator.imul, torch.mul, "mul", "mul_"}
_WHOLE = (1, (1, 1, 1), [1, 1, 1])


def averages_all(node: fx.Node, layer_of: Callable[[fx.Node], nn.Module]) -> bool:
    """Whether a traced call is the mean over time, height and width."""
    if node.op == "call_module":
        layer = layer_of(node)
        return isinstance(layer, nn.AdaptiveAvgPool3d) and layer.output_size in _WHOLE
    if node.target is F.adaptive_avg_pool3d:
        return argument(node, 1, "output_size") in _WHOLE
    if node.target not in (torch.mean, "mean"):
        return False
    given = argument(node, 1, "dim")
    return isinstance(given, tuple | list) and {dim % 5 for dim in given} == {2, 3, 4}
