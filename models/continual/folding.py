"""Batch norm folded into the convolution before it: the same answers from fewer passes over each feature map."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TypeVar

import torch
from torch import nn

from .blocks import Residual
from .causal import Scale
from .conv import Conv3d
from .graph import Graph, Node
from .state import Sequential

Module = TypeVar("Module", bound=nn.Module)


def fold_batch_norm(net: Module) -> Module:
    """A copy of the network, in eval mode, whose convolutions do what the batch norm behind them did.

    Only for inference: the running statistics are constants in it. A convolution that stands in several places is
    left as it is, since a norm may not follow in all of them.
    """
    net = copy.deepcopy(net).eval()
    with torch.no_grad():
        return _folded(net, in_several_places(net))


def in_several_places(net: nn.Module) -> set[nn.Module]:
    """Layers that are called in more than one place, and those within them."""
    calls: Counter[nn.Module] = Counter()
    for module in net.modules():
        if isinstance(module, nn.Sequential):
            calls.update(module._modules.values())  # type: ignore[arg-type]
        elif isinstance(module, Graph):
            calls.update(node.call for node in module.nodes if isinstance(node.call, nn.Module))
    return {module for layer, count in calls.items() if count > 1 for module in layer.modules()}


def _folded(module: Module, shared: set[nn.Module]) -> Module:
    if isinstance(module, nn.Sequential) and is_chain(module):
        _fold_chain(module, None, shared)
        return module
    for child in module.children():
        _folded(child, shared)
    if isinstance(module, Residual):
        _fold_shortcut(module, shared)
    if isinstance(module, Graph):
        _fold_graph(module, shared)
    return module


def is_chain(module: nn.Sequential) -> bool:
    """Whether its `forward` is that of a chain; a subclass may have its own."""
    return type(module).forward in (nn.Sequential.forward, Sequential.forward)


def _fold_chain(chain: nn.Sequential, last: Conv3d | None, shared: set[nn.Module]) -> Conv3d | None:
    """Take out the norms and factors that `last` and the chain's own convolutions take over.

    Returns the convolution it ends with. In place, since a graph may hold the chain as well.
    """
    for name, layer in list(chain._modules.items()):  # named_children() leaves out the second place of a layer
        if layer is None:
            continue
        if isinstance(layer, nn.BatchNorm3d) and last is not None:
            _fold(last, layer)
            del chain._modules[name]
        elif isinstance(layer, Scale) and last is not None:
            _scale(last, layer.alpha)
            del chain._modules[name]
        elif isinstance(layer, nn.Sequential) and is_chain(layer):
            last = _fold_chain(layer, last, shared)
        else:
            _folded(layer, shared)
            last = layer if isinstance(layer, Conv3d) and layer not in shared else None
    if isinstance(chain, Sequential):
        chain.count_states()
    return last


def _fold_shortcut(block: Residual, shared: set[nn.Module]) -> None:
    conv = block.branch1_conv
    if isinstance(conv, Conv3d) and conv not in shared and isinstance(block.branch1_norm, nn.BatchNorm3d):
        _fold(conv, block.branch1_norm)
        block.branch1_norm = None


def _fold_graph(graph: Graph, shared: set[nn.Module]) -> None:
    uses = [index for node in graph.nodes for index in node.inputs]
    for at, node in enumerate(graph.nodes):
        conv = graph.nodes[node.inputs[0] - 1].call if node.inputs[0] else None
        alone = uses.count(node.inputs[0]) == 1 and conv not in shared
        if isinstance(node.call, nn.BatchNorm3d) and isinstance(conv, Conv3d) and alone:
            _fold(conv, node.call)
            nodes = list(graph.nodes)
            nodes[at] = Node(nn.Identity(), node.inputs, node.frees)
            graph.nodes = tuple(nodes)


def _fold(conv: Conv3d, norm: nn.BatchNorm3d) -> None:
    """W' = W g / s and b' = (b - m) g / s + h, with mean m, deviation s, gain g and shift h of the norm."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm without running statistics cannot be folded")
    gain = torch.rsqrt(norm.running_var + norm.eps)
    if norm.weight is not None:
        gain = gain * norm.weight
    bias = -norm.running_mean if conv.bias is None else conv.bias - norm.running_mean
    bias = bias * gain
    if norm.bias is not None:
        bias = bias + norm.bias
    conv.weight = nn.Parameter(conv.weight * gain.view(-1, 1, 1, 1, 1), requires_grad=False)
    conv.bias = nn.Parameter(bias, requires_grad=False)


def _scale(conv: Conv3d, factor: torch.Tensor) -> None:
    conv.weight = nn.Parameter(conv.weight * factor, requires_grad=False)
    if conv.bias is not None:
        conv.bias = nn.Parameter(conv.bias * factor, requires_grad=False)
