"""Batch norm folded into the convolution before it: the same answers from fewer passes over each map."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

from .blocks import Residual
from .conv import Conv3d
from .frames import tap_major
from .graph import Graph, Node
from .state import Sequential

Module = TypeVar("Module", bound=nn.Module)


def fold_batch_norm(net: Module) -> Module:
    """A copy of the network, in eval mode, whose convolutions do what the batch norm behind them did.

    Only for inference: the running statistics are constants in it.
    """
    net = copy.deepcopy(net).eval()
    with torch.no_grad():
        return _folded(net)


def _folded(module: Module) -> Module:
    if isinstance(module, nn.Sequential) and _is_chain(module):
        _fold_chain(module, None)
        return module
    for child in module.children():
        _folded(child)
    if isinstance(module, Residual):
        _fold_shortcut(module)
    if isinstance(module, Graph):
        _fold_graph(module)
    return module


def _is_chain(module: nn.Sequential) -> bool:
    """Whether its `forward` is that of a chain; a subclass may have its own."""
    return type(module).forward in (nn.Sequential.forward, Sequential.forward)


def _fold_chain(chain: nn.Sequential, last: Conv3d | None) -> Conv3d | None:
    """Take out the norms that `last` and the chain's own convolutions take over; returns the one it ends with.

    In place, since a graph may hold the chain as well.
    """
    for name, layer in list(chain.named_children()):
        if isinstance(layer, nn.BatchNorm3d) and last is not None:
            _fold(last, layer)
            last = None
            del chain._modules[name]
        elif isinstance(layer, nn.Sequential) and _is_chain(layer):
            last = _fold_chain(layer, last)
        else:
            _folded(layer)
            last = layer if isinstance(layer, Conv3d) else None
    if isinstance(chain, Sequential):
        chain.count_states()
    return last


def _fold_shortcut(block: Residual) -> None:
    if isinstance(block.branch1_conv, Conv3d) and isinstance(block.branch1_norm, nn.BatchNorm3d):
        _fold(block.branch1_conv, block.branch1_norm)
        block.branch1_norm = None


def _fold_graph(graph: Graph) -> None:
    uses = [index for node in graph.nodes for index in node.inputs]
    for at, node in enumerate(graph.nodes):
        conv = graph.nodes[node.inputs[0] - 1].call if node.inputs[0] else None
        if isinstance(node.call, nn.BatchNorm3d) and isinstance(conv, Conv3d) and uses.count(node.inputs[0]) == 1:
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
    conv.weight = nn.Parameter(tap_major(conv.weight * gain.view(-1, 1, 1, 1, 1)), requires_grad=False)
    conv.bias = nn.Parameter(bias, requires_grad=False)
