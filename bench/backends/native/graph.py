"""A graph while it is lowered: what its values are, and the calls so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import UserError
from .calls import ACTIVATES, Activation, Call, FeatureMap, Kind, Tap, Window
from .views import View, map_of, materialise, view_of

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node


# Zeros (before, behind) in (time, height, width).
Edges = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Planes:
    """The input, before its layout is changed."""

    map: FeatureMap
    shared: bool = False


@dataclass(frozen=True)
class Past:
    """The state of a pool: the frames before the newest. As a window, with the newest, every `dilation`-th."""

    ring: FeatureMap
    newest: FeatureMap | None = None
    dilation: int = 1
    moved_up: bool = False  # without the oldest: the next state


@dataclass(frozen=True)
class Unsqueezed:
    """A feature map as a clip of one frame, to be put after the past ones."""

    map: FeatureMap


def memory_of(value: Planes | Past | FeatureMap | View) -> FeatureMap:
    """Where an input lies."""
    if isinstance(value, View):
        return value.sources[0]
    return value.ring if isinstance(value, Past) else value.map if isinstance(value, Planes) else value


def like(given: FeatureMap) -> FeatureMap:
    """A new feature map of the same size."""
    return FeatureMap(*given.size)


def operator_of(node: Any) -> str:
    """The operator's name; one that overwrites its argument makes the same, and nobody reads that argument any more."""
    return str(node.target).removeprefix("aten.").removeprefix("prims.").replace("_.", ".")


def constant(graph: Graph, node: Any) -> Tensor:
    """Weights. Raises UserError where they depend on the input."""
    import torch

    value = graph.values.get(node)
    if not isinstance(value, torch.Tensor):
        raise graph.refusal("with weights that depend on the input")
    return value.detach().float()


class Graph:
    """The values of the nodes that were visited, the calls that make them, and the node that is looked at now."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.maker: dict[FeatureMap, Call] = {}
        self.values: dict[Node, Any] = {}
        self.packed: FeatureMap | None = None  # the input, channels last
        self.node: Any = None

    @property
    def name(self) -> str:
        return operator_of(self.node)

    def refusal(self, what: str = "") -> UserError:
        """What to raise where there is no kernel for the node, or not for this form of it."""
        nodes = self.node.all_input_nodes or [self.node]
        values = [each.meta.get("val") for each in nodes]  # of a call with several results, a list of them
        shapes = [tuple(value.shape) for value in values if hasattr(value, "shape")]
        of = f" ({what})" if what else ""
        return UserError(
            f"native: no kernel for {self.name}{of} on {', '.join(map(str, shapes))}; "
            "another backend may run it (co3d-bench list backends)"
        )

    def map(self, node: Any, *, any_order: bool = False) -> FeatureMap:
        """The value of a node as a feature map, the input's packed at its first use. Raises UserError where it is
        none.

        One pixel for each of the batch is the same memory with its channels in any dimension, as (B, 1, C) or
        (B, C, 1): `any_order` is for whoever does not look at dimensions.
        """
        value = self.values.get(node)
        if isinstance(value, Planes):
            self.packed = self.packed or self.pack(value)
            return self.packed
        if isinstance(value, View):
            value = self.values[node] = self.materialised(value, map_of(tuple(value.index.shape)))
        if not isinstance(value, FeatureMap):
            raise self.refusal()
        size = map_of(tuple(node.meta["val"].shape))
        return value if any_order or value.size == size.size else self.materialised(self.view(node), size)

    def view(self, node: Any) -> View:
        """The value of a node as the places where its numbers lie. Raises UserError where it has none."""
        import torch

        value = self.values.get(node)
        if isinstance(value, View):
            return value
        if isinstance(value, torch.Tensor):
            return View((), value.float().flatten(), torch.arange(value.numel(), dtype=torch.float64).view(value.shape))
        if isinstance(value, Unsqueezed | Planes):
            value = value.map
        if not isinstance(value, FeatureMap):
            raise self.refusal()
        value.shared = True
        return view_of(value, tuple(node.meta["val"].shape))

    def materialised(self, view: View, out: FeatureMap) -> FeatureMap:
        """The numbers of a view in a map of that size: where they lie so already, that map."""
        same, call = materialise(view, out, self.name)
        if call is not None and not call.taps:  # constants alone
            call.taps.append(Tap(next(each.map for each in self.values.values() if isinstance(each, Planes))))
        return same if call is None else self.add(call)

    def pack(self, planes: Planes, edges: Edges | None = None) -> FeatureMap:
        """The input channels last; for the one convolution that reads it, in planes with its padding around."""
        given = planes.map
        if edges is None:
            return self.add(Call(Kind.PACK_CHANNELS, "pack", [Tap(given)], [FeatureMap(*given.size)]))
        sizes = (given.frames, given.height, given.width)
        frames, height, width = (size + sum(pads) for size, pads in zip(sizes, edges, strict=True))
        out = FeatureMap(given.batch, frames, height, width, given.channels, planes=True)
        first = Window(padding=(edges[1][0], edges[2][0]))
        return self.add(Call(Kind.PACK_PLANES, "pack", [Tap(given)], [out], first))

    def add(self, call: Call) -> FeatureMap:
        """Append a call; returns its first output."""
        self.calls.append(call)
        for out in call.outputs:
            self.maker[out] = call
        return call.output

    def open(self, node: Any) -> Call | None:
        """The call that makes this value, if nobody else looks at the value and nothing is done with it yet."""
        value = self.values.get(node)
        if not isinstance(value, FeatureMap) or value.shared or len(node.users) > 1 or value not in self.maker:
            return None
        call = self.maker[value]
        return call if call.activation == Activation.NONE and call.kind in ACTIVATES else None

    def replace(self, old: Sequence[Call], new: Call) -> FeatureMap:
        """Replace calls by one, after all that are left."""
        self.calls = [call for call in self.calls if call not in old]
        return self.add(new)
