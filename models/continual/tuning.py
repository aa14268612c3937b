"""Tuning: passes over a finished network that make it quicker, and change no answer.

Layers call torch's own functions. `tune` puts functions of `quick.py` in their place: where a convolution is quicker by
other means, and where a layer may write into a tensor that nothing else uses. Networks are tuned when they are made, in
place; `tuned=False` makes one that is not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import quick
from .attention import SqueezeExcitation
from .blocks import BatchNorm3d, Projection, Residual, Swish
from .conv import Conv3d
from .folding import in_several_places, is_chain
from .graph import Graph
from .pool import ClipMean, Pool3d, SpatialMean, spatial_mean
from .shift import Shift

Module = TypeVar("Module", bound=nn.Module)

# What `tune` may give a layer of its own, of ours alone: in other layers the names mean other things.
FUNCTIONS: dict[type[nn.Module], tuple[str, ...]] = {
    Conv3d: ("conv3d", "conv2d", "conv_frames"),
    Pool3d: ("pool3d",),
    SpatialMean: ("mean",),
    BatchNorm3d: ("batch_norm",),
    Swish: ("silu",),
    SqueezeExcitation: ("scale",),
    Residual: ("add",),
}


def tune(net: Module) -> Module:
    """The network itself, in which each layer computes in the quickest way that is known to be equal."""
    untune(net)
    for layer in net.modules():
        if isinstance(layer, Conv3d):
            _tune_convolution(layer)
        elif isinstance(layer, Pool3d):
            layer.pool3d = quick.pool3d_by_frames
    _Overwriting(net).walk(net, owned=False)
    return net


def untune(net: Module) -> Module:
    """The network itself, in which each layer calls what its class names."""
    for layer in net.modules():
        for kind, names in FUNCTIONS.items():
            for name in names if isinstance(layer, kind) else ():
                layer.__dict__.pop(name, None)
        if layer.__dict__.pop(_ASKED, False):
            layer.inplace = False  # type: ignore[assignment]
    return net


def make_plain(net: Module) -> Module:
    """The network itself, with the same weights and the same answers, for engines that read a graph, which holds the
    convolutions and pools themselves.

    Written into a graph, what is quick in eager PyTorch becomes transpositions and copies, which an engine does one by
    one, and which hide the convolution that it would have fused with what follows.
    """
    untune(net)
    for layer in net.modules():
        if isinstance(layer, SpatialMean):
            layer.mean = _mean_as_pool
    return net


def _mean_as_pool(x: Tensor) -> Tensor:
    """Of frames as a pool, which engines keep in the layout of their convolutions."""
    return F.avg_pool2d(x, x.shape[-2:]) if x.dim() == 4 else spatial_mean(x)


def _tune_convolution(layer: Conv3d) -> None:
    # Each slice in time contiguous in memory: one of torch's own layout would be copied on every call that uses it.
    layer.weight.data = layer.weight.data.permute(2, 0, 1, 3, 4).contiguous().permute(1, 2, 0, 3, 4)
    in_one_pixel = layer.kernel_size[1:] == (1, 1) and layer.padding[1:] == (0, 0)
    depthwise = layer.groups == layer.in_channels == layer.out_channels
    tap: quick.Tap = quick.convolution
    if in_one_pixel and layer.groups == 1:
        tap = quick.matrix_product
    elif in_one_pixel and depthwise and layer.stride[1:] == (1, 1):
        tap = quick.scaling
    layer.conv2d = tap
    layer.conv3d = partial(quick.conv_clip, tap)
    side_by_side = depthwise and not in_one_pixel
    layer.conv_frames = quick.conv_side_by_side if side_by_side else partial(quick.conv_frames, tap)


# What returns a tensor that it has just created: nothing else uses it, and its gradient does not read it. All others
# keep their result, hand on their input, or are not known.
_FRESH = (Conv3d, BatchNorm3d, SqueezeExcitation, Swish, Projection, SpatialMean, ClipMean, Shift)
_FRESH_SUMS = (torch.add, torch.sub, torch.mul)
# What may write into its input, and by which function.
_IN_PLACE: tuple[tuple[type[nn.Module], str, Callable[..., Tensor]], ...] = (
    (BatchNorm3d, "batch_norm", quick.batch_norm_),
    (Swish, "silu", quick.silu_),
    (SqueezeExcitation, "scale", quick.scale_),
)
# torch's own activations, whose gradient is right in place too, and the mark of those that `tune` asked to.
_ACTIVATIONS = (nn.ReLU, nn.Hardtanh)
_ASKED = "inplace_by_tuning"


class _Overwriting:
    """The walk through a network that finds who may write into what it is given."""

    def __init__(self, net: nn.Module) -> None:
        self.shared = in_several_places(net)

    def walk(self, layer: Any, owned: bool) -> bool:
        """Gives `layer` and the layers inside their overwriting functions; `owned`: nothing else uses its input.

        Returns whether only the next layer uses its output.
        """
        owned = owned and layer not in self.shared
        if isinstance(layer, nn.Sequential) and is_chain(layer):
            for child in layer:
                owned = self.walk(child, owned)
            return owned
        if isinstance(layer, Residual):
            return self._residual(layer)
        if isinstance(layer, Graph):
            return self._graph(layer)
        for child in layer.children():
            self.walk(child, owned=False)
        if owned:
            for kind, name, function in _IN_PLACE:
                if isinstance(layer, kind):
                    setattr(layer, name, function)
            if isinstance(layer, _ACTIVATIONS) and not layer.inplace:
                layer.inplace = True
                setattr(layer, _ASKED, True)
        if isinstance(layer, Pool3d):
            return owned if _hands_on(layer) else layer.kind == "avg"  # a maximum's gradient reads it
        return isinstance(layer, _FRESH) and layer not in self.shared

    def _residual(self, block: Residual) -> bool:
        projects = block.branch1_conv is not None  # then what it normalises is its own
        if block.branch1_conv is not None:
            self.walk(block.branch1_conv, owned=False)
        if block.branch1_norm is not None:
            self.walk(block.branch1_norm, projects)
        if self.walk(block.branch2, owned=False):
            block.add = quick.add_
        return self.walk(block.activation, owned=True)

    def _graph(self, graph: Graph) -> bool:
        readers = [0] * (len(graph.nodes) + 1)
        for node in graph.nodes:
            for index in node.inputs:
                readers[index] += 1
        owned = [False]
        for node in graph.nodes:
            if isinstance(node.call, nn.Module):
                alone = owned[node.inputs[0]] and readers[node.inputs[0]] == 1
                owned.append(self.walk(node.call, alone))
            else:
                owned.append(node.call in _FRESH_SUMS)
        return owned[-1]


def _hands_on(pool: Pool3d) -> bool:
    """Whether the pool does nothing."""
    return pool.kernel_size == pool.stride == (1, 1, 1)
