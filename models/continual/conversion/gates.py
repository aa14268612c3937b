"""Which averages over a clip are attention: those that end up multiplied onto what they do not come from."""

from __future__ import annotations

import operator
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import fx, nn

from .calls import argument

PRODUCTS = {operator.mul, operator.imul, torch.mul, "mul", "mul_"}
_WHOLE = (1, (1, 1, 1), [1, 1, 1])


def squeezes(graph: fx.Graph, layer_of: Callable[[fx.Node], nn.Module]) -> set[fx.Node]:
    """The calls in `graph` that average for attention."""
    return {
        node
        for node in graph.nodes
        if _averages_all(node, layer_of) and any(_gates(user, node) for user in _descendants(node))
    }


def _averages_all(node: fx.Node, layer_of: Callable[[fx.Node], nn.Module]) -> bool:
    if node.op == "call_module":
        layer = layer_of(node)
        return isinstance(layer, nn.AdaptiveAvgPool3d) and layer.output_size in _WHOLE
    if node.target is F.adaptive_avg_pool3d:
        return argument(node, 1, "output_size") in _WHOLE
    if node.target not in (torch.mean, "mean"):
        return False
    given = argument(node, 1, "dim")
    return isinstance(given, tuple | list) and {dim % 5 for dim in given} == {2, 3, 4}


def _descendants(node: fx.Node) -> set[fx.Node]:
    found: set[fx.Node] = set()
    waiting = [node]
    while waiting:
        for user in waiting.pop().users:
            if user not in found:
                found.add(user)
                waiting.append(user)
    return found


def _gates(node: fx.Node, mean: fx.Node) -> bool:
    if node.target not in PRODUCTS:
        return False
    below = _descendants(mean) | {mean}
    return any(source not in below for source in node.all_input_nodes)
