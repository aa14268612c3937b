"""Calls that only name, order or cut the dimensions of a tensor: what they change is `Flow.axes`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn

from ..state import Temporal
from .calls import Calls, Parts, Result, Value, argument, call_of, listed, subject
from .each import Constant, Direct, Slot
from .flow import ConversionError, Flow, NoFrameForm, shape
from .frame_calls import Operands, each_frame, refuse_mixing, tensor_of
from .gates import PRODUCTS
from .layout import OVER_CLIP, length, reshaped, runs_over
from .shapes import shape_of, value_of


def reshape(calls: Calls, node: fx.Node) -> Result:
    """view, flatten, squeeze and all others that keep the order of the numbers."""
    value = tensor_of(calls, node)
    into = shape_of(node)
    after = reshaped(value.flow, into)
    if after is None:
        raise ConversionError(
            calls.label(node),
            f"reshapes {shape(value.flow.axes)} into {into}, which tears frames or the clips of a batch apart",
        )
    return value.with_flow(after)


def permute(calls: Calls, node: fx.Node) -> Result:
    """permute, transpose, movedim: found by what they do to a tensor whose sizes are all different."""
    value = tensor_of(calls, node)
    axes = value.flow.axes
    example = torch.empty(tuple(range(len(axes))), device="meta")
    order = tuple(call_of(node, lambda _: example)().shape)
    return value.with_flow(replace(value.flow, axes=tuple(axes[dim] for dim in order)))


def attribute(calls: Calls, node: fx.Node) -> Result:
    """x.mT and x.data; sizes are numbers already."""
    name: Any = node.args[1]
    several = calls.values.get(subject(node))
    if isinstance(several, Parts) and name in ("values", "indices"):
        return several.makers[0 if name == "values" else 1]()
    if name in ("data", "real"):
        return unchanged(calls, node)
    if name not in ("T", "mT", "H", "mH"):
        raise ConversionError(calls.label(node), f"takes .{name} of a tensor")
    value = tensor_of(calls, node)
    *others, row, column = value.flow.axes
    return value.with_flow(replace(value.flow, axes=(*others, column, row)))


def unchanged(calls: Calls, node: fx.Node) -> Result:
    """contiguous, detach and the like: the same tensor, under another name."""
    return tensor_of(calls, node)


def expand(calls: Calls, node: fx.Node) -> Result:
    """A tensor repeated along dimensions of size 1; where it then meets others it need not be repeated at all."""
    value = tensor_of(calls, node)
    axes = value.flow.axes
    if node.users and all(user.target in PRODUCTS for user in node.users):
        return value
    if node.target in ("expand_as", "type_as"):
        operands = Operands.of(calls, node)
        refuse_repeats(calls, node, operands.values)
        return each_frame(calls, node, operands.values, operands.call, operands.values[1].flow.axes, shape_of(node))
    sizes = listed(node, 1, "size")
    missing = len(sizes) - len(axes)
    names = ("",) * missing + axes
    wanted = [-1 if set(name) & OVER_CLIP else size for name, size in zip(names, sizes, strict=True)]
    if missing < 0 or any(
        set(name) & OVER_CLIP and size not in (-1, length(value.flow, name))
        for name, size in zip(names, sizes, strict=True)
    ):
        raise NoFrameForm(calls.label(node), f"repeats {shape(axes)} along time or the batch")
    return each_frame(calls, node, [value], Direct(torch.Tensor.expand, (Slot(0), wanted), {}), names, shape_of(node))


def refuse_repeats(calls: Calls, node: fx.Node, values: list[Value]) -> None:
    small, large = values[0].flow, values[1].flow
    for name, beside in zip(reversed(small.axes), reversed(large.axes), strict=False):
        if runs_over(beside, "BT", large.sizes) and not runs_over(name, "BT", small.sizes):
            return  # an average over the clip beside its frames: repeated by whoever needs it


def repeat(calls: Calls, node: fx.Node) -> Result:
    """A tensor several times beside itself, along dimensions of a frame."""
    value = tensor_of(calls, node)
    times = listed(node, 1, "repeats")
    axes = ("",) * (len(times) - len(value.flow.axes)) + value.flow.axes
    refuse_mixing(
        calls,
        node,
        value.flow,
        [dim - len(axes) for dim, count in enumerate(times) if count != 1 and axes[dim]],
        "repeats",
    )
    return each_frame(calls, node, [value], call_of(node, lambda _: Slot(0)), axes, shape_of(node))


class Offset(nn.Module):
    """Frames put before a clip (`frames` > 0) or left out there (< 0): in steps nothing but another alignment."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    @property
    def temporal(self) -> Temporal:
        return Temporal(padding=self.frames)

    def forward(self, x: Tensor) -> Tensor:
        return x


class Window(nn.Module):
    """Some frames of a clip: the regular form of a slice in time."""

    def __init__(self, frames: slice) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, clip: Tensor) -> Tensor:
        return clip[:, :, self.frames]


def window(calls: Calls, node: fx.Node, value: Value, frames: slice) -> Value:
    """x[:, :, a:b:n]: other frames first, and every n-th."""
    flow = value.flow
    if flow.frames is None and any(one is not None and one < 0 for one in (frames.start, frames.stop)):
        raise ConversionError(
            calls.label(node), "counts from the end of a clip whose length is not known: pass input_shape="
        )
    chosen = range(flow.sizes["T"])[frames]
    if not chosen or chosen.step < 0:
        raise NoFrameForm(calls.label(node), "takes no frames of the clip, or in reverse order")
    sizes = {**flow.sizes, "T": len(chosen)}
    after = replace(flow.through(stride=chosen.step), sizes=sizes, frames=None if flow.frames is None else len(chosen))
    if flow.regular:
        return calls.made(node, value, Window(slice(chosen.start, chosen.stop, chosen.step)), after)
    if chosen.start:
        return calls.made(node, value, Offset(-chosen.start * flow.rate), after)
    return value.with_flow(after)


def index(calls: Calls, node: fx.Node) -> Result:
    """x[...]: frames by another alignment, channels and pixels frame by frame; or one of several results."""
    source = subject(node)
    known = calls.values.get(source)
    key: Any = node.args[1]
    if isinstance(known, Parts):
        return known.makers[key]()
    value = tensor_of(calls, node)
    return indexed(calls, node, value, key if isinstance(key, tuple) else (key,), shape_of(node))


def indexed(calls: Calls, node: fx.Node, value: Value, key: tuple[Any, ...], into: tuple[int, ...]) -> Value:
    if not all(one is None or one is Ellipsis or type(one) in (int, slice) for one in key):
        return _chosen(calls, node, value, key, into)
    rest = len(value.flow.axes) - sum(one is not None and one is not Ellipsis for one in key)
    at = key.index(Ellipsis) if Ellipsis in key else len(key)
    key = (*key[:at], *(slice(None),) * rest, *key[at + 1 :])
    dims = iter(value.flow.axes)
    names = [None if one is None else next(dims) for one in key]
    for name, one in zip(names, key, strict=True):
        if name is None or one == slice(None) or not runs_over(name, OVER_CLIP, value.flow.sizes):
            continue
        if name != "T":
            raise NoFrameForm(
                calls.label(node),
                f"cuts {shape(value.flow.axes)} where clips of the batch or frames and others are one dimension",
            )
        length = value.flow.sizes["T"]
        frames = one if isinstance(one, slice) else slice(one % length, one % length + 1)
        if isinstance(one, int) and value.flow.frames is None:
            raise ConversionError(
                calls.label(node), "takes one frame of a clip whose length is not known: pass input_shape="
            )
        value = window(calls, node, value, frames)
        if isinstance(one, int):
            value = value.with_flow(replace(value.flow, rate=1, averaged=True))
    return _cut(calls, node, value, names, key, into)


def _chosen(calls: Calls, node: fx.Node, value: Value, key: tuple[Any, ...], into: tuple[int, ...]) -> Value:
    """x[:, [1, 0, 2]]: by a list or by a tensor of the network's own, in one dimension of a frame."""
    axes = value.flow.axes
    known = [one == slice(None) if isinstance(one, slice) else False for one in key]
    given = calls.values.get(key[-1]) if isinstance(key[-1], fx.Node) else key[-1]
    if not all(known[:-1]) or not isinstance(given, list | Constant) or len(into) != len(axes):
        raise ConversionError(calls.label(node), "takes parts of a tensor by lists or tensors in this way")
    refuse_mixing(calls, node, value.flow, [len(key) - 1], "chooses from")
    return each_frame(calls, node, [value], Direct(_item, (Slot(0), (*key[:-1], given)), {}), axes, into)


def index_select(calls: Calls, node: fx.Node) -> Result:
    operands = Operands.of(calls, node)
    if len(operands.values) != 1 or len(operands.constants) != 1:
        raise ConversionError(calls.label(node), "takes parts by a tensor that the network computes")
    flow = operands.values[0].flow
    refuse_mixing(calls, node, flow, [argument(node, 1, "dim") % len(flow.axes)], "chooses from")
    return each_frame(calls, node, operands.values, operands.call, flow.axes, shape_of(node))


def _cut(
    calls: Calls, node: fx.Node, value: Value, names: list[str | None], key: tuple[Any, ...], into: tuple[int, ...]
) -> Value:
    """The part of an index that is not about time."""
    axes: list[str] = []
    inner: list[Any] = []
    for name, one in zip(names, key, strict=True):
        over = name is not None and bool(set(name) & OVER_CLIP)
        inner.append((slice(None) if isinstance(one, slice) else 0 if isinstance(one, int) else one) if over else one)
        if not isinstance(one, int):
            axes.append(name or "")
    computes = any(one is not None and one != slice(None) and not isinstance(one, int) for one in inner) or any(
        isinstance(one, int) and not set(name or "") & OVER_CLIP and runs_over(name or "", name or "", value.flow.sizes)
        for name, one in zip(names, inner, strict=True)
    )
    if not computes:
        after = reshaped(value.flow, into)
        if after is not None:
            return value.with_flow(after)
    return each_frame(calls, node, [value], Direct(_item, (Slot(0), tuple(inner)), {}), tuple(axes), into)


def _item(x: Tensor, key: tuple[Any, ...]) -> Tensor:
    return x[key]


def parts(calls: Calls, node: fx.Node) -> Result:
    """chunk, split, unbind: slices one after the other."""
    results = value_of(node)
    value = tensor_of(calls, node)
    loses = len(results[0].shape) < len(value.flow.axes)
    default = 0
    dim = argument(node, 1 if loses else 2, "dim", default) % len(value.flow.axes)
    makers: list[Callable[[], Value]] = []
    start = 0
    for one in results:
        length = 1 if loses else one.shape[dim]
        key = (*(slice(None),) * dim, start if loses else slice(start, start + length))
        makers.append(partial(indexed, calls, node, value, key, tuple(one.shape)))
        start += length
    return Parts(tuple(makers))


def narrow(calls: Calls, node: fx.Node) -> Result:
    """narrow and select."""
    value = tensor_of(calls, node)
    dim = argument(node, 1, "dim") % len(value.flow.axes)
    start = argument(node, 2, "index" if node.target in (torch.select, "select") else "start")
    if node.target in (torch.select, "select"):
        key: Any = start
    else:
        key = slice(start, start + argument(node, 3, "length"))
    return indexed(calls, node, value, (*(slice(None),) * dim, key), shape_of(node))


def cat(calls: Calls, node: fx.Node) -> Result:
    operands = Operands.of(calls, node)
    flows = [value.flow for value in operands.values]
    dim = argument(node, 1, "dim", 0)
    dim %= len(flows[0].axes)
    _refuse_unlike(calls, node, flows)
    refuse_mixing(calls, node, flows[0], [dim], "joins along")
    if operands.constants:
        raise ConversionError(calls.label(node), "joins parameters with frames")
    first = flows[0]
    if (
        dim == 1
        and len(first.axes[1]) == 1
        and all(
            flow.axes == first.axes
            and flow.held[0] == flow.axes[1] == first.held[0]
            and flow.held[1:] == first.held[1:]
            for flow in flows
        )
    ):
        flow = replace(first, sizes={**first.sizes, first.axes[1]: shape_of(node)[1]}, channels=shape_of(node)[1])
        function = Direct(torch.cat, (tuple(Slot(at) for at in range(len(flows))), 1), {})
        return calls.joined(node, operands.values, function, flow)
    return each_frame(calls, node, operands.values, operands.call, first.axes, shape_of(node))


def stack(calls: Calls, node: fx.Node) -> Result:
    operands = Operands.of(calls, node)
    flows = [value.flow for value in operands.values]
    _refuse_unlike(calls, node, flows)
    axes = flows[0].axes
    dim = argument(node, 1, "dim", 0) % (len(axes) + 1)
    if operands.constants:
        raise ConversionError(calls.label(node), "joins parameters with frames")
    return each_frame(calls, node, operands.values, operands.call, (*axes[:dim], "", *axes[dim:]), shape_of(node))


def _refuse_unlike(calls: Calls, node: fx.Node, flows: list[Flow]) -> None:
    places = {
        tuple("".join(a for a in name if a in OVER_CLIP and flow.sizes[a] > 1) for name in flow.axes) for flow in flows
    }
    if len(places) > 1:
        raise ConversionError(
            calls.label(node), f"joins {' and '.join(dict.fromkeys(shape(flow.axes) for flow in flows))}"
        )
