"""A rule for each operator of a graph: the call that does it, or a call that is there already and can do it as well."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
from .graph import Edges, Graph, Past, Planes, Unsqueezed, constant, like, operator_of
from .views import View, map_of, with_constant

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

_NO_EDGES: Edges = ((0, 0), (0, 0), (0, 0))
# What a pool takes behind its padding.
_POOL_OPTIONS = {
    Reduction.AVERAGE: ("ceil_mode", "count_include_pad", "divisor_override"),
    Reduction.MAXIMUM: ("dilation", "ceil_mode"),
}


def _activated(graph: Graph, x: Node, activation: Activation) -> FeatureMap:
    if (call := graph.open(x)) is not None:
        call.activation = activation
        return call.output
    given = graph.map(x, any_order=True)
    return graph.add(Call(Kind.SCALE, graph.name, [Tap(given)], [like(given)], activation=activation))


def _added(graph: Graph, a: Node, b: Node, alpha: float = 1) -> FeatureMap:
    alike = _of_one_shape(graph, a, b)
    left, right = (graph.map(each, any_order=alike) for each in (a, b))
    if not alike or alpha != 1 or left.size != right.size:
        raise graph.refusal("of two shapes")
    first, second = graph.open(a), graph.open(b)
    if first and second and first is not second and first.may_merge(second):
        return graph.replace((first, second), first.merged(second))
    for call, other in ((first, right), (second, left)):
        if call and (call.is_convolution or call.kind == Kind.SCALE) and len(call.addends) < MAX_ADDENDS:
            # Last of all: the addends must be computed before.
            return graph.replace((call,), replace(call, addends=[*call.addends, (other, 0)]))
    return graph.add(Call(Kind.SCALE, "add", [Tap(left)], [like(left)], addends=[(right, 0)]))


def _of_one_shape(graph: Graph, a: Any, b: Any) -> bool:
    """Whether both have the same shape. Raises UserError where they have not as many dimensions: these are counted from
    the last, so the first ones would be others."""
    if not (hasattr(a, "op") and hasattr(b, "op")) or a.meta["val"].dim() != b.meta["val"].dim():
        raise graph.refusal("of two shapes")
    return a.meta["val"].shape == b.meta["val"].shape


def _multiplied(graph: Graph, a: Node, b: Node) -> FeatureMap:
    alike = _of_one_shape(graph, a, b)
    left, right = (graph.map(each, any_order=alike) for each in (a, b))
    if left.is_vector and not right.is_vector:
        left, right = right, left
    if right.height * right.width != 1 or (right.batch, right.channels) != (left.batch, left.channels):
        raise graph.refusal("of two feature maps")
    if right.frames not in (1, left.frames):
        raise graph.refusal("of clips of two lengths")
    return graph.add(Call(Kind.SCALE, "mul", [Tap(left), Tap(right)], [like(left)]))


@dataclass(frozen=True)
class _Filter:
    """A convolution's kernel (out, in of a group, time, height, width), and what it does in (time, height, width)."""

    kernel: Tensor
    bias: Tensor | None
    strides: tuple[int, int, int]
    edges: Edges
    dilations: tuple[int, int, int]
    groups: int

    @property
    def window(self) -> Window:
        before = (self.edges[1][0], self.edges[2][0])
        return Window((self.kernel.shape[3], self.kernel.shape[4]), self.strides[1:], before, self.dilations[1:])

    def may_take(self, parts: int) -> bool:
        """Whether one call does it over the channels of so many maps."""
        taps, height, width = parts * self.kernel.shape[2], *self.kernel.shape[3:]
        return 0 < taps <= MAX_TAPS and taps * height <= MAX_LINES and taps * height * width <= MAX_SEGMENTS

    def sizes(self, given: FeatureMap) -> list[int]:
        """(time, height, width) of what comes out."""
        lengths = (given.frames, given.height, given.width)
        return [
            (size + sum(pads) - spread * (length - 1) - 1) // step + 1
            for size, pads, spread, length, step in zip(
                lengths, self.edges, self.dilations, self.kernel.shape[2:], self.strides, strict=True
            )
        ]


def _convolution(
    graph: Graph,
    x: Node,
    weight: Node,
    bias: Node | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] | str = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> FeatureMap:
    kernel, row = constant(graph, weight), None if bias is None else constant(graph, bias)
    dims = kernel.dim() - 2
    if dims != x.meta["val"].dim() - 2:
        raise graph.refusal("of one input alone")
    kernel = _in_five(kernel)
    strides, dilations = _in_time(stride, dims, 1), _in_time(dilation, dims, 1)
    if padding == "valid":
        padding = (0,)
    if isinstance(padding, str):
        spans = [spread * (length - 1) for spread, length in zip(dilations, kernel.shape[2:], strict=True)]
        if any(span % 2 for span in spans):
            raise graph.refusal("padded more on one side")
        paddings = _in_time([span // 2 for span in spans], 3, 0)
    else:
        paddings = _in_time(padding, dims, 0)
    x, edges = _unpadded(graph, x, paddings)
    filter = _Filter(kernel, row, strides, edges, dilations, groups)
    value = graph.values[x]
    if dims > 1 and groups == 1 and isinstance(value, Planes) and not value.shared and len(x.users) == 1:
        return _convolved(graph, graph.pack(value, edges), replace(filter, edges=_NO_EDGES))
    if dims > 1 and groups == 1 and isinstance(value, View) and all(source.planes for source in value.sources):
        return _convolved(graph, _planes(graph, value, edges), replace(filter, edges=_NO_EDGES))
    if groups == 1 and filter.may_take(len(parts := _concatenated(graph, x))):
        return _of_parts(graph, parts, filter)
    given = graph.map(x)
    if groups > 1 and not groups == given.channels == kernel.shape[0]:
        return _in_groups(graph, x, filter)
    return _convolved(graph, given, filter)


def _unpadded(graph: Graph, x: Node, paddings: tuple[int, int, int]) -> tuple[Node, Edges]:
    """What a convolution reads, and its own padding together with zeros that were put around before."""
    time, height, width = paddings
    edges = (time, time), (height, height), (width, width)
    if operator_of(x) not in ("pad.default", "constant_pad_nd.default"):
        return x, edges
    given: Any = x.args
    source, pad, *words = given
    dims = source.meta["val"].dim() - 2
    zeros = all(word in ("constant", None, 0) for word in (*words, *x.kwargs.values()))
    if not zeros or min(pad, default=0) < 0 or len(pad) > 2 * dims:
        return x, edges
    pad = [*pad, *[0] * (2 * dims - len(pad))]  # from the last dimension on
    around = _in_time([*zip(pad[::2], pad[1::2], strict=True)][::-1], dims, (0, 0))
    if around[0][0] != around[0][1] and isinstance(graph.values[source], Planes):
        return x, edges  # the input's planes have as many frames before as behind
    time, height, width = ((side + first, side + last) for side, (first, last) in zip(paddings, around, strict=True))
    return source, (time, height, width)


def _concatenated(graph: Graph, x: Node) -> list[Node]:
    """The maps that a value has its channels of, one after the other, if they are of one size; else none."""
    if operator_of(x) != "cat.default" or [*x.args[1:], *x.kwargs.values()] != [1]:
        return []
    given: Any = x.args
    parts = list(given[0])
    values = [graph.values.get(part) for part in parts]
    maps = [value for value in values if isinstance(value, FeatureMap)]
    if len(maps) < len(values) or len({value.size for value in maps}) != 1:
        return []
    fits = maps[0].size == map_of(parts[0].meta["val"].shape).size
    return parts if fits else []


def _of_parts(graph: Graph, parts: Sequence[Node], filter: _Filter) -> FeatureMap:
    """A convolution over the channels of several maps: the sum of one over each, in one call."""
    kernels = filter.kernel.chunk(len(parts), 1)
    out = _convolved(graph, graph.map(parts[0]), replace(filter, kernel=kernels[0]))
    for part, kernel in zip(parts[1:], kernels[1:], strict=True):
        more = _convolved(graph, graph.map(part), replace(filter, kernel=kernel, bias=None))
        both = graph.maker[out], graph.maker[more]
        out = graph.replace(both, both[0].merged(both[1]))
    return out


def _planes(graph: Graph, value: View, edges: Edges) -> FeatureMap:
    """Numbers of the input as planes with their padding around."""
    import torch

    dims = value.index.dim() - 2
    pads = [pad for each in reversed(edges[-dims:]) for pad in each]
    value, at = with_constant(value, 0.0)
    index = torch.nn.functional.pad(value.index, pads, value=at)
    size = map_of(index.shape, planes=True)
    return graph.materialised(View(value.sources, value.constants, index), size)


def _in_groups(graph: Graph, x: Node, filter: _Filter) -> FeatureMap:
    """Of one channel each: every channel as often as there are filters for it; of several: filters with zeros for the
    channels of the other groups."""
    import torch

    kernel, groups = filter.kernel, filter.groups
    view = graph.view(x)
    if kernel.shape[1] == 1:
        index = view.index.repeat_interleave(kernel.shape[0] // groups, 1)
        given = graph.materialised(View(view.sources, view.constants, index), map_of(index.shape))
        return _convolved(graph, given, replace(filter, groups=given.channels))
    each_out, each_in = kernel.shape[0] // groups, kernel.shape[1]
    wide = torch.zeros(kernel.shape[0], each_in * groups, *kernel.shape[2:])
    for group in range(groups):
        rows = slice(group * each_out, (group + 1) * each_out)
        wide[rows, group * each_in : (group + 1) * each_in] = kernel[rows]
    return _convolved(graph, graph.map(x), replace(filter, kernel=wide, groups=1))


def _convolved(graph: Graph, given: FeatureMap, filter: _Filter) -> FeatureMap:
    """The call of a kernel; a long one in time takes several, each of which adds to what the one before made."""
    kernel, window = filter.kernel, filter.window
    out_frames, out_height, out_width = filter.sizes(given)
    taps = [Tap(given, at * filter.dilations[0] - filter.edges[0][0]) for at in range(kernel.shape[2])]
    row = None if filter.bias is None else filter.bias.unsqueeze(0).contiguous()
    before: FeatureMap | None = None
    out = FeatureMap(given.batch, out_frames, out_height, out_width, kernel.shape[0])
    for first in range(0, len(taps), MAX_TAPS):
        some, part = taps[first : first + MAX_TAPS], kernel[:, :, first : first + MAX_TAPS]
        if filter.groups == 1:
            kind, laid_out = Kind.DENSE, part.permute(2, 3, 4, 1, 0).flatten(0, 3)
            fits = given.planes or len(some) * math.prod(window.kernel) <= MAX_SEGMENTS
        else:
            kind, laid_out = Kind.DEPTHWISE, part.permute(1, 2, 3, 4, 0).flatten(1, 3)
            fits = len(some) * window.kernel[0] <= MAX_LINES
        if not fits:
            raise graph.refusal("with so large a kernel")
        out = like(out)
        call = Call(
            kind,
            graph.name,
            some,
            [out],
            window,
            filter.strides[0],
            weight=laid_out.float().contiguous(),
            bias=row if before is None else None,
            addends=[] if before is None else [(before, 0)],
        )
        before = graph.add(call)
    return out


def _transposed(
    graph: Graph,
    x: Node,
    weight: Node,
    bias: Node | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] = (0,),
    output_padding: Sequence[int] = (0,),
    groups: int = 1,
    dilation: Sequence[int] = (1,),
) -> FeatureMap:
    """A convolution of the input with zeros between its pixels, by the kernel turned around."""
    import torch

    kernel = constant(graph, weight)
    dims = kernel.dim() - 2
    by_group = kernel.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    turned = _in_five(by_group.flip(tuple(range(2, kernel.dim()))))
    strides, dilations = _in_time(stride, dims, 1), _in_time(dilation, dims, 1)
    paddings, more = _in_time(padding, dims, 0), _in_time(output_padding, dims, 0)
    view, at = with_constant(graph.view(x), 0.0)
    batch, frames, height, width, channels = map_of(view.index.shape).size
    index = view.index.reshape(batch, channels, frames, height, width)
    sizes = [(size - 1) * step + 1 for size, step in zip(index.shape[2:], strides, strict=True)]
    spread = torch.full((batch, channels, *sizes), float(at), dtype=torch.float64)
    spread[:, :, :: strides[0], :: strides[1], :: strides[2]] = index
    edges = [
        (spread_ * (length - 1) - pad, spread_ * (length - 1) - pad + extra)
        for spread_, length, pad, extra in zip(dilations, turned.shape[2:], paddings, more, strict=True)
    ]
    index = torch.nn.functional.pad(spread, [edge for pair in reversed(edges) for edge in pair], value=at)
    padded = View(view.sources, view.constants, index)
    given = graph.materialised(padded, map_of(index.shape))
    filter = _Filter(turned, None if bias is None else constant(graph, bias), (1, 1, 1), _NO_EDGES, dilations, groups)
    if groups == 1 or groups == given.channels == turned.shape[0]:
        return _convolved(graph, given, filter)
    raise graph.refusal("in groups of several channels")


def _any_convolution(
    graph: Graph,
    x: Node,
    weight: Node,
    bias: Node | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> FeatureMap:
    if transposed:
        return _transposed(graph, x, weight, bias, stride, padding, output_padding, groups, dilation)
    return _convolution(graph, x, weight, bias, stride, padding, dilation, groups)


def _in_five(kernel: Tensor) -> Tensor:
    """(out, in, time, height, width), of one over pixels, or over time."""
    return kernel.unsqueeze(2) if kernel.dim() == 4 else kernel if kernel.dim() == 5 else kernel[..., None, None]


def _in_time(values: Any, dims: int, fill: Any) -> tuple[Any, Any, Any]:
    """(time, height, width) of what is given for so many dimensions."""
    numbers = tuple(values) if isinstance(values, list | tuple) else (values,)
    numbers = numbers * dims if len(numbers) == 1 else numbers
    time, height, width = {1: (*numbers, fill, fill), 2: (fill, *numbers), 3: numbers}[dims]
    return time, height, width


def _linear(graph: Graph, x: Node, weight: Node, bias: Node | None = None) -> FeatureMap:
    given, matrix = graph.map(x, any_order=True), constant(graph, weight)
    if not given.is_vector or tuple(x.meta["val"].shape)[-1] != given.channels:
        raise graph.refusal("over something other than channels")
    out = FeatureMap(given.batch, 1, 1, 1, matrix.shape[0])
    row = None if bias is None else constant(graph, bias).unsqueeze(0)
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
    if named.get("divisor_override") is not None or x.meta["val"].dim() not in (4, 5):
        raise graph.refusal("with these options")
    sizes = (given.frames, given.height, given.width)
    lengths, paddings = _three(kernel, 1), _three(padding, 0)
    strides, dilations = _three(stride or kernel, 1), _three(named.get("dilation", 1), 1)
    whole = paddings == (0, 0, 0) and reduction == Reduction.AVERAGE and lengths[1:] == sizes[1:]
    if whole and lengths[0] in (1, given.frames):
        return _whole_mean(graph, given, over_frames=lengths[0] == given.frames)
    if lengths[0] > MAX_TAPS:
        raise graph.refusal("over so many frames")
    if reduction == Reduction.AVERAGE and not named.get("count_include_pad", True):
        reduction = Reduction.AVERAGE_INSIDE
    elif reduction == Reduction.AVERAGE and named.get("ceil_mode", False):
        raise graph.refusal("with windows that reach over the end")
    frames, high, wide = map_of(graph.node.meta["val"].shape).size[1:4]
    out = FeatureMap(given.batch, frames, high, wide, given.channels)
    taps = [Tap(given, at * dilations[0] - paddings[0]) for at in range(lengths[0])]
    window = Window(lengths[1:], strides[1:], paddings[1:], dilations[1:])
    return graph.add(Call(Kind.POOL, graph.name, taps, [out], window, strides[0], reduction=reduction))


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
    if not graph.node.target(x.meta["val"].new_empty(before, device="meta"), *arguments, **options).is_contiguous():
        raise graph.refusal("in another order")
    if before == after:
        return value
    if isinstance(value, FeatureMap):
        if graph.name == "unsqueeze.default" and arguments == (1,) and not value.is_vector:
            return Unsqueezed(value)
        # One number for each channel, whatever dimensions of one lie around them.
        if value.is_vector and before[0] == after[0] == value.batch and value.channels in after[1:]:
            return Unsqueezed(value) if graph.name == "unsqueeze.default" and arguments == (1,) else value
        if after == (value.batch, math.prod(value.size[1:])) and map_of(before).size == value.size:
            out = FeatureMap(value.batch, 1, 1, 1, after[1])
            return graph.add(Call(Kind.UNPACK, graph.name, [Tap(value)], [out]))
    raise graph.refusal()


def _bounded(graph: Graph, x: Node, low: float = -1, high: float = 1) -> FeatureMap:
    if (low, high) == (0, 6):
        return _activated(graph, x, Activation.RELU6)
    raise graph.refusal("between other bounds")


def _three(values: Any, fill: int) -> Any:
    """One number, one for each direction in space, or for time and space: as (time, height, width)."""
    numbers = tuple(values) if isinstance(values, list | tuple) else (values,)
    if len(numbers) == 3:
        return numbers
    return (fill, *(numbers * 2 if len(numbers) == 1 else numbers))


# Of an operator as the graph calls it: (graph, its arguments) -> its value.
RULES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("conv2d.default", "conv3d.default"), _convolution),
    "conv1d.default": _convolution,
    **dict.fromkeys((f"conv{dims}d.padding" for dims in (1, 2, 3)), _convolution),
    **dict.fromkeys((f"conv_transpose{dims}d.default" for dims in (1, 2, 3)), _transposed),
    **dict.fromkeys((f"conv_transpose{dims}d.input" for dims in (2, 3)), _transposed),
    "convolution.default": _any_convolution,
    "linear.default": _linear,
    "add.Tensor": _added,
    "mul.Tensor": _multiplied,
    "relu.default": partial(_activated, activation=Activation.RELU),
    "silu.default": partial(_activated, activation=Activation.SILU),
    "sigmoid.default": partial(_activated, activation=Activation.SIGMOID),
    "hardswish.default": partial(_activated, activation=Activation.HARDSWISH),
    "hardsigmoid.default": partial(_activated, activation=Activation.HARDSIGMOID),
    "relu6.default": partial(_activated, activation=Activation.RELU6),
    "hardtanh.default": _bounded,
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
