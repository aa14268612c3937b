"""From a network to calls: its graph as torch exports it, a rule for each operator, and what can be one call made one.

A sum of convolutions is one convolution over more taps, which is what a continual convolution's step is. What is added
to a convolution's output, and the activation behind it, are done where the convolution writes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .. import toolchain
from ..entry import Entry, entry
from ..errors import UserError
from .calls import MAX_ADDENDS, MAX_LINES, MAX_SEGMENTS, MAX_TAPS, Activation, Call, Kind, Map, Reduction, Tap, Window

if TYPE_CHECKING:
    from torch import Tensor, nn
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
# Kinds of calls that do nothing with what they write but write it.
_FINISHED = (Kind.PACK_PLANES, Kind.PACK_CHANNELS, Kind.UNPACK, Kind.MEAN)


@dataclass(frozen=True)
class Lowered:
    """The calls of one prediction in their order, and the maps at both ends."""

    made: Entry
    calls: list[Call]
    frame: Map  # planes, as the caller has them; only PACK reads them
    state: list[Map]
    answers: list[Map]
    new: list[Map]  # what is new of the state, in the order of the entry's outputs
    answer_shapes: list[tuple[int, ...]]


@dataclass(frozen=True)
class _Planes:
    """The input, before it is laid out anew."""

    map: Map
    shared: bool = False


@dataclass(frozen=True)
class _Past:
    """The state of a pool: the frames before the newest. As a window, with the newest, every `dilation`-th."""

    ring: Map
    newest: Map | None = None
    dilation: int = 1
    moved_up: bool = False  # without the oldest: the next state


@dataclass(frozen=True)
class _Unsqueezed:
    """A map as a clip of one frame, to be put behind the past ones."""

    map: Map


def lower(net: nn.Module, example: Tensor) -> Lowered:
    """The network, batch norm folded, for inputs like `example`.

    Raises UserError with the operator that has no rule.
    """
    import torch

    # Tensors made in inference mode, as a case's inputs are, cannot be exported.
    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own affairs
        made = entry(net, example.clone(), plain=True, moves=False)
        try:
            program = torch.export.export(made.module, made.inputs)
            program = program.run_decompositions({})  # nothing is taken apart, and nothing is overwritten any more
        except Exception as error:
            raise toolchain.refusal("native", net, error) from error
        return _Lowering(program, made).lowered()


class _Lowering:
    def __init__(self, program: Any, made: Entry) -> None:
        self.program, self.made = program, made
        self.calls: list[Call] = []
        self.maker: dict[Map, Call] = {}
        self.values: dict[Node, Any] = {}
        self.packed: Map | None = None  # the input, channels last
        self.node: Any = None

    def lowered(self) -> Lowered:
        import torch

        signature = self.program.graph_signature
        constants = {
            **{name: self.program.state_dict[target] for name, target in signature.inputs_to_parameters.items()},
            **{
                name: self.program.state_dict.get(target, self.program.constants.get(target))
                for name, target in signature.inputs_to_buffers.items()
            },
            **{
                name: self.program.constants[target]
                for name, target in signature.inputs_to_lifted_tensor_constants.items()
            },
        }
        inputs: list[Any] = []
        for node in self.program.graph.nodes:
            self.node = node
            if node.op == "placeholder":
                if node.name in constants:
                    self.values[node] = constants[node.name].detach()
                else:
                    self.values[node] = self._input(node, first=not inputs)
                    inputs.append(self.values[node])
            elif node.op == "call_function":
                given = [self.values.get(each) for each in node.all_input_nodes]
                if all(isinstance(value, torch.Tensor) for value in given):
                    self.values[node] = self._constant(node)
                elif (rule := _RULES.get(self._name())) is not None:
                    self.values[node] = rule(self, *node.args, **node.kwargs)
                else:
                    raise self._refuse()
        self._group()
        return self._ends(inputs, self.node.args[0])  # the last node is the output

    def _ends(self, inputs: list[Any], results: Sequence[Node]) -> Lowered:
        taken = {_memory(value) for value in inputs}
        ends: list[Map] = []
        for node in results:
            self.node = node
            value = self.values[node]
            if isinstance(value, _Past):
                if not value.moved_up:
                    raise self._refuse("a pool's state that does not move up")
                ends.append(value.ring)
                continue
            found = self._map(node)
            if found in taken:  # each place of the state has memory of its own
                found = self._add(Call(Kind.SCALE, "copy", [Tap(found)], [_like(found)]))
            taken.add(found)
            ends.append(found)
        count = self.made.answers
        return Lowered(
            self.made,
            self.calls,
            inputs[0].map,
            [_memory(value) for value in inputs[1:]],
            ends[:count],
            ends[count:],
            [tuple(node.meta["val"].shape) for node in results[:count]],
        )

    # -- what is in the graph -----------------------------------------------------------------------------------------

    def _name(self) -> str:
        return str(self.node.target).removeprefix("aten.")

    def _refuse(self, what: str = "") -> UserError:
        nodes = self.node.all_input_nodes or [self.node]
        shapes = [tuple(each.meta["val"].shape) for each in nodes if "val" in each.meta]
        of = f" ({what})" if what else ""
        return UserError(
            f"native: no kernel for {self._name()}{of} on {', '.join(map(str, shapes))}; "
            "another backend may run it (co3d-bench list backends)"
        )

    def _input(self, node: Node, *, first: bool) -> _Planes | _Past | Map:
        shape = tuple(node.meta["val"].shape)
        if first and len(shape) in (4, 5):
            return _Planes(_map_of(shape, planes=True))
        if len(shape) == 4:
            return _map_of(shape)
        if len(shape) == 5:
            batch, past, channels, height, width = shape
            return _Past(Map(batch, 1, height, width, channels, slots=past + 1))
        raise self._refuse("an input that is no map")

    def _constant(self, node: Node) -> Any:
        from torch.utils._pytree import tree_map

        given = tree_map(lambda each: self.values.get(each, each) if hasattr(each, "op") else each, node.args)
        return node.target(*given, **node.kwargs)  # type: ignore[operator]

    def _map(self, node: Any) -> Map:
        value = self.values.get(node)
        if isinstance(value, _Planes):
            self.packed = self.packed or self._packed(value)
            return self.packed
        if not isinstance(value, Map):
            raise self._refuse()
        return value

    def _packed(self, planes: _Planes, paddings: tuple[int, int, int] | None = None) -> Map:
        """The input channels last; for the one convolution that reads it, in planes with its padding around."""
        given = planes.map
        if paddings is None:
            return self._add(Call(Kind.PACK_CHANNELS, "pack", [Tap(given)], [Map(*given.size)]))
        sizes = (given.frames, given.height, given.width)
        frames, height, width = (size + 2 * pad for size, pad in zip(sizes, paddings, strict=True))
        out = Map(given.batch, frames, height, width, given.channels, planes=True)
        return self._add(Call(Kind.PACK_PLANES, "pack", [Tap(given)], [out], Window(padding=paddings[1:])))

    # -- calls --------------------------------------------------------------------------------------------------------

    def _add(self, call: Call) -> Map:
        self.calls.append(call)
        for out in call.outputs:
            self.maker[out] = call
        return call.output

    def _open(self, node: Any) -> Call | None:
        """The call that makes this value, if nobody else looks at the value and nothing is done with it yet."""
        value = self.values.get(node)
        if not isinstance(value, Map) or value.shared or len(node.users) > 1 or value not in self.maker:
            return None
        call = self.maker[value]
        return (
            call
            if call.activation == Activation.NONE and call.kind not in (Kind.PACK_PLANES, Kind.PACK_CHANNELS)
            else None
        )

    def _replace(self, old: Sequence[Call], new: Call) -> Map:
        self.calls = [call for call in self.calls if call not in old]
        return self._add(new)

    def activation(self, x: Node, activation: Activation) -> Map:
        if (call := self._open(x)) is not None:
            call.activation = activation
            return call.output
        given = self._map(x)
        return self._add(Call(Kind.SCALE, self._name(), [Tap(given)], [_like(given)], activation=activation))

    def add(self, a: Node, b: Node, alpha: float = 1) -> Map:
        left, right = self._map(a), self._map(b)
        if alpha != 1 or left.size != right.size:
            raise self._refuse("of two shapes")
        first, second = self._open(a), self._open(b)
        if first and second and first is not second and first.may_merge(second):
            return self._replace((first, second), first.merged(second))
        for call, other in ((first, right), (second, left)):
            if call and (call.is_convolution or call.kind == Kind.SCALE) and len(call.addends) < MAX_ADDENDS:
                # Last of all: what is added must have been made.
                return self._replace((call,), replace(call, addends=[*call.addends, (other, 0)]))
        return self._add(Call(Kind.SCALE, "add", [Tap(left)], [_like(left)], addends=[(right, 0)]))

    def mul(self, a: Node, b: Node) -> Map:
        left, right = self._map(a), self._map(b)
        if left.is_vector and not right.is_vector:
            left, right = right, left
        if right.height * right.width != 1 or (right.batch, right.channels) != (left.batch, left.channels):
            raise self._refuse("of two maps")
        if right.frames not in (1, left.frames):
            raise self._refuse("of clips of two lengths")
        return self._add(Call(Kind.SCALE, "mul", [Tap(left), Tap(right)], [_like(left)]))

    def convolution(
        self,
        x: Node,
        weight: Node,
        bias: Node | None = None,
        stride: Sequence[int] = (1,),
        padding: Sequence[int] = (0,),
        dilation: Sequence[int] = (1,),
        groups: int = 1,
    ) -> Map:
        kernel: Tensor = self.values[weight]
        if isinstance(padding, str) or kernel.dim() not in (4, 5):
            raise self._refuse("of this form")
        if kernel.dim() == 4:
            kernel = kernel.unsqueeze(2)
        strides, paddings, dilations = (_three(each, fill) for each, fill in ((stride, 1), (padding, 0), (dilation, 1)))
        window = Window((kernel.shape[3], kernel.shape[4]), strides[1:], paddings[1:], dilations[1:])
        value = self.values[x]
        if isinstance(value, _Planes) and groups == 1 and not value.shared and len(x.users) == 1:
            given = self._packed(value, paddings)
            window, paddings = replace(window, padding=(0, 0)), (0, 0, 0)
        else:
            given = self._map(x)
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
        out = Map(given.batch, out_frames, out_height, out_width, kernel.shape[0])
        if groups == 1:
            kind, laid_out = Kind.DENSE, kernel.permute(2, 3, 4, 1, 0).flatten(0, 3)
            fits = given.planes or len(taps) * math.prod(window.kernel) <= MAX_SEGMENTS
        elif groups == given.channels == kernel.shape[0]:
            kind, laid_out = Kind.DEPTHWISE, kernel.permute(1, 2, 3, 4, 0).flatten(1, 3)
            fits = len(taps) * window.kernel[0] <= MAX_LINES
        else:
            raise self._refuse("in groups of several channels")
        if not fits or len(taps) > MAX_TAPS:
            raise self._refuse("with so large a kernel")
        return self._add(
            Call(
                kind,
                self._name(),
                taps,
                [out],
                window,
                strides[0],
                weight=laid_out.float().contiguous(),
                bias=None if bias is None else self.values[bias].float().unsqueeze(0),
            )
        )

    def linear(self, x: Node, weight: Node, bias: Node | None = None) -> Map:
        given, matrix = self._map(x), self.values[weight]
        if not given.is_vector or tuple(x.meta["val"].shape)[-1] != given.channels:
            raise self._refuse("over something other than channels")
        out = Map(given.batch, 1, 1, 1, matrix.shape[0])
        row = None if bias is None else self.values[bias].float().unsqueeze(0)
        return self._add(
            Call(Kind.DENSE, "linear", [Tap(given)], [out], weight=matrix.float().t().contiguous(), bias=row)
        )

    def mean(self, x: Node, dims: Sequence[int] | None = None, keepdim: bool = False, **options: Any) -> Map:
        value = self.values[x]
        if isinstance(value, _Past):
            return self._slide(value, dims, Reduction.AVERAGE)
        given, count = self._map(x), len(x.meta["val"].shape)
        away = {dim % count for dim in dims or range(count)}
        if count == 5 and away == {2, 3, 4}:
            return self._mean(given, over_frames=True)
        if count in (4, 5) and away == {count - 2, count - 1}:
            return self._mean(given, over_frames=False)
        raise self._refuse("over these dimensions")

    def amax(self, x: Node, dims: Sequence[int] = (), keepdim: bool = False) -> Map:
        value = self.values[x]
        if isinstance(value, _Past):
            return self._slide(value, dims, Reduction.MAXIMUM)
        raise self._refuse("over these dimensions")

    def _mean(self, given: Map, *, over_frames: bool) -> Map:
        out = Map(given.batch, 1 if over_frames else given.frames, 1, 1, given.channels)
        return self._add(Call(Kind.MEAN, "mean", [Tap(given)], [out]))

    def pool(
        self,
        x: Node,
        kernel: Sequence[int],
        stride: Sequence[int] = (),
        padding: Sequence[int] = (0,),
        *others: Any,
        reduction: Reduction,
        **options: Any,
    ) -> Map:
        given = self._map(x)
        named = {**dict(zip(_POOL_OPTIONS[reduction], others, strict=False)), **options}
        if any(value not in _USUAL[name] for name, value in named.items()):
            raise self._refuse("with these options")
        sizes = (given.frames, given.height, given.width)
        lengths, paddings = _three(kernel, 1), _three(padding, 0)
        strides = _three(stride or kernel, 1)
        whole = paddings == (0, 0, 0) and reduction == Reduction.AVERAGE and lengths[1:] == sizes[1:]
        if whole and lengths[0] in (1, given.frames):
            return self._mean(given, over_frames=lengths[0] == given.frames)
        if lengths[0] != 1 or strides[0] != 1:
            raise self._refuse("over time")
        high, wide = (
            (size + 2 * pad - length) // step + 1
            for size, pad, length, step in zip(sizes[1:], paddings[1:], lengths[1:], strides[1:], strict=True)
        )
        out = Map(given.batch, given.frames, high, wide, given.channels)
        window = Window(lengths[1:], strides[1:], paddings[1:])
        return self._add(Call(Kind.POOL, self._name(), [Tap(given)], [out], window, reduction=reduction))

    # -- a pool's past ------------------------------------------------------------------------------------------------

    def cat(self, parts: Sequence[Node], dim: int = 0) -> _Past:
        values = [self.values[part] for part in parts]
        match values:
            case [_Past(newest=None) as past, _Unsqueezed() as newest] if dim == 1:
                return replace(past, newest=newest.map)
        raise self._refuse()

    def slice(self, x: Node, dim: int = 0, start: int | None = None, stop: int | None = None, step: int = 1) -> _Past:
        value = self.values[x]
        if isinstance(value, _Past) and value.newest is not None and dim == 1 and (stop or 2**62) >= value.ring.slots:
            if start == 1 and step == 1:
                return replace(value, moved_up=True)
            if not start and (value.ring.slots - 1) % step == 0:
                return replace(value, dilation=value.dilation * step)
        raise self._refuse()

    def _slide(self, window: _Past, dims: Sequence[int] | None, reduction: Reduction) -> Map:
        if window.newest is None or window.moved_up or list(dims or ()) != [1]:
            raise self._refuse("over these dimensions")
        taps = [Tap(window.newest), Tap(window.ring)]
        out = _like(window.newest)
        return self._add(Call(Kind.SLIDE, "slide", taps, [out], reduction=reduction, dilation=window.dilation))

    # -- what only looks at memory in another way ----------------------------------------------------------------------

    def same(self, x: Node, *_: Any, **__: Any) -> Any:
        value = self.values[x]
        if len(x.users) > 1:
            if isinstance(value, Map):
                value.shared = True
            elif isinstance(value, _Planes):
                return replace(value, shared=True)
        return value

    def reshaped(self, x: Node, *arguments: Any, **options: Any) -> Any:
        before, after = tuple(x.meta["val"].shape), tuple(self.node.meta["val"].shape)
        value = self.same(x)
        if before == after and self._name() != "permute.default":
            return value
        if isinstance(value, Map):
            if self._name() == "unsqueeze.default" and arguments == (1,) and not value.is_vector:
                return _Unsqueezed(value)
            if value.is_vector and after[0] == value.batch:
                return _Unsqueezed(value) if self._name() == "unsqueeze.default" and arguments == (1,) else value
            if after == (value.batch, math.prod(value.size[1:])):
                out = Map(value.batch, 1, 1, 1, after[1])
                return self._add(Call(Kind.UNPACK, self._name(), [Tap(value)], [out]))
        raise self._refuse()

    # -- calls over one input -----------------------------------------------------------------------------------------

    def _group(self) -> None:
        """Three depthwise convolutions of one map, which keep their sums, read it once."""
        grouped: list[Call] = []
        for call in self.calls:
            grouped.append(call)
            if len(grouped) >= 3 and _may_group(grouped[-3:]):
                grouped[-3:] = [_grouped(grouped[-3:])]
        self.calls = grouped


def _memory(value: _Planes | _Past | Map) -> Map:
    return value.ring if isinstance(value, _Past) else value.map if isinstance(value, _Planes) else value


def _may_group(calls: Sequence[Call]) -> bool:
    first = calls[0]
    return (
        all(
            call.kind == Kind.DEPTHWISE
            and len(call.taps) == len(call.outputs) == 1
            and call.taps[0] == first.taps[0]
            and call.window == first.window == Window((3, 3), (2, 2), (1, 1))
            and call.activation == first.activation
            for call in calls
        )
        and sum(len(call.addends) for call in calls) <= MAX_ADDENDS
    )


def _grouped(calls: Sequence[Call]) -> Call:
    import torch

    weights = [call.weight for call in calls if call.weight is not None]
    empty = torch.zeros(1, weights[0].shape[-1])
    return replace(
        calls[0],
        outputs=[call.output for call in calls],
        addends=[(addend, index) for index, call in enumerate(calls) for addend, _ in call.addends],
        weight=torch.cat(weights),
        bias=torch.cat([empty if call.bias is None else call.bias for call in calls]),
    )


def _map_of(shape: tuple[int, ...], *, planes: bool = False) -> Map:
    """(B, C, H, W) or (B, C, T, H, W)."""
    batch, channels, *frames, height, width = shape
    return Map(batch, frames[0] if frames else 1, height, width, channels, planes)


def _like(given: Map) -> Map:
    return Map(*given.size)


def _three(values: Any, fill: int) -> Any:
    """One number, one for each direction in space, or for time and space: as (time, height, width)."""
    numbers = tuple(values) if isinstance(values, list | tuple) else (values,)
    if len(numbers) == 3:
        return numbers
    return (fill, *(numbers * 2 if len(numbers) == 1 else numbers))


def _activation(kind: Activation) -> Callable[..., Map]:
    return lambda lowering, x: lowering.activation(x, kind)


def _pool(reduction: Reduction) -> Callable[..., Map]:
    return lambda lowering, *arguments, **options: lowering.pool(*arguments, reduction=reduction, **options)


_RULES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("conv2d.default", "conv3d.default"), _Lowering.convolution),
    "linear.default": _Lowering.linear,
    "add.Tensor": _Lowering.add,
    "mul.Tensor": _Lowering.mul,
    "relu.default": _activation(Activation.RELU),
    "silu.default": _activation(Activation.SILU),
    "sigmoid.default": _activation(Activation.SIGMOID),
    "mean.dim": _Lowering.mean,
    "amax.default": _Lowering.amax,
    **dict.fromkeys(("avg_pool2d.default", "avg_pool3d.default"), _pool(Reduction.AVERAGE)),
    **dict.fromkeys(("max_pool2d.default", "max_pool3d.default"), _pool(Reduction.MAXIMUM)),
    "cat.default": _Lowering.cat,
    "slice.Tensor": _Lowering.slice,
    **dict.fromkeys(("alias.default", "clone.default", "contiguous.default", "detach.default"), _Lowering.same),
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
        _Lowering.reshaped,
    ),
}
