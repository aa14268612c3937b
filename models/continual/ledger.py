"""Where memory goes besides weights (paper, section 3.7): the state by kind of layer, and a clip's worst case.

In numbers (floats), of one clip or of as many streams as the state is for.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .attention import SqueezeExcitation
from .blocks import Residual
from .causal import CumulativeMean
from .conv import Conv3d
from .delay import Delay
from .graph import Graph
from .network import ClipNetwork, FrameNetwork
from .pool import Pool3d
from .state import Sequential, State

# convolution: frames of inputs, or sums of outputs (eq. 5); residual: frames held back until another branch is there
# (eq. 8); pool: pooled frames (eq. 9); other: other kinds of memory.
KINDS = ("convolution", "residual", "pool", "other")


@dataclass(frozen=True)
class Share:
    """What one kind of layer keeps from frame to frame."""

    tensors: int = 0
    floats: int = 0
    bytes: int = 0


def state_by_kind(net: Any, state: State) -> dict[str, Share] | None:
    """Each kind's share of a frame network's state, in the order of `KINDS`; None for networks that are not ours."""
    if not isinstance(net, FrameNetwork):
        return None
    kinds = tuple(_kinds(net.blocks))
    if len(kinds) != len(state):  # a backend may store it differently
        return None
    return {kind: _share([part for name, part in zip(kinds, state, strict=True) if name == kind]) for kind in KINDS}


def _share(parts: list[Tensor]) -> Share:
    return Share(len(parts), sum(part.numel() for part in parts), sum(part.nbytes for part in parts))


def _kinds(layer: nn.Module) -> Iterator[str]:
    """Whose each tensor of a layer's state is, in the state's order."""
    for kind, rule in _RULES.items():
        if isinstance(layer, kind):
            yield from rule(layer)
            return
    yield from ["other"] * getattr(layer, "state_count", 0)


def _of_residual(layer: Residual) -> Iterator[str]:
    yield from _kinds(layer.branch2)
    yield from ["residual"] * layer.temporal.delay


def _of_all(layers: Any) -> Iterator[str]:
    for layer in layers:
        yield from _kinds(layer)


_RULES: dict[type[nn.Module], Callable[[Any], Any]] = {
    Conv3d: lambda layer: ["convolution"] * layer.state_count,
    Pool3d: lambda layer: ["pool"] * layer.state_count,
    CumulativeMean: lambda layer: ["pool"] * layer.state_count,
    Delay: lambda layer: ["residual"] * layer.state_count,
    Residual: _of_residual,
    SqueezeExcitation: lambda layer: _kinds(layer.pool),
    Sequential: _of_all,
    Graph: lambda layer: _of_all(node.call for node in layer.nodes),
}


@dataclass(frozen=True)
class ClipMemory:
    """What a clip network that answers at every frame holds at once, besides weights."""

    stored: int  # the frames before the newest one: (T - 1) x C x H x W
    between_blocks: int  # the largest features that one block hands to the next, of the whole clip: the paper's
    inside_blocks: int  # the largest that any layer makes

    @property
    def worst_case(self) -> int:
        """As the paper counts it: 7,074,816 for X3D-M."""
        return self.stored + self.between_blocks


def clip_memory(net: Any) -> ClipMemory | None:
    """The worst case of a clip network on clips of its `input_shape`; None for networks that are not ours."""
    if not isinstance(net, ClipNetwork):
        return None
    try:
        between, inside = _largest_features(net)
    except (NotImplementedError, RuntimeError):  # a custom layer that shapes alone do not satisfy
        return None
    channels, frames, *pixels = net.input_shape
    return ClipMemory((frames - 1) * channels * math.prod(pixels), between, inside)


def _largest_features(net: ClipNetwork) -> tuple[int, int]:
    """Of one clip, between the blocks and behind any layer; only shapes are computed."""
    net = copy.deepcopy(net).to("meta").eval()
    blocks = set(net.blocks.children())
    between, inside = [0], [0]

    def record(module: nn.Module, args: Any, output: Any) -> None:
        pathways = output if isinstance(output, tuple) else (output,)
        (between if module in blocks else inside).append(sum(features.numel() for features in pathways))

    for module in net.blocks.modules():
        if module is not net.blocks and (module in blocks or not list(module.children())):
            module.register_forward_hook(record)
    with torch.no_grad():
        net(torch.zeros(1, *net.input_shape, device="meta"))
    return max(between), max(*between, *inside)
