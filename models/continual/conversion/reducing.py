"""Calls that run over whole dimensions: means and sums, which may be over time, and others, which may not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import fx

from ..pool import SpatialMean
from .calls import Calls, Parts, Result, Value, argument
from .each import Direct, Slot
from .flow import Flow, NoFrameForm, shape
from .frame_calls import Operands, each_frame, pointwise, refuse_mixing, tensor_of
from .layout import content, length, runs_over, stripped
from .means import clip_mean, global_mean
from .shapes import shape_of, value_of


@dataclass(frozen=True)
class Over:
    """Where a call says which dimensions it runs over, and how it works on them."""

    at: int = 1
    name: str = "dim"
    default: Any = None  # None: all of them
    drops: bool = False  # whether they are gone afterwards, unless keepdim is set

    def dims(self, node: fx.Node, rank: int) -> tuple[int, ...]:
        given = argument(node, self.at, self.name, self.default)
        given = tuple(range(rank)) if given is None else given
        many = given if isinstance(given, tuple | list) else (given,)
        return tuple(dim % rank for dim in many)

    def __call__(self, calls: Calls, node: fx.Node) -> Result:
        operands = Operands.of(calls, node)
        flow = operands.values[0].flow
        dims = self.dims(node, len(flow.axes))
        refuse_mixing(calls, node, flow, dims)
        results = value_of(node)
        if not isinstance(results, tuple | list):
            return self._made(calls, node, operands, dims, results.shape, None)
        made = (partial(self._made, calls, node, operands, dims, one.shape, part) for part, one in enumerate(results))
        return Parts(tuple(made))

    def whole(self, calls: Calls, node: fx.Node) -> Value:
        """Of a call that has one result."""
        operands = Operands.of(calls, node)
        dims = self.dims(node, len(operands.values[0].flow.axes))
        return self._made(calls, node, operands, dims, shape_of(node), None)

    def _made(
        self, calls: Calls, node: fx.Node, operands: Operands, dims: tuple[int, ...], into: Any, part: int | None
    ) -> Value:
        axes = operands.values[0].flow.axes
        if self.drops and len(into) < len(axes):
            axes = tuple(name for dim, name in enumerate(axes) if dim not in dims)
        return each_frame(calls, node, operands.values, operands.call, axes, into, part)


_MEAN = Over(drops=True)


def mean(calls: Calls, node: fx.Node) -> Value:
    """A mean over pixels and channels, and over the frames of the clip: of the frames seen last."""
    value = tensor_of(calls, node)
    flow = value.flow
    dims = _MEAN.dims(node, len(flow.axes))
    refuse_mixing(calls, node, replace(flow, sizes={**flow.sizes, "T": 1}), dims)
    if not any(runs_over(flow.axes[dim], "T", flow.sizes) for dim in dims) and node not in calls.squeezes:
        return _pixels(calls, node, value, dims) or _MEAN.whole(calls, node)
    gone = "".join(content(flow.axes[dim]) for dim in dims)
    pixels = _stripped_content("".join(flow.held[1:]), flow) == _stripped_content(gone, flow)
    if pixels and len(flow.held) == 3:
        made, after = global_mean(flow, calls.context, calls.label(node), squeeze=node in calls.squeezes)
    else:
        value = _content_mean(calls, node, value, dims)
        made, after = clip_mean(value.flow, calls.context, calls.label(node))
    return calls.made(node, value, made, _averaged(after, dims, shape_of(node)))


def _stripped_content(names: str, flow: Flow) -> set[str]:
    return set(stripped(names, flow.sizes))


def _averaged(flow: Flow, dims: tuple[int, ...], into: tuple[int, ...]) -> Flow:
    """Dimensions that were averaged have the size 1, and are gone if the result has fewer."""
    sizes = dict(flow.sizes)
    for dim in dims:
        sizes |= dict.fromkeys(flow.axes[dim], 1)
    after = replace(flow, sizes=sizes)
    if len(into) < len(flow.axes):
        after = replace(after, axes=tuple(name for dim, name in enumerate(flow.axes) if dim not in dims))
    return after


def _pixels(calls: Calls, node: fx.Node, value: Value, dims: tuple[int, ...]) -> Value | None:
    """The mean over height and width, as the layer that engines know."""
    flow = value.flow
    gone = "".join(flow.axes[dim] for dim in dims)
    whole = all(name in gone or not stripped(name, flow.sizes) for name in flow.held[1:])
    if len(flow.held) != 3 or not whole or len(gone) != 2 or _stripped_content(flow.held[0], flow) & set(gone):
        return None
    return calls.made(node, value, SpatialMean(), replace(_averaged(flow, dims, shape_of(node)), pooled=True))


def _content_mean(calls: Calls, node: fx.Node, value: Value, dims: tuple[int, ...]) -> Value:
    """The mean over what a frame has of these dimensions; they stay, with the size of what is left."""
    flow = value.flow
    if not any(content(flow.axes[dim]) for dim in dims):
        return value
    call = Direct(torch.mean, (Slot(0), dims, True), {})
    axes = tuple("T" if dim in dims and "T" in name else name for dim, name in enumerate(flow.axes))
    into = [
        flow.sizes["T"] if name == "T" else 1 if dim in dims else length(flow, name) for dim, name in enumerate(axes)
    ]
    return each_frame(calls, node, [value], call, axes, into)


def total(calls: Calls, node: fx.Node) -> Result:
    """A sum: where it runs over time, the mean times the frames of the clip."""
    known = tensor_of(calls, node)
    dims = _MEAN.dims(node, len(known.flow.axes))
    if not any(runs_over(known.flow.axes[dim], "T", known.flow.sizes) for dim in dims):
        return _MEAN(calls, node)
    if known.flow.frames is None:
        raise NoFrameForm(calls.label(node), "sums over the whole clip, whose length is not known: pass input_shape=")
    count = 1
    for dim in dims:
        count *= length(known.flow, known.flow.axes[dim])
    averaged = mean(calls, node)
    return calls.joined(node, [averaged], Direct(torch.mul, (Slot(0), count), {}), averaged.flow)


def maximum(calls: Calls, node: fx.Node) -> Result:
    """max and min: of two tensors, or over a dimension."""
    if isinstance(argument(node, 1, "other"), fx.Node):
        return pointwise(calls, node)
    refuse_clip_maximum(calls, node, tensor_of(calls, node).flow)
    return _MEAN(calls, node)


def refuse_clip_maximum(calls: Calls, node: fx.Node, flow: Flow) -> None:
    dims = _MEAN.dims(node, len(flow.axes))
    if any(runs_over(flow.axes[dim], "T", flow.sizes) for dim in dims):
        raise NoFrameForm(
            calls.label(node),
            f"takes the maximum or minimum over all frames of the clip ({shape(flow.axes)}); "
            "use nn.MaxPool3d with a size, or an average",
        )


OVER: dict[str, Over] = {
    **dict.fromkeys(("prod", "logsumexp", "any", "all", "argmax", "argmin", "median"), Over(drops=True)),
    **dict.fromkeys(("std", "var", "std_mean", "var_mean"), Over(drops=True)),
    "norm": Over(2, drops=True),
    "vector_norm": Over(2, drops=True),
    **dict.fromkeys(("softmax", "log_softmax", "softmin", "cumsum", "cumprod"), Over()),
    "flip": Over(1, "dims"),
    "roll": Over(2, "dims"),
    "sort": Over(1, "dim", -1),
    "argsort": Over(1, "dim", -1),
    "topk": Over(2, "dim", -1),
    "normalize": Over(2, "dim", 1),
    "glu": Over(1, "dim", -1),
    "cosine_similarity": Over(2, "dim", 1, drops=True),
}
