"""Plain rules, for what has no fast kernel: numbers moved, computed one by one, summed up, and products of matrices.

An operator that has no rule here neither is taken apart by PyTorch, or by a function of ours, into others that have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from ...errors import UserError
from .calls import MAX_TAPS, Call, FeatureMap, Kind, Operation, Reduction, Tap, as_weight
from .graph import Graph, constant
from .views import SOURCE, View, joined, map_of, places, row_of, view_of, with_constant

if TYPE_CHECKING:
    from torch import Tensor
    from torch.fx import Node

Operand = Any  # a view, a constant tensor, or a number


# -- moved ----------------------------------------------------------------------------------------------------------


def _moved(graph: Graph, *arguments: Any, constants: bool = False, **options: Any) -> Any:
    """Any operator that only moves numbers. With `constants`, tensors among its arguments are moved too, and are no
    indices."""
    import torch
    from torch.utils._pytree import tree_leaves, tree_map

    def moves(each: Any) -> bool:
        return hasattr(each, "op") and (constants or not isinstance(graph.values.get(each), torch.Tensor))

    nodes = list(dict.fromkeys(each for each in tree_leaves((arguments, options)) if moves(each)))
    if any(each is not arguments[0] and not each.meta["val"].is_floating_point() for each in nodes if not constants):
        raise graph.refusal("with indices that depend on the input")
    views = [graph.view(node) for node in nodes]
    if len({source for view in views for source in view.sources}) > MAX_TAPS:
        views = _in_few(graph, views)
    whole, index = joined(views)
    index = [each.contiguous() for each in index]  # a view of it is then what it is of the value
    known = dict(zip(nodes, index, strict=True))
    given = tree_map(
        lambda each: known.get(each, graph.values.get(each)) if hasattr(each, "op") else each, (arguments, options)
    )
    found = graph.node.target(*given[0], **given[1])
    if isinstance(found, torch.Tensor):
        return View(whole.sources, whole.constants, found.clone())
    return [View(whole.sources, whole.constants, each.clone()) for each in found]


def _side_by_side(graph: Graph, view: View) -> View:
    """The same in a memory of its own."""
    return view_of(graph.materialised(view, row_of(view.index.numel())), view.index.shape)


def _in_few(graph: Graph, views: Sequence[View]) -> list[View]:
    """Of many maps: as many at once as a call can take, put into one row, of which each view is a part."""
    import torch

    if len(views) <= MAX_TAPS:
        return [_side_by_side(graph, view) if len(view.sources) > 1 else view for view in views]
    parts: list[View] = []
    for first in range(0, len(views), MAX_TAPS):
        some = [
            _side_by_side(graph, view) if len(view.sources) > 1 else view for view in views[first : first + MAX_TAPS]
        ]
        whole, index = joined(some)
        flat = View(whole.sources, whole.constants, torch.cat([each.flatten() for each in index]))
        row = _side_by_side(graph, flat)
        sizes = [each.numel() for each in index]
        split = row.index.split(sizes)
        parts += [
            View(row.sources, row.constants, piece.reshape(each.shape))
            for piece, each in zip(split, index, strict=True)
        ]
    return parts


def _padded(graph: Graph, x: Node, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> View:
    import torch.nn.functional as F

    if mode == "constant":
        return _padded_with(graph, x, pad, value or 0.0)
    view = graph.view(x)
    return View(view.sources, view.constants, F.pad(view.index, list(pad), mode=mode))


def _padded_with(graph: Graph, x: Node, pad: Sequence[int], value: float = 0.0) -> View:
    import torch.nn.functional as F

    view, at = with_constant(graph.view(x), value)
    return View(view.sources, view.constants, F.pad(view.index, list(pad), value=at))


def _part(graph: Graph, parts: Node, at: int) -> Any:
    value = graph.values[parts][at]
    if value is None:
        raise graph.refusal("where each maximum lies")
    return value


def _filled(graph: Graph, *arguments: Any, **options: Any) -> Tensor:
    """A tensor whose shape alone comes from the network."""
    import torch
    from torch.utils._pytree import tree_map

    def known(each: Any) -> Any:
        if not hasattr(each, "op"):
            return each
        constant = graph.values.get(each)
        return constant if isinstance(constant, torch.Tensor) else torch.zeros(each.meta["val"].shape)

    given = tree_map(known, (arguments, options))
    given[1].pop("device", None)
    return graph.node.target(*given[0], **given[1])


# -- one by one -----------------------------------------------------------------------------------------------------


def computed(graph: Graph, operation: Operation, operands: Sequence[Operand], shape: Sequence[int]) -> View:
    """One number of each operand, spread over the shape, to one."""
    import torch

    out = map_of(shape)
    taps: list[Tap] = []
    constants: list[Tensor] = []
    table = []
    for operand in operands:
        if isinstance(operand, View):
            source, *where = _source(graph, operand, shape, out)
            table += [len(taps), *where]
            taps.append(Tap(source))
        else:
            numbers, group, period = _constants(operand, shape, out)
            table += [-1, sum(each.numel() for each in constants), group, period]
            constants.append(numbers)
    by_pixel = any(period == out.pitch for period in table[3::4])
    head = [operation, len(operands), out.floats, out.pitch if by_pixel else _BLOCK]
    call = Call(
        Kind.ELEMENTWISE,
        graph.name,
        taps,
        [out],
        weight=as_weight(torch.tensor(head + table)),
        bias=torch.cat([*constants, torch.zeros(_WIDEST)]),  # the last ones are read as a whole vector
    )
    return view_of(graph.add(call), shape)


_BLOCK = 1024  # floats that a thread computes at once
_WIDEST = 16  # floats of a vector, by AVX-512


def _source(graph: Graph, view: View, shape: Sequence[int], out: FeatureMap) -> tuple[FeatureMap, int, int, int]:
    """The map that a kernel reads, from which float on, and how it goes through it."""
    index = view.index.expand(tuple(shape))
    if len(view.sources) == 1 and not view.sources[0].planes:
        lies, (source,) = index - SOURCE, view.sources
        first = int(lies.flatten()[0])  # below zero: a constant
        if first >= 0 and bool((lies == first).all()):
            return source, first, 1, 0
        to = places(out).reshape(lies.shape)
        image = out.height * out.width * out.pitch
        for group, period in (
            (out.floats, out.floats),
            (image, out.pitch),
            (image * out.frames, out.pitch),
            (out.floats, out.pitch),
        ):
            if bool((lies == (to // group) * period + to % group % period).all()):
                return source, 0, group, period
    map_ = graph.materialised(View(view.sources, view.constants, index), FeatureMap(*out.size))
    return map_, 0, out.floats, out.floats


def _constants(value: Any, shape: Sequence[int], out: FeatureMap) -> tuple[Tensor, int, int]:
    """The numbers of a constant as a kernel reads them, and how it goes through them."""
    import torch

    tensor = torch.as_tensor(value).float()
    if tensor.numel() == 1:
        return tensor.reshape(1), 1, 0
    if (row := by_channel(tensor, shape)) is not None:
        return torch.nn.functional.pad(row, (0, out.pitch - len(row))), out.floats, out.pitch
    whole = torch.zeros(out.floats)
    whole[places(out).flatten().long()] = tensor.expand(tuple(shape)).flatten()
    return whole, out.floats, out.floats


def by_channel(value: Any, shape: Sequence[int]) -> Tensor | None:
    """One number a channel of a value of that shape, if a constant is that."""
    import torch

    out = map_of(shape)
    tensor = torch.as_tensor(value).float()
    if tensor.numel() not in (1, out.channels):
        return None
    batch, frames, height, width, channels = out.size
    whole = tensor.expand(tuple(shape)).reshape(batch, channels, frames, height, width)
    row = whole[0, :, 0, 0, 0]
    return row.clone() if bool((whole == row.view(1, -1, 1, 1, 1)).all()) else None


def _elementwise(graph: Graph, *arguments: Any, operation: Operation, **options: Any) -> View:
    arguments = (*arguments, *(options[name] for name in ("other", "exponent") if name in options))
    operands = [operand_of(graph, each) for each in arguments]
    if (alpha := options.get("alpha", 1)) != 1:
        operands[1] = _times(graph, operands[1], alpha)
    return computed(graph, operation, operands, graph.node.meta["val"].shape)


def _times(graph: Graph, operand: Operand, factor: float) -> Operand:
    if isinstance(operand, View):
        return computed(graph, Operation.MULTIPLY, (operand, factor), operand.index.shape)
    return operand * factor


def operand_of(graph: Graph, each: Any) -> Operand:
    import torch

    if not hasattr(each, "op"):
        return each
    value = graph.values.get(each)
    return value if isinstance(value, torch.Tensor) else graph.view(each)


def _reversed(graph: Graph, x: Any, other: Any, alpha: float = 1) -> View:
    """other - alpha x."""
    return _elementwise(graph, other, x, operation=Operation.SUBTRACT, alpha=alpha)


def _clamped(graph: Graph, x: Node, low: Any = None, high: Any = None, **options: Any) -> View:
    low, high = options.get("min", low), options.get("max", high)
    shape, view = graph.node.meta["val"].shape, graph.view(x)
    for operation, bound in ((Operation.LARGER, low), (Operation.SMALLER, high)):
        if bound is not None:
            view = computed(graph, operation, (view, operand_of(graph, bound)), shape)
    return view


def _bounded(graph: Graph, x: Node, low: float = -1, high: float = 1) -> View:
    return _clamped(graph, x, low, high)


def _power(graph: Graph, x: Any, exponent: Any) -> View:
    if exponent == 2:
        return _elementwise(graph, x, x, operation=Operation.MULTIPLY)
    return _elementwise(graph, x, exponent, operation=Operation.POWER)


def _converted(graph: Graph, x: Node, *arguments: Any, **options: Any) -> Any:
    """Numbers are float32 here, whole ones too."""
    before, after = x.meta["val"].dtype, graph.node.meta["val"].dtype
    if before == after or after.is_floating_point:
        return graph.values[x] if not isinstance(graph.values[x], FeatureMap) else graph.view(x)
    if str(after) == "torch.bool":
        return _elementwise(graph, x, 0.0, operation=Operation.NOT_EQUAL)
    return _elementwise(graph, x, operation=Operation.TRUNCATE)


def _one_by(graph: Graph, x: Node, *, root: bool = False) -> View:
    shape, view = graph.node.meta["val"].shape, graph.view(x)
    if root:
        view = computed(graph, Operation.ROOT, (view,), shape)
    return computed(graph, Operation.DIVIDE, (1.0, view), shape)


def _inverted(graph: Graph, x: Node) -> View:
    return _elementwise(graph, x, 0.0, operation=Operation.EQUAL)


# -- each channel by itself -----------------------------------------------------------------------------------------


def scaled(graph: Graph, x: Node, factor: Any, shift: Any = None) -> FeatureMap:
    """x times a constant of each channel, and another one added: a convolution, which others can be made one with."""
    import torch

    shape = graph.node.meta["val"].shape
    if tuple(x.meta["val"].shape) != tuple(shape):
        raise graph.refusal("of two shapes")
    factors, shifts = (None if each is None else by_channel(each, shape) for each in (factor, shift))
    if factors is None or (shift is not None and shifts is None):
        raise graph.refusal("by constants that are not one a channel")
    given = graph.map(x)
    if given.channels != len(factors):
        raise graph.refusal("of another layout")
    call = graph.open(x)
    if call and call.output is given and call.is_convolution and call.weight is not None and not call.addends:
        row = None if call.bias is None else call.bias * factors
        call.weight = call.weight * factors
        call.bias = row if shifts is None else shifts.view(1, -1) + (0 if row is None else row)
        return call.output
    out = FeatureMap(*given.size)
    bias = None if shifts is None else shifts.view(1, -1).contiguous()
    weight = factors.view(1, 1, -1).contiguous().to(torch.float32)
    return graph.add(Call(Kind.DEPTHWISE, graph.name, [Tap(given)], [out], weight=weight, bias=bias))


def _by_constant(graph: Graph, a: Any, b: Any, *, operation: Operation, **options: Any) -> Any:
    """x times a constant of each channel, or plus it; else number by number."""
    import torch

    for x, each in ((a, b), (b, a)):
        other = graph.values.get(each) if hasattr(each, "op") else each
        known = isinstance(other, torch.Tensor | float | int) and not options
        if known and torch.as_tensor(other).dim() <= x.meta["val"].dim():
            with suppress(UserError):
                factor, shift = (other, None) if operation == Operation.MULTIPLY else (1.0, other)
                return scaled(graph, x, factor, shift)
    return _elementwise(graph, a, b, operation=operation, **options)


def _batch_norm(
    graph: Graph, x: Node, weight: Any, bias: Any, mean: Any, variance: Any, *others: Any, **options: Any
) -> Any:
    import torch

    if graph.name == "batch_norm.default":
        training, _, eps, _ = others
    else:
        training, (_, eps) = False, others
    if training or mean is None:
        raise graph.refusal("by the statistics of its input")
    factor = torch.rsqrt(constant(graph, variance) + eps)
    factor = factor if weight is None else factor * constant(graph, weight)
    shift = -constant(graph, mean) * factor
    shift = shift if bias is None else shift + constant(graph, bias)
    ones = [1] * (x.meta["val"].dim() - 2)
    return scaled(graph, x, factor.view(-1, *ones), shift.view(-1, *ones))


# -- reductions -----------------------------------------------------------------------------------------------------


def _reduced(
    graph: Graph,
    x: Node,
    dims: Sequence[int] | int | None = None,
    keepdim: bool = False,
    *,
    reduction: Reduction,
    pairs: bool = False,
    **options: Any,
) -> Any:
    """Over any dimensions. `pairs`: the operator also says where its results lie, which we do not."""
    view = graph.view(x)
    count = view.index.dim()
    asked = [dims] if isinstance(dims, int) else list(dims or range(count))
    away = sorted(dim % count for dim in asked) if count else []
    kept = [dim for dim in range(count) if dim not in away]
    index = view.index.permute(kept + away)
    value = graph.node.meta["val"]
    shape = (value[0] if isinstance(value, list | tuple) else value).shape
    found = rows_reduced(graph, view, index.reshape(-1, math.prod(view.index.shape[dim] for dim in away)), reduction)
    found = View(found.sources, found.constants, found.index.reshape(tuple(shape)))
    return [found, None] if pairs else found


def rows_reduced(graph: Graph, view: View, index: Tensor, reduction: Reduction) -> View:
    """Each row of an index (rows, length) to one number."""
    import torch

    rows, length = index.shape
    given = graph.materialised(View(view.sources, view.constants, index), row_of(index.numel()))
    out = row_of(rows)
    factor = 1 / length if reduction == Reduction.AVERAGE else 1.0
    kind = Reduction.SUM if reduction == Reduction.AVERAGE else reduction
    call = Call(
        Kind.REDUCE,
        graph.name,
        [Tap(given)],
        [out],
        weight=as_weight(torch.tensor([rows, length])),
        bias=torch.tensor([factor]),
        reduction=kind,
    )
    return view_of(graph.add(call), (rows,))


def windowed(graph: Graph, view: View, positions: Sequence[Tensor], reduction: Reduction) -> View:
    """Windows in the last dimensions, of each its positions (windows, length) in the input; below zero is outside,
    where an average has nothing."""
    import torch

    average, count = reduction == Reduction.AVERAGE, len(positions)
    view, at = with_constant(view, 0.0 if average else -math.inf)
    index, inside = view.index, torch.ones([1] * count, dtype=torch.bool)
    for number, each in enumerate(positions):
        wide = [-1 if dim == number else 1 for dim in range(count)]
        index = index.index_select(number - count, each.clamp(min=0).flatten())
        inside = inside & (each >= 0).view(wide)
    index = torch.where(inside, index, float(at))
    lengths = [length for each in positions for length in each.shape]
    order = [*range(0, 2 * count, 2), *range(1, 2 * count, 2)]  # windows, and what is in them behind
    lead = index.shape[:-count]
    ordered = [*range(len(lead)), *(len(lead) + dim for dim in order)]
    rows = index.reshape(*lead, *lengths).permute(ordered).flatten(-count)
    found = rows_reduced(graph, view, rows.flatten(0, -2), Reduction.SUM if average else reduction)
    found = View(found.sources, found.constants, found.index.reshape(rows.shape[:-1]))
    if not average:
        return found
    numbers = inside.reshape(lengths).permute(order).flatten(-count).sum(-1)
    return computed(graph, Operation.MULTIPLY, (found, 1 / numbers), rows.shape[:-1])


def _pooled(
    graph: Graph,
    x: Node,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    *others: Any,
    reduction: Reduction,
    pairs: bool = False,
    **options: Any,
) -> Any:
    import torch

    value = graph.node.meta["val"]
    shape = (value[0] if isinstance(value, list | tuple) else value).shape
    view = graph.view(x)
    count = int(graph.name.partition("pool")[2][0])
    spread = others[:1] if reduction == Reduction.MAXIMUM else ()
    lengths, steps, pads, dilations = (
        _as_many(each, count) for each in (kernel, stride or kernel, padding, options.get("dilation", (*spread, 1)[0]))
    )
    positions = []
    for at in range(count):
        first = torch.arange(shape[at - count]) * steps[at] - pads[at]
        found = first[:, None] + torch.arange(lengths[at]) * dilations[at]
        positions.append(torch.where(found < view.index.shape[at - count], found, -1).clamp(min=-1))
    pooled = windowed(graph, view, positions, reduction)
    if reduction == Reduction.AVERAGE:
        # By what PyTorch divides, which it says of ones, in place of the numbers that are there.
        ones = torch.ones([*[1] * (view.index.dim() - count), *view.index.shape[-count:]])
        share = graph.node.target(ones, kernel, stride, padding, *others, **options)
        pooled = computed(graph, Operation.MULTIPLY, (pooled, share), shape)
    return [pooled, None] if pairs else pooled


def _adaptive(graph: Graph, x: Node, size: Any, *, reduction: Reduction, pairs: bool = False) -> Any:
    import torch

    view = graph.view(x)
    count = int(graph.name.partition("pool")[2][0])
    positions = []
    for given, wanted in zip(view.index.shape[-count:], _as_many(size, count), strict=True):
        windows = [range(at * given // wanted, -(-(at + 1) * given // wanted)) for at in range(wanted)]
        longest = max(map(len, windows))
        positions.append(torch.tensor([[*window, *[-1] * (longest - len(window))] for window in windows]))
    found = windowed(graph, view, positions, reduction)
    return [found, None] if pairs else found


def _as_many(values: Any, count: int) -> list[int]:
    numbers = list(values) if isinstance(values, list | tuple) else [values]
    return numbers * count if len(numbers) == 1 else numbers


# -- products of matrices -------------------------------------------------------------------------------------------


def _linear(graph: Graph, x: Node, weight: Node, bias: Node | None = None) -> View:
    matrix = constant(graph, weight)
    row = None if bias is None else constant(graph, bias)
    return by_matrix(graph, graph.view(x), matrix.t(), row)


def by_matrix(graph: Graph, view: View, matrix: Tensor, row: Tensor | None) -> View:
    """(..., K) times a constant (K, N): a convolution by one pixel, of as many pixels as there are rows."""
    shape = view.index.shape
    rows = math.prod(shape[:-1])
    given = graph.materialised(
        View(view.sources, view.constants, view.index.reshape(rows, shape[-1]).t()[None, :, None]),
        FeatureMap(1, 1, 1, rows, shape[-1]),
    )
    out = FeatureMap(1, 1, 1, rows, matrix.shape[1])
    bias = None if row is None else row.reshape(1, -1).contiguous()
    graph.add(Call(Kind.DENSE, graph.name, [Tap(given)], [out], weight=matrix.float().contiguous(), bias=bias))
    found = view_of(out, (matrix.shape[1], rows))
    return View(found.sources, found.constants, found.index.t().reshape(*shape[:-1], matrix.shape[1]))


def _multiplied(graph: Graph, a: Node, b: Node) -> View:
    """Of any dimensions, as torch.matmul has them."""
    import torch

    left, right = operand_of(graph, a), operand_of(graph, b)
    if isinstance(right, torch.Tensor) and right.dim() == 2 and isinstance(left, View):
        return by_matrix(graph, left, right, None)
    if isinstance(left, torch.Tensor) and left.dim() == 2 and isinstance(right, View) and right.index.dim() >= 2:
        turned = View(right.sources, right.constants, right.index.transpose(-1, -2))
        found = by_matrix(graph, turned, left.t(), None)
        return View(found.sources, found.constants, found.index.transpose(-1, -2))
    first, second = graph.view(a), graph.view(b)
    rows = first.index if first.index.dim() > 1 else first.index[None]
    columns = second.index if second.index.dim() > 1 else second.index[:, None]
    batch = torch.broadcast_shapes(rows.shape[:-2], columns.shape[:-2])
    rows, columns = (each.expand(*batch, *each.shape[-2:]) for each in (rows, columns))
    taps = [
        Tap(graph.materialised(View(view.sources, view.constants, index), row_of(index.numel())))
        for view, index in ((first, rows), (second, columns))
    ]
    table = [math.prod(batch), rows.shape[-2], rows.shape[-1], columns.shape[-1]]
    out = row_of(table[0] * table[1] * table[3])
    graph.add(Call(Kind.PRODUCT, graph.name, taps, [out], weight=as_weight(torch.tensor(table)), bias=torch.zeros(1)))
    return view_of(out, graph.node.meta["val"].shape)


# -- the table ------------------------------------------------------------------------------------------------------

_O = Operation
_UNARY = {
    "neg": _O.NEGATE,
    "abs": _O.ABSOLUTE,
    "exp": _O.EXPONENTIAL,
    "expm1": _O.EXPONENTIAL_LESS_ONE,
    "log1p": _O.LOGARITHM_OF_ONE_MORE,
    "log": _O.LOGARITHM,
    "sqrt": _O.ROOT,
    "tanh": _O.TANH,
    "erf": _O.ERF,
    "sin": _O.SINE,
    "cos": _O.COSINE,
    "floor": _O.FLOOR,
    "round": _O.ROUND,
    "trunc": _O.TRUNCATE,
}
_BINARY = {
    "add": _O.ADD,
    "sub": _O.SUBTRACT,
    "mul": _O.MULTIPLY,
    "div": _O.DIVIDE,
    "gt": _O.GREATER,
    "lt": _O.LESS,
    "ge": _O.GREATER_EQUAL,
    "le": _O.LESS_EQUAL,
    "eq": _O.EQUAL,
    "ne": _O.NOT_EQUAL,
    "maximum": _O.LARGER,
    "minimum": _O.SMALLER,
}
_OVERLOADS = ("Tensor", "Scalar", "default")
_MOVES = (
    *("alias.default", "detach.default", "clone.default", "contiguous.default", "dropout.default"),
    *("view.default", "_unsafe_view.default", "reshape.default", "flatten.using_ints", "unflatten.int"),
    *("permute.default", "movedim.int", "movedim.intlist", "transpose.int", "t.default", "swapaxes.default"),
    *("unsqueeze.default", "squeeze.default", "squeeze.dim", "squeeze.dims", "expand.default", "expand_as.default"),
    *(
        "repeat.default",
        "tile.default",
        "repeat_interleave.self_int",
        "flip.default",
        "roll.default",
        "view_as.default",
    ),
    *("slice.Tensor", "select.int", "narrow.default", "index_select.default", "index.Tensor", "reshape_as.default"),
    *("chunk.default", "split.Tensor", "split.sizes", "split_with_sizes.default", "unbind.int", "diagonal.default"),
    *("pixel_shuffle.default", "pixel_unshuffle.default", "channel_shuffle.default", "unfold.default"),
    *("upsample_nearest1d.default", "upsample_nearest2d.default", "upsample_nearest3d.default"),
    *("upsample_nearest1d.vec", "upsample_nearest2d.vec", "upsample_nearest3d.vec"),
    *(f"{mode}_pad{count}d.default" for mode in ("reflection", "replication") for count in (1, 2, 3)),
)
_JOINS = ("cat.default", "stack.default", "slice_scatter.default", "select_scatter.default")
_FILLS = ("zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full")
_AVERAGES = {"reduction": Reduction.AVERAGE}
_MAXIMA = {"reduction": Reduction.MAXIMUM}

PLAIN: dict[str, Callable[..., Any]] = {
    **{
        f"{name}.{overload}": partial(_elementwise, operation=operation)
        for name, operation in {**_UNARY, **_BINARY}.items()
        for overload in _OVERLOADS
    },
    "mul.Tensor": partial(_by_constant, operation=Operation.MULTIPLY),
    "add.Tensor": partial(_by_constant, operation=Operation.ADD),
    "where.self": partial(_elementwise, operation=Operation.WHERE),
    "where.ScalarOther": partial(_elementwise, operation=Operation.WHERE),
    "where.ScalarSelf": partial(_elementwise, operation=Operation.WHERE),
    "where.Scalar": partial(_elementwise, operation=Operation.WHERE),
    "rsub.Scalar": _reversed,
    "rsub.Tensor": _reversed,
    "reciprocal.default": _one_by,
    "rsqrt.default": partial(_one_by, root=True),
    "logical_not.default": _inverted,
    "bitwise_not.default": _inverted,
    "pow.Tensor_Scalar": _power,
    "pow.Tensor_Tensor": _power,
    "pow.Scalar": _power,
    **dict.fromkeys(("clamp.default", "clamp.Tensor"), _clamped),
    "hardtanh.default": _bounded,
    **dict.fromkeys(("clamp_min.default", "clamp_min.Tensor"), partial(_elementwise, operation=Operation.LARGER)),
    **dict.fromkeys(("clamp_max.default", "clamp_max.Tensor"), partial(_elementwise, operation=Operation.SMALLER)),
    **dict.fromkeys(("to.dtype", "_to_copy.default", "to.dtype_layout", "to.device", "to.other"), _converted),
    **dict.fromkeys(_MOVES, _moved),
    **dict.fromkeys(_JOINS, partial(_moved, constants=True)),
    **dict.fromkeys((f"{name}.default" for name in _FILLS), _filled),
    "pad.default": _padded,
    "constant_pad_nd.default": _padded_with,
    "<built-in function getitem>": _part,
    **dict.fromkeys(("batch_norm.default", "_native_batch_norm_legit_no_training.default"), _batch_norm),
    **dict.fromkeys(("sum.default", "sum.dim_IntList"), partial(_reduced, reduction=Reduction.SUM)),
    **dict.fromkeys(("mean.default", "mean.dim"), partial(_reduced, **_AVERAGES)),
    **dict.fromkeys(("amax.default", "max.default"), partial(_reduced, **_MAXIMA)),
    **dict.fromkeys(("amin.default", "min.default"), partial(_reduced, reduction=Reduction.MINIMUM)),
    "max.dim": partial(_reduced, **_MAXIMA, pairs=True),
    "min.dim": partial(_reduced, reduction=Reduction.MINIMUM, pairs=True),
    **{f"avg_pool{count}d.default": partial(_pooled, **_AVERAGES) for count in (1, 2, 3)},
    **{f"max_pool{count}d.default": partial(_pooled, **_MAXIMA) for count in (1, 2, 3)},
    **{f"max_pool{count}d_with_indices.default": partial(_pooled, **_MAXIMA, pairs=True) for count in (2, 3)},
    **{f"adaptive_avg_pool{count}d.default": partial(_adaptive, **_AVERAGES) for count in (1, 2, 3)},
    **{f"_adaptive_avg_pool{count}d.default": partial(_adaptive, **_AVERAGES) for count in (2, 3)},
    **{f"adaptive_max_pool{count}d.default": partial(_adaptive, **_MAXIMA, pairs=True) for count in (1, 2, 3)},
    "linear.default": _linear,
    **dict.fromkeys(("matmul.default", "bmm.default", "mm.default"), _multiplied),
}
