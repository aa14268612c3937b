"""How each kind of traced call becomes its frame form: a table from function to rule.

A rule takes the calls and the traced call, and returns the value it makes. Calls that only rearrange a tensor change
nothing but the names of its dimensions (`Flow.axes`): a frame keeps its four until the scores.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from .calls import Calls, Scalar, Value, argument
from .flow import MAP, VECTOR, ConversionError, shape
from .gates import PRODUCTS
from .means import clip_mean, global_mean

Function = Callable[[Calls, fx.Node], Value | Scalar]

_IN_PLACE = {operator.iadd, operator.isub, operator.imul, operator.itruediv, torch.relu_}


def overwrites(node: fx.Node) -> bool:
    """Whether a traced function writes into its first argument."""
    if isinstance(node.target, str):
        return node.target.endswith("_")
    flags = [*node.args[1:], node.kwargs.get("inplace")] if node.target in ACTIVATIONS else []
    return node.target in _IN_PLACE or any(flag is True for flag in flags)


def _elementwise(calls: Calls, node: fx.Node) -> Value:
    value = calls.tensor(node, node.args[0])
    options = {name: option for name, option in node.kwargs.items() if name != "inplace"}
    rest = tuple(False if option is True else option for option in node.args[1:])  # writes into a tensor of its own
    function: Any = node.target
    if isinstance(function, str):
        function = getattr(torch, function.rstrip("_"))
    elif function is torch.relu_:
        function = torch.relu
    return calls.joined(node, [value], partial(_called, function, rest, options), value.flow)


def _called(function: Callable[..., Tensor], rest: tuple[Any, ...], options: dict[str, Any], x: Tensor) -> Tensor:
    return function(x, *rest, **options)


def _binary(function: Callable[[Any, Any], Any]) -> Function:
    """A sum, a multiplication and so on; of plain numbers alone the result is a number."""

    def joined(calls: Calls, node: fx.Node) -> Value | Scalar:
        if all(isinstance(calls.values.get(source), Scalar) for source in node.all_input_nodes):
            return Scalar()
        if set(node.kwargs) - {"alpha", "other"} or node.kwargs.get("alpha", 1) != 1:
            raise ConversionError(calls.label(node), f"is called with {', '.join(node.kwargs)}")
        left: Any = node.args[0]
        right: Any = argument(node, 1, "other")
        if isinstance(right, int | float):
            value = calls.tensor(node, left)
            call = partial(_called, function, (right,), {})
            return calls.joined(node, [value], call, value.flow)
        if isinstance(left, int | float):
            value = calls.tensor(node, right)
            return calls.joined(node, [value], partial(function, left), value.flow)
        values = [calls.tensor(node, left), calls.tensor(node, right)]
        # the gate is broadcast over the feature map
        widest = min((value.flow for value in values), key=lambda flow: (flow.averaged, flow.pooled))
        frames = max((value.flow.frames or 0 for value in values), default=0) or None
        return calls.joined(node, values, function, replace(widest, frames=frames))

    return joined


def _number(calls: Calls, node: fx.Node) -> Scalar:
    if any(isinstance(calls.values.get(source), Value) for source in node.all_input_nodes):
        raise ConversionError(calls.label(node), "has no frame form that is known")
    return Scalar()


def _size(calls: Calls, node: fx.Node) -> Scalar:
    return Scalar()


def _cat(calls: Calls, node: fx.Node) -> Value:
    parts: Any = argument(node, 0, "tensors")
    values = [calls.tensor(node, part) for part in parts]
    (joined,) = _named(calls, node, argument(node, 1, "dim", 0), values[0].flow.axes)
    if joined != "C":
        raise ConversionError(calls.label(node), f"joins along {joined} of {MAP}; only channels (C) can be joined")
    channels = [value.flow.channels for value in values]
    known = None if None in channels else sum(count or 0 for count in channels)
    return calls.joined(node, values, _concatenated, replace(values[0].flow, channels=known))


def _concatenated(*parts: Tensor) -> Tensor:
    return torch.cat(parts, 1)


def _named(calls: Calls, node: fx.Node, dims: Any, axes: tuple[str, ...]) -> tuple[str, ...]:
    """The names of dimensions that a call gives by number. Raises ConversionError for others than there are."""
    given: Iterable[Any] = dims if isinstance(dims, tuple | list) else (dims,)
    numbers = tuple(given)
    if not all(isinstance(dim, int) and -len(axes) <= dim < len(axes) for dim in numbers):
        raise ConversionError(calls.label(node), f"names dimensions {dims} of {shape(axes)}")
    return tuple(axes[dim] for dim in numbers)


def _mean(calls: Calls, node: fx.Node) -> Value:
    value = calls.tensor(node, node.args[0])
    flow = value.flow
    named = _named(calls, node, argument(node, 1, "dim", tuple(range(len(flow.axes)))), flow.axes)
    over = "".join(sorted("".join(named)))
    if over == "HTW":
        squeeze = node in calls.squeezes
        made, after = global_mean(flow, calls.context, calls.label(node), squeeze=squeeze)
    elif over == "HW":
        made, after = calls.context.convert(
            nn.AdaptiveAvgPool3d((None, 1, 1)), replace(flow, axes=MAP), calls.context, ""
        )
    elif over == "T":
        made, after = clip_mean(flow, calls.context, calls.label(node))
    else:
        raise ConversionError(
            calls.label(node), f"runs over {shape(named)} of {shape(flow.axes)}; known are time, space, and both"
        )
    kept = argument(node, 2, "keepdim", False)
    axes = flow.axes if kept else tuple(axis for axis in flow.axes if axis not in named)
    return calls.made(node, value, made, replace(after, axes=axes))


def _adaptive_mean(calls: Calls, node: fx.Node) -> Value:
    if node in calls.squeezes:
        value = calls.tensor(node, node.args[0])
        made, flow = global_mean(value.flow, calls.context, calls.label(node), squeeze=True)
        return calls.made(node, value, made, flow)
    return calls.by_rule(node, nn.AdaptiveAvgPool3d(argument(node, 1, "output_size")))


def _pool(layer: Callable[..., nn.Module], *names: str) -> Function:
    """`names`: of the function's arguments behind the input; the layer takes the same ones, in another order."""

    def pooled(calls: Calls, node: fx.Node) -> Value:
        options = dict(zip(names, node.args[1:], strict=False)) | {
            name: option for name, option in node.kwargs.items() if name in names
        }
        sizes = [size for option in options.values() for size in (option if isinstance(option, tuple) else (option,))]
        if any(isinstance(size, fx.Node) for size in sizes):
            raise ConversionError(calls.label(node), "takes its size from a tensor; give numbers, or average by `mean`")
        return calls.by_rule(node, layer(**options))

    return pooled


def _dropout(calls: Calls, node: fx.Node) -> Value:
    layer = nn.Dropout(argument(node, 1, "p", 0.5))
    layer.training = argument(node, 2, "training", True)
    return calls.by_rule(node, layer)


def _softmax(calls: Calls, node: fx.Node) -> Value:
    return calls.by_rule(node, nn.Softmax(dim=argument(node, 1, "dim")))


def _same(calls: Calls, node: fx.Node) -> Value:
    value = calls.tensor(node, node.args[0])
    return value.over(value.flow.axes)


def _flatten(calls: Calls, node: fx.Node) -> Value:
    value = calls.tensor(node, node.args[0])
    axes = value.flow.axes
    start, end = argument(node, 1, "start_dim", 0) % len(axes), argument(node, 2, "end_dim", -1) % len(axes)
    merged = axes[start : end + 1]
    if "B" in merged and len(merged) > 1:
        raise ConversionError(calls.label(node), "flattens the batch into the rest; start at dimension 1")
    # Beside channels the others are 1 by now; or else the classifier finds too many numbers, and says so.
    name = "C" if "C" in merged else "".join(merged)
    return value.over((*axes[:start], name, *axes[end + 1 :]))


def _view(calls: Calls, node: fx.Node) -> Value:
    value = calls.tensor(node, node.args[0])
    axes, flow = value.flow.axes, value.flow
    sizes: Any = node.args[1:] if len(node.args) != 2 else node.args[1]
    sizes = sizes if isinstance(sizes, tuple | list) else (sizes,)
    if len(sizes) == 2 and axes[:2] == VECTOR:
        return value.over(VECTOR)
    ones = all(size == 1 for size in sizes[2:])  # not groups of channels, which look like frames
    if len(sizes) == 5 and ones and (axes == VECTOR or (axes == MAP and flow.pooled)):
        return value.over(MAP)
    if len(sizes) == 3 and axes == MAP and sizes[2] == -1 and not flow.pooled:
        return value.over(("B", "C", "THW"))
    raise ConversionError(calls.label(node), f"reshapes {shape(axes)} into {len(sizes)} other dimensions")


def _squeeze(calls: Calls, node: fx.Node) -> Value:
    value = calls.tensor(node, node.args[0])
    flow = value.flow
    dims = argument(node, 1, "dim")
    if dims is None:
        return value.over(VECTOR)
    named = _named(calls, node, dims, flow.axes)
    gone = [axis for axis in named if axis in "HW" or (axis == "T" and flow.frames in (1, None))]
    return value.over(tuple(axis for axis in flow.axes if axis not in gone))


def _unsqueeze(calls: Calls, node: fx.Node) -> Value:
    value = calls.tensor(node, node.args[0])
    axes = value.flow.axes
    if argument(node, 1, "dim") not in (-1, len(axes)) or axes != MAP[: len(axes)] or axes == MAP:
        raise ConversionError(calls.label(node), f"adds a dimension inside {shape(axes)}")
    return value.over(MAP[: len(axes) + 1])


def _permute(calls: Calls, node: fx.Node) -> Value:
    value = calls.tensor(node, node.args[0])
    order: Any = node.args[1:] if len(node.args) > 2 else argument(node, 1, "dims")
    return value.over(_named(calls, node, order, value.flow.axes))


def _transpose(calls: Calls, node: fx.Node) -> Value:
    value = calls.tensor(node, node.args[0])
    axes = value.flow.axes
    one, other = _named(calls, node, (argument(node, 1, "dim0"), argument(node, 2, "dim1")), axes)
    exchanged = {one: other, other: one}
    return value.over(tuple(exchanged.get(axis, axis) for axis in axes))


def _item(calls: Calls, node: fx.Node) -> Value | Scalar:
    source: Any = node.args[0]
    if isinstance(calls.values.get(source), Scalar):
        return Scalar()
    value = calls.tensor(node, source)
    everything = slice(None)
    if value.flow.axes == VECTOR and node.args[1] == (everything, everything, None, None, None):
        return value.over(MAP)
    raise ConversionError(calls.label(node), "cuts a tensor into parts; to take every n-th frame use `Subsample`")


ACTIVATIONS = {
    *(F.relu, F.relu6, F.leaky_relu, F.elu, F.gelu, F.silu, F.mish, F.hardswish, F.hardsigmoid, F.sigmoid, F.tanh),
    *(torch.relu, torch.relu_, torch.sigmoid, torch.tanh),
    *("relu", "relu_", "sigmoid", "sigmoid_", "tanh", "tanh_", "clone", torch.clone),
}
_ADD, _SUB, _MUL, _DIV = (_binary(function) for function in (torch.add, torch.sub, torch.mul, torch.div))
_MAX = _pool(nn.MaxPool3d, "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
_AVG = _pool(nn.AvgPool3d, "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")

FUNCTIONS: dict[Any, Function] = {
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add", "add_"), _ADD),
    **dict.fromkeys((operator.sub, operator.isub, torch.sub, "sub", "sub_"), _SUB),
    **dict.fromkeys((operator.truediv, operator.itruediv, torch.div, "div", "div_"), _DIV),
    **dict.fromkeys(PRODUCTS, _MUL),
    **dict.fromkeys(ACTIVATIONS, _elementwise),
    **dict.fromkeys((operator.floordiv, operator.mod), _number),
    **dict.fromkeys((torch.cat, torch.concat), _cat),
    **dict.fromkeys((torch.mean, "mean"), _mean),
    F.adaptive_avg_pool3d: _adaptive_mean,
    **dict.fromkeys((F.max_pool3d, torch.max_pool3d), _MAX),
    F.avg_pool3d: _AVG,
    **dict.fromkeys((F.dropout, F.dropout3d), _dropout),
    **dict.fromkeys((F.softmax, torch.softmax, "softmax"), _softmax),
    **dict.fromkeys(("contiguous", "expand_as", "expand"), _same),
    **dict.fromkeys((torch.flatten, "flatten"), _flatten),
    **dict.fromkeys(("view", "reshape", torch.reshape), _view),
    **dict.fromkeys((torch.squeeze, "squeeze"), _squeeze),
    **dict.fromkeys((torch.unsqueeze, "unsqueeze"), _unsqueeze),
    **dict.fromkeys((torch.permute, "permute"), _permute),
    **dict.fromkeys((torch.transpose, "transpose"), _transpose),
    **dict.fromkeys(("size", getattr), _size),
    operator.getitem: _item,
}
