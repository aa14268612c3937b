"""A rule for each operator of a graph: the call that does it, or a call that is there already and can do it as well."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from .calls import (
    MAX_ADDENDS,
    MAX_LINES,
    MAX_SEGMENTS,
    MAX_TAPS,
    Activation,
    Call,
    FeatureMap,
    Kind,
    Reduction,
    Tap,
    Window,
)
from .graph import Graph, Past, Planes, Unsqueezed, like

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

# What a pool takes behind its padding, and the values of it that there are kernels for.
_POOL_OPTIONS = {
    Reduction.AVERAGE: ("ceil_mode", "count_include_pad", "divisor_override"),
    Reduction.MAXIMUM: ("dilation", "ceil_mode"),
}
_USUAL: dict[str, tuple[Any, ...]] = {
    "ceil_mode": (False,),
    "count_include_pad": (True,),
    "divisor_override": (None,),
    "dilation": (1, [1], [1, 1], [1, 1, 1]),
}


def _activated(graph: Graph, x: Node, activation: Activation) -> FeatureMap:
    if (call := graph.open(x)) is not None:
        call.activation = activation
        return call.output
    given = graph.map(x)
    return graph.add(Call(Kind.SCALE, graph.name, [Tap(given)], [like(given)], activation=activation))


def _added(graph: Graph, a: Node, b: Node, alpha: float = 1) -> FeatureMap:
    left, right = graph.map(a), graph.map(b)
    if alpha != 1 or left.size != right.size:
        raise graph.refusal("of two shapes")
    first, second = graph.open(a), graph.open(b)
    if first and second and first is not second and first.may_merge(second):
        return graph.replace((first, second), first.merged(second))
    for call, other in ((first, right), (second, left)):
        if call and (call.is_convolution or call.kind == Kind.SCALE) and len(call.addends) < MAX_ADDENDS:
            # Last of all: the addends must be computed before.
            return graph.replace((call,), replace(call, addends=[*call.addends, (other, 0)]))
    return graph.add(Call(Kind.SCALE, "add", [Tap(left)], [like(left)], addends=[(right, 0)]))


def _multiplied(graph: Graph, a: Node, b: Node) -> FeatureMap:
    left, right = graph.map(a), graph.map(b)
    if left.is_vector and not right.is_vector:
        left, right = right, left
    if right.height * right.width != 1 or (right.batch, right.channels) != (left.batch, left.channels):
        raise graph.refusal("of two feature maps")
    if right.frames not in (1, left.frames):
        raise graph.refusal("of clips of two lengths")
    return graph.add(Call(Kind.SCALE, "mul", [Tap(left), Tap(right)], [like(left)]))


def _convolution(
    graph: Graph,
    x: Node,
    weight: Node,
    bias: Node | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> FeatureMap:
    kernel: Tensor = graph.values[weight]
    if isinstance(padding, str) or kernel.dim() not in (4, 5):
        raise graph.refusal("of this form")
    if kernel.dim() == 4:
        kernel = kernel.unsqueeze(2)
    strides, paddings, dilations = (_three(each, fill) for each, fill in ((stride, 1), (padding, 0), (dilation, 1)))
    window = Window((kernel.shape[3], kernel.shape[4]), strides[1:], paddings[1:], dilations[1:])
    value = graph.values[x]
    if isinstance(value, Planes) and groups == 1 and not value.shared and len(x.users) == 1:
        given = graph.pack(value, paddings)
        window, paddings = replace(window, padding=(0, 0)), (0, 0, 0)
    else:
        given = graph.map(x)
    out_frames, out_height, out_width = (
        (size + 2 * pad - spread * (length - 1) - 1) // step + 1
        for size, pad, spread, length, step in zip(
            (given.frames, given.height, given.width),
            (paddings[0], *window.padding),
            dilations,
            kernel.shape[2:],
            strides,
            strict=True,
        )
    )
    taps = [Tap(given, index * dilations[0] - paddings[0]) for index in range(kernel.shape[2])]
    out = FeatureMap(given.batch, out_frames, out_height, out_width, kernel.shape[0])
    if groups == 1:
        kind, laid_out = Kind.DENSE, kernel.permute(2, 3, 4, 1, 0).flatten(0, 3)
        fits = given.planes or len(taps) * math.prod(window.kernel) <= MAX_SEGMENTS
    elif groups == given.channels == kernel.shape[0]:
        kind, laid_out = Kind.DEPTHWISE, kernel.permute(1, 2, 3, 4, 0).flatten(1, 3)
        fits = len(taps) * window.kernel[0] <= MAX_LINES
    else:
        raise graph.refusal("in groups of several channels")
    if not fits or len(taps) > MAX_TAPS:
        raise graph.refusal("with so large a kernel")
    return graph.add(
        Call(
            kind,
            graph.name,
            taps,
            [out],
            window,
            strides[0],
            weight=laid_out.float().contiguous(),
            bias=None if bias is None else graph.values[bias].float().unsqueeze(0),
        )
    )


def _linear(graph: Graph, x: Node, weight: Node, bias: Node | None = None) -> FeatureMap:
    given, matrix = graph.map(x), graph.values[weight]
    if not given.is_vector or tuple(x.meta["val"].shape)[-1] != given.channels:
        raise graph.refusal("over something other than channels")
    out = FeatureMap(given.batch, 1, 1, 1, matrix.shape[0])
    row = None if bias is None else graph.values[bias].float().unsqueeze(0)
    return graph.add(Call(Kind.DENSE, "linear", [Tap(given)], [out], weight=matrix.float().t().contiguous(), bias=row))


def _mean(
    graph: Graph, x: Node, dims: Sequence[int] | None = None, keepdim: bool = False, **options: Any
) -> FeatureMap:
    value = graph.values[x]
    if isinstance(value, Past):
        return _slide(graph, value, dims, Reduction.AVERAGE)
    given, count = graph.map(x), len(x.meta["val"].shape)
    away = {dim % count for dim in dims or range(count)}
    if count == 5 and away == {2, 3, 4}:
        return _whole_mean(graph, given, over_frames=True)
    if count in (4, 5) and away == {count - 2, count - 1}:
        return _whole_mean(graph, given, over_frames=False)
    raise graph.refusal("over these dimensions")


def _maximum(graph: Graph, x: Node, dims: Sequence[int] = (), keepdim: bool = False) -> FeatureMap:
    value = graph.values[x]
    if isinstance(value, Past):
        return _slide(graph, value, dims, Reduction.MAXIMUM)
    raise graph.refusal("over these dimensions")


def _whole_mean(graph: Graph, given: FeatureMap, *, over_frames: bool) -> FeatureMap:
    out = FeatureMap(given.batch, 1 if over_frames else given.frames, 1, 1, given.channels)
    return graph.add(Call(Kind.MEAN, "mean", [Tap(given)], [out]))


def _pool(
    graph: Graph,
    x: Node,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    *others: Any,
    reduction: Reduction,
    **options: Any,
) -> FeatureMap:
    given = graph.map(x)
    named = {**dict(zip(_POOL_OPTIONS[reduction], others, strict=False)), **options}
    if any(value not in _USUAL[name] for name, value in named.items()):
        raise graph.refusal("with these options")
    sizes = (given.frames, given.height, given.width)
    lengths, paddings = _three(kernel, 1), _three(padding, 0)
    strides = _three(stride or kernel, 1)
    whole = paddings == (0, 0, 0) and reduction == Reduction.AVERAGE and lengths[1:] == sizes[1:]
    if whole and lengths[0] in (1, given.frames):
        return _whole_mean(graph, given, over_frames=lengths[0] == given.frames)
    if lengths[0] != 1 or strides[0] != 1:
        raise graph.refusal("over time")
    high, wide = (
        (size + 2 * pad - length) // step + 1
        for size, pad, length, step in zip(sizes[1:], paddings[1:], lengths[1:], strides[1:], strict=True)
    )
    out = FeatureMap(given.batch, given.frames, high, wide, given.channels)
    window = Window(lengths[1:], strides[1:], paddings[1:])
    return graph.add(Call(Kind.POOL, graph.name, [Tap(given)], [out], window, reduction=reduction))


# -- a pool's past ------------------------------------------------------------------------------------------------


def _window(graph: Graph, parts: Sequence[Node], dim: int = 0) -> Past:
    values = [graph.values[part] for part in parts]
    match values:
        case [Past(newest=None) as past, Unsqueezed() as newest] if dim == 1:
            return replace(past, newest=newest.map)
    raise graph.refusal()


def _slice(
    graph: Graph, x: Node, dim: int = 0, start: int | None = None, stop: int | None = None, step: int = 1
) -> Past:
    value = graph.values[x]
    if isinstance(value, Past) and value.newest is not None and dim == 1 and (stop or 2**62) >= value.ring.slots:
        if start == 1 and step == 1:
            return replace(value, moved_up=True)
        if not start and (value.ring.slots - 1) % step == 0:
            return replace(value, dilation=value.dilation * step)
    raise graph.refusal()


def _slide(graph: Graph, window: Past, dims: Sequence[int] | None, reduction: Reduction) -> FeatureMap:
    if window.newest is None or window.moved_up or list(dims or ()) != [1]:
        raise graph.refusal("over these dimensions")
    taps = [Tap(window.newest), Tap(window.ring)]
    out = like(window.newest)
    return graph.add(Call(Kind.SLIDE, "slide", taps, [out], reduction=reduction, dilation=window.dilation))


# -- what only looks at memory in another way ----------------------------------------------------------------------


def _same(graph: Graph, x: Node, *_: Any, **__: Any) -> Any:
    value = graph.values[x]
    if len(x.users) > 1:
        if isinstance(value, FeatureMap):
            value.shared = True
        elif isinstance(value, Planes):
            return replace(value, shared=True)
    return value


def _reshaped(graph: Graph, x: Node, *arguments: Any, **options: Any) -> Any:
    before, after = tuple(x.meta["val"].shape), tuple(graph.node.meta["val"].shape)
    value = _same(graph, x)
    if before == after and graph.name not in ("permute.default", "movedim.int"):
        return value
    if isinstance(value, FeatureMap):
        if graph.name == "unsqueeze.default" and arguments == (1,) and not value.is_vector:
            return Unsqueezed(value)
        if value.is_vector and after[0] == value.batch:
            return Unsqueezed(value) if graph.name == "unsqueeze.default" and arguments == (1,) else value
        if after == (value.batch, math.prod(value.size[1:])):
            out = FeatureMap(value.batch, 1, 1, 1, after[1])
            return graph.add(Call(Kind.UNPACK, graph.name, [Tap(value)], [out]))
    raise graph.refusal()


def _three(values: Any, fill: int) -> Any:
    """One number, one for each direction in space, or for time and space: as (time, height, width)."""
    numbers = tuple(values) if isinstance(values, list | tuple) else (values,)
    if len(numbers) == 3:
        return numbers
    return (fill, *(numbers * 2 if len(numbers) == 1 else numbers))


# Of an operator as the graph calls it: (graph, its arguments) -> its value.
RULES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("conv2d.default", "conv3d.default"), _convolution),
    "linear.default": _linear,
    "add.Tensor": _added,
    "mul.Tensor": _multiplied,
    "relu.default": partial(_activated, activation=Activation.RELU),
    "silu.default": partial(_activated, activation=Activation.SILU),
    "sigmoid.default": partial(_activated, activation=Activation.SIGMOID),
    "mean.dim": _mean,
    "amax.default": _maximum,
    **dict.fromkeys(("avg_pool2d.default", "avg_pool3d.default"), partial(_pool, reduction=Reduction.AVERAGE)),
    **dict.fromkeys(("max_pool2d.default", "max_pool3d.default"), partial(_pool, reduction=Reduction.MAXIMUM)),
    "cat.default": _window,
    "slice.Tensor": _slice,
    **dict.fromkeys(
        ("alias.default", "clone.default", "contiguous.default", "detach.default", "dropout.default"), _same
    ),
    **dict.fromkeys(
        (
            "view.default",
            "_unsafe_view.default",
            "reshape.default",
            "flatten.using_ints",
            "permute.default",
            "movedim.int",
            "unsqueeze.default",
            "squeeze.dim",
            "squeeze.dims",
        ),
        _reshaped,
    ),
}
