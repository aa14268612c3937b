"""What an operator has to do, from what it is called with: multiply-accumulates, and the bytes that must move.

Multiply-accumulates as ptflops counts them: a multiplication with its addition is one; batch norm two an element, sums,
factors, activations and pools one; copies none. Bytes are what must be read and written at least: every input and
every output once. A new operator is a line of `RULES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Argument:
    """One thing an operator is given: a tensor, a list of tensors, or a plain value."""

    shapes: tuple[Shape, ...] = ()  # of the tensor, or of each of the list; () for a plain value
    itemsize: int = 0  # bytes of one element
    value: Any = None

    @property
    def elements(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes)

    @property
    def bytes(self) -> int:
        return self.elements * self.itemsize


@dataclass(frozen=True)
class Call:
    """One call of an operator: its name and its arguments, in the order of its signature."""

    name: str
    arguments: tuple[Argument, ...]

    @property
    def tensors(self) -> tuple[Argument, ...]:
        return tuple(argument for argument in self.arguments if argument.shapes)

    @property
    def in_place(self) -> bool:
        return self.name.endswith("_")

    def value(self, index: int, otherwise: Any = None) -> Any:
        """The plain value of that argument of the signature."""
        found = self.arguments[index].value if index < len(self.arguments) else None
        return otherwise if found is None else found


@dataclass(frozen=True)
class Work:
    """What one call has to do; `kind` is what a reader calls it."""

    kind: str
    macs: int
    moved_bytes: int


Rule = Callable[[Call], Work]


class UnknownWorkError(ValueError):
    """A form of a known operator that its rule does not cover."""


def work_of(call: Call) -> Work | None:
    """What the call has to do; None where no rule knows."""
    rule = RULES.get(call.name)
    if rule is None:
        return None
    try:
        return rule(call)
    except (UnknownWorkError, IndexError, TypeError, ValueError):  # a form of it with other arguments
        return None


def _short(name: str) -> str:
    return name.rpartition("::")[2].rstrip("_")


def _broadcast(shapes: Sequence[Shape]) -> Shape:
    lengths = zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1)
    return tuple(reversed([0 if 0 in column else max(column) for column in lengths]))


def _spread(value: Any, count: int) -> Shape:
    """A stride or a padding as one number for each direction; one number may stand for all."""
    numbers = tuple(value) if isinstance(value, tuple | list) else (value,)
    return tuple(int(n) for n in (numbers * count if len(numbers) == 1 else numbers))


def _windows(lengths: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Shape:
    """How often a kernel fits, in each direction."""
    each = zip(lengths, kernel, stride, padding, dilation, strict=True)
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in each)


def convolution_work(x: Shape, weight: Shape, out: Shape, moved_bytes: int) -> Work:
    """Every element of the output takes one multiply-accumulate with each weight of its filter."""
    groups = x[-len(weight) + 1] // weight[1]
    size = " x ".join(str(length) for length in weight[2:])
    form = "depthwise " if weight[1] == 1 and groups > 1 else "grouped " if groups > 1 else ""
    return Work(f"{form}convolution {size}", math.prod(out) * math.prod(weight[1:]), moved_bytes)


def _convolution(stride: int, padding: int, dilation: int, transposed: int | None = None) -> Rule:
    """(input, weight, bias, ...) with the other arguments at these places."""

    def rule(call: Call) -> Work:
        if transposed is not None and call.value(transposed):
            raise UnknownWorkError
        given = call.arguments[:3]
        (x,), (weight,) = given[0].shapes, given[1].shapes
        count = len(weight) - 2
        within = _windows(
            x[-count:],
            weight[2:],
            _spread(call.value(stride, 1), count),
            _spread(call.value(padding, 0), count),
            _spread(call.value(dilation, 1), count),
        )
        out = (*x[: -count - 1], weight[0], *within)
        return convolution_work(x, weight, out, sum(a.bytes for a in given) + math.prod(out) * given[0].itemsize)

    return rule


def _product(left: int, right: int, *, turned: bool = False) -> Rule:
    """(..., N, K) by (..., K, M), at these places of the signature; `turned` where the second is (M, K)."""

    def rule(call: Call) -> Work:
        (a,), (b,) = call.arguments[left].shapes, call.arguments[right].shapes
        columns = math.prod(b) // math.prod(b[:-2]) // a[-1] if not turned else b[0]
        elements = math.prod(a[:-1]) * columns
        moved = sum(tensor.bytes for tensor in call.tensors) + elements * call.arguments[left].itemsize
        return Work("matrix product", elements * a[-1], moved)

    return rule


def _each(per_element: int) -> Rule:
    """Element by element, shapes broadcast."""

    def rule(call: Call) -> Work:
        inputs = call.tensors
        shapes = [shape for tensor in inputs for shape in tensor.shapes]
        elements = math.prod(shapes[0] if call.in_place else _broadcast(shapes))
        moved = sum(tensor.bytes for tensor in inputs) + elements * inputs[0].itemsize
        return Work(_short(call.name), per_element * elements, moved)

    return rule


def _batch_norm(call: Call) -> Work:
    """(input, weight, bias, mean, variance, ...): what follows is written, or not a tensor."""
    inputs = call.arguments[:5]
    return Work("batch norm", 2 * inputs[0].elements, sum(a.bytes for a in inputs) + inputs[0].bytes)


def _reduction(call: Call) -> Work:
    """(input, dimensions, keep): one addition for each element that comes in."""
    x = call.arguments[0]
    (shape,) = x.shapes
    dims = call.value(1)
    away = {dim % len(shape) for dim in _spread(dims, 1)} if dims not in (None, ()) else set(range(len(shape)))
    left = math.prod(length for dim, length in enumerate(shape) if dim not in away)
    return Work(_short(call.name), x.elements, x.bytes + left * x.itemsize)


def _pool(dilation: int | None) -> Rule:
    """(input, kernel, stride, padding, ...): as ptflops, one for each element that comes in."""

    def rule(call: Call) -> Work:
        x = call.arguments[0]
        (shape,) = x.shapes
        count = 3 if "3d" in call.name else 2
        kernel = _spread(call.value(1), count)
        within = _windows(
            shape[-count:],
            kernel,
            _spread(call.value(2) or kernel, count),
            _spread(call.value(3, 0), count),
            _spread(call.value(dilation, 1) if dilation else 1, count),
        )
        out = math.prod(shape[:-count]) * math.prod(within)
        return Work(_short(call.name), x.elements, x.bytes + out * x.itemsize)

    return rule


def _adaptive_pool(call: Call) -> Work:
    """(input, size of the output)."""
    x = call.arguments[0]
    (shape,) = x.shapes
    count = 3 if "3d" in call.name else 2
    out = math.prod(shape[:-count]) * math.prod(_spread(call.value(1), count))
    return Work(_short(call.name), x.elements, x.bytes + out * x.itemsize)


def _side_by_side(call: Call) -> Work:
    """(tensors, dimension): each is read and written once."""
    return Work("copy", 0, 2 * call.arguments[0].bytes)


def _copy(call: Call) -> Work:
    """(destination, source)."""
    return Work("copy", 0, call.arguments[0].bytes + call.arguments[1].bytes)


def _fill(call: Call) -> Work:
    return Work("fill", 0, call.arguments[0].bytes)


def _aten(names: str, rule: Rule) -> dict[str, Rule]:
    return {f"aten::{name}": rule for name in names.split()}


RULES: Mapping[str, Rule] = {
    **_aten("conv1d conv2d conv3d", _convolution(3, 4, 5)),
    **_aten("convolution _convolution", _convolution(3, 4, 5, transposed=6)),
    "aten::mkldnn_convolution": _convolution(4, 3, 5),
    "mkldnn::_convolution_pointwise": _convolution(4, 3, 5),
    "mkldnn::_convolution_pointwise_": _convolution(5, 4, 6),
    **_aten("mm bmm", _product(0, 1)),
    **_aten("addmm baddbmm", _product(1, 2)),
    "aten::linear": _product(0, 1, turned=True),
    "mkldnn::_linear_pointwise": _product(0, 1, turned=True),
    **_aten("add add_ sub sub_ mul mul_ div div_ addcmul addcmul_ lerp lerp_ maximum minimum", _each(1)),
    **_aten("relu relu_ relu6 silu silu_ sigmoid sigmoid_ tanh tanh_ gelu hardswish hardswish_", _each(1)),
    **_aten("hardtanh hardtanh_ hardsigmoid clamp clamp_ clamp_min clamp_min_ leaky_relu leaky_relu_", _each(1)),
    **_aten("exp exp_ sqrt rsqrt reciprocal neg pow softmax _softmax", _each(1)),
    **_aten("batch_norm native_batch_norm _native_batch_norm_legit_no_training", _batch_norm),
    **_aten("mean sum amax", _reduction),
    **_aten("avg_pool2d avg_pool3d", _pool(None)),
    **_aten("max_pool2d max_pool3d max_pool2d_with_indices max_pool3d_with_indices", _pool(4)),
    **_aten("adaptive_avg_pool2d adaptive_avg_pool3d", _adaptive_pool),
    **_aten("cat", _side_by_side),
    **_aten("copy_", _copy),
    **_aten("fill_ zero_", _fill),
}

# They move no data: they make a view of the same memory, or allocate. They only cost the call.
VIEWS = "views, allocations"
_VIEW_NAMES = (
    "alias as_strided chunk contiguous detach diagonal dropout empty empty_like empty_strided expand expand_as "
    "flatten is_nonzero item lift_fresh movedim narrow new_empty permute reshape resize_ resolve_conj resolve_neg "
    "result_type select set_ size slice split split_with_sizes squeeze stride t to transpose unbind unflatten "
    "unfold unsafe_chunk unsafe_split unsqueeze view view_as _local_scalar_dense _reshape_alias _to_copy "
    "_unsafe_view"
)
_VIEWS = frozenset(_VIEW_NAMES.split())


def moves_nothing(name: str) -> bool:
    """Whether an operator only makes a view or allocates memory."""
    return name.removeprefix("aten::") in _VIEWS
