"""A module with a `forward` of its own, traced by torch.fx and rebuilt as a `Graph` of converted layers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from ..delay import Delay
from ..graph import Graph, Node
from ..state import Temporal, temporal_of
from .flow import Choice, ConversionError, Flow
from .rules import clip_mean, converted, global_mean, rule_of

_IN_SPACE = {3, 4}
_IN_TIME = {2}
_OVER_ALL = _IN_TIME | _IN_SPACE


@dataclass(frozen=True)
class Value:
    """A result on the way: which one, how it reaches back to the input, and what it holds."""

    index: int
    reach: Temporal
    flow: Flow


class _Scalar:
    """A size or another number that only shapes are made of; frames have their own."""


class _Tracer(fx.Tracer):
    record_stack_traces = True

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        container = isinstance(m, nn.Sequential) and type(m).__module__.startswith("torch.nn")
        return not container and (rule_of(m) is not None or super().is_leaf_module(m, module_qualified_name))


def trace(module: nn.Module, flow: Flow, choice: Choice, where: str) -> tuple[nn.Module, Flow]:
    """The frame form of a module that no rule knows, from what its `forward` calls. Raises ConversionError."""
    try:
        graph = _Tracer().trace(module)
    except Exception as error:  # whatever the module's own code raises on symbols instead of tensors
        line = str(error).strip().splitlines()
        raise ConversionError(
            f"{where} ({type(module).__name__})" if where else type(module).__name__,
            f"its forward cannot be traced: {line[0] if line else type(error).__name__} "
            "(branches on the numbers or shapes of a tensor have no place in it)",
        ) from error
    return _Builder(module, graph, flow, choice, where).build()


class _Builder:
    """Walks the traced calls in order, and keeps the values they make."""

    def __init__(self, module: nn.Module, graph: fx.Graph, flow: Flow, choice: Choice, where: str) -> None:
        self.module = module
        self.graph = graph
        self.choice = choice
        self.where = where
        self.start = replace(flow, owned=False)
        self.squeezes = _squeezes(graph, module)
        self.layers: dict[str, nn.Module] = {}
        self.nodes: list[Node] = []
        self.values: dict[fx.Node, Value | _Scalar] = {}

    def build(self) -> tuple[nn.Module, Flow]:
        for node in self.graph.nodes:
            if node.op == "output":
                return self._finish(node)
            self.values[node] = self._value(node)
        raise ConversionError(self.where, "returns nothing")

    def _value(self, node: fx.Node) -> Value | _Scalar:
        if node.op == "placeholder":
            return self._input(node)
        if node.op == "get_attr":
            raise ConversionError(
                self._label(node), "is a tensor that the network uses directly; put it into a layer with a rule"
            )
        if node.op == "call_module":
            return self._layer(node, self.module.get_submodule(str(node.target)), str(node.target))
        function = FUNCTIONS.get(node.target)  # type: ignore[arg-type]
        if function is None:
            raise ConversionError(self._label(node), "has no frame form that is known")
        return function(self, node)

    def _input(self, node: fx.Node) -> Value | _Scalar:
        if any(isinstance(value, Value) for value in self.values.values()):
            if node.args:  # a parameter of `forward` with a default
                return _Scalar()
            raise ConversionError(self._label(node), "is a second input; a frame network takes frames and nothing else")
        return Value(0, Temporal(), self.start)

    def _finish(self, node: fx.Node) -> tuple[nn.Module, Flow]:
        result = node.args[0]
        if not isinstance(result, fx.Node) or not isinstance(value := self.values[result], Value):
            raise ConversionError(self.where or type(self.module).__name__, "returns more than one tensor of scores")
        if value.index != len(self.nodes):  # the last call was not the one that is returned
            value = self._add(nn.Identity(), value, value.flow)
        return Graph(self.layers, self.nodes, value.reach), value.flow

    def _label(self, node: fx.Node) -> str:
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        stack = [line.strip() for line in (node.stack_trace or "").splitlines() if line.strip()]
        place = f" at {stack[-1]}" if stack else ""
        owner = self.where or type(self.module).__name__
        return f"{owner}: {name}{place}"

    # What functions are made of

    def tensor(self, node: fx.Node, argument: Any) -> Value:
        value = self.values.get(argument) if isinstance(argument, fx.Node) else None
        if not isinstance(value, Value):
            raise ConversionError(self._label(node), "is called with something that is no tensor of the network")
        return value

    def flow_of(self, node: fx.Node, value: Value) -> Flow:
        """What flows into a call: overwritable only if nobody else reads it."""
        source = node.all_input_nodes[0]
        return replace(value.flow, owned=value.flow.owned and len(source.users) == 1)

    def _layer(self, node: fx.Node, layer: nn.Module, name: str) -> Value:
        value = self.tensor(node, node.args[0] if node.args else None)
        where = f"{self.where}.{name}" if self.where else name
        if node in self.squeezes:
            made, flow = global_mean(value.flow, self.choice, where, squeeze=True)
        else:
            made, flow = converted(layer, self.flow_of(node, value), self.choice, where)
        overwrites = getattr(layer, "inplace", False) and rule_of(layer) is not None
        return self._register(node, name, made, value, flow, overwrites)

    def made(self, node: fx.Node, value: Value, layer: nn.Module, flow: Flow) -> Value:
        """A layer that stands for a function; it has no parameters, so any free name will do."""
        return self._register(node, f"{node.name}", layer, value, flow, False)

    def by_rule(self, node: fx.Node, layer: nn.Module) -> Value:
        """A function that is a layer without parameters."""
        value = self.tensor(node, node.args[0])
        made, flow = converted(layer, self.flow_of(node, value), self.choice, self._label(node))
        return self.made(node, value, made, flow)

    def _register(
        self, node: fx.Node, name: str, layer: nn.Module, value: Value, flow: Flow, overwrites: bool
    ) -> Value:
        if self.layers.get(name, layer) is not layer:
            name = f"{name}__{len(self.nodes)}"  # the same layer once more, on other features
        self.layers[name] = layer
        result = self._add(layer, value, flow)
        if overwrites:  # in the regular network whoever reads the input later sees it overwritten
            self.values[node.all_input_nodes[0]] = result
        return result

    def _add(self, call: nn.Module, value: Value, flow: Flow) -> Value:
        self.nodes.append(Node(call, (value.index,)))
        return Value(len(self.nodes), value.reach.then(replace(temporal_of(call), stride=1)), flow)

    def joined(self, node: fx.Node, values: list[Value], function: Callable[..., Tensor], flow: Flow) -> Value:
        """Several values in one call, the early ones delayed until the latest one is there."""
        rates = sorted({value.flow.rate for value in values})
        if len(rates) > 1:
            raise ConversionError(
                self._label(node), f"joins branches that keep every {rates[0]}. and every {rates[-1]}. frame"
            )
        latest = max(value.reach.delay for value in values)
        aligned = []
        for number, value in enumerate(values):
            if (wait := latest - value.reach.delay) > 0:
                delay = Delay(wait)
                self.layers[f"{node.name}_delay{number}"] = delay
                value = self._add(delay, value, value.flow)
            aligned.append(value)
        self.nodes.append(Node(function, tuple(value.index for value in aligned)))
        reach = max(value.reach.receptive_field for value in aligned)
        unbounded = any(value.reach.unbounded for value in aligned)
        return Value(len(self.nodes), Temporal(reach, reach - 1 - latest, unbounded=unbounded), flow)


def _squeezes(graph: fx.Graph, module: nn.Module) -> set[fx.Node]:
    """The averages over a clip that end up multiplied onto what they do not come from: attention."""
    return {
        node
        for node in graph.nodes
        if _averages_all(node, module) and any(_gates(user, node) for user in _descendants(node))
    }


def _averages_all(node: fx.Node, module: nn.Module) -> bool:
    if node.op == "call_module":
        layer = module.get_submodule(str(node.target))
        return isinstance(layer, nn.AdaptiveAvgPool3d) and layer.output_size in (1, (1, 1, 1), [1, 1, 1])
    if FUNCTIONS.get(node.target) is _adaptive_mean:  # type: ignore[arg-type]
        return _argument(node, 1, "output_size") in (1, (1, 1, 1), [1, 1, 1])
    return FUNCTIONS.get(node.target) is _mean and _dimensions(node) == _OVER_ALL  # type: ignore[arg-type]


def _descendants(node: fx.Node) -> set[fx.Node]:
    found: set[fx.Node] = set()
    waiting = [node]
    while waiting:
        for user in waiting.pop().users:
            if user not in found:
                found.add(user)
                waiting.append(user)
    return found


def _gates(node: fx.Node, mean: fx.Node) -> bool:
    if node.target not in _PRODUCTS:
        return False
    below = _descendants(mean) | {mean}
    return any(source not in below for source in node.all_input_nodes)


def _dimensions(node: fx.Node) -> set[int] | None:
    """The dimensions that a mean or a like function runs over, counted from the front; None for all of them."""
    given = _argument(node, 1, "dim")
    if given is None:
        return None
    dimensions: Iterable[Any] = given if isinstance(given, tuple | list) else (given,)
    return {dim % 5 for dim in dimensions}


def _argument(node: fx.Node, at: int, name: str, default: Any = None) -> Any:
    """An argument of a traced call, given by place or by name."""
    return node.kwargs.get(name, node.args[at] if len(node.args) > at else default)


Function = Callable[["_Builder", fx.Node], "Value | _Scalar"]

# One function a kind of call: (builder, traced call) -> the value it makes


def _elementwise(builder: _Builder, node: fx.Node) -> Value:
    value = builder.tensor(node, node.args[0])
    options = {name: option for name, option in node.kwargs.items() if name != "inplace"}
    function = getattr(torch, node.target.rstrip("_")) if isinstance(node.target, str) else node.target
    return builder.joined(
        node, [value], partial(_called, function, node.args[1:], options), replace(value.flow, owned=True)
    )


def _called(function: Callable[..., Tensor], rest: tuple[Any, ...], options: dict[str, Any], x: Tensor) -> Tensor:
    return function(x, *rest, **options)


def _binary(function: Callable[[Any, Any], Any]) -> Callable[[_Builder, fx.Node], Value]:
    def joined(builder: _Builder, node: fx.Node) -> Value:
        if set(node.kwargs) - {"alpha", "other"} or node.kwargs.get("alpha", 1) != 1:
            raise ConversionError(builder._label(node), f"is called with {', '.join(node.kwargs)}")
        left: Any = node.args[0]
        right: Any = _argument(node, 1, "other")
        if isinstance(right, int | float):
            value = builder.tensor(node, left)
            call = partial(_called, function, (right,), {})
            return builder.joined(node, [value], call, replace(value.flow, owned=True))
        if isinstance(left, int | float):
            value = builder.tensor(node, right)
            return builder.joined(node, [value], partial(function, left), replace(value.flow, owned=True))
        values = [builder.tensor(node, left), builder.tensor(node, right)]
        maps = [value for value in values if not value.flow.pooled] or values  # the gate is broadcast over the map
        frames = max((value.flow.frames or 0 for value in values), default=0) or None
        return builder.joined(node, values, function, replace(maps[0].flow, frames=frames, owned=True))

    return joined


def _scalar_or(function: Function) -> Function:
    """Arithmetic of sizes stays a number."""

    def either(builder: _Builder, node: fx.Node) -> Value | _Scalar:
        sources = [builder.values.get(source) for source in node.all_input_nodes]
        return function(builder, node) if any(isinstance(source, Value) for source in sources) else _Scalar()

    return either


def _cat(builder: _Builder, node: fx.Node) -> Value:
    dim = _argument(node, 1, "dim", 0)
    if dim not in (1, -4):
        raise ConversionError(builder._label(node), f"joins along dimension {dim}; only channels (1) can be joined")
    parts: Any = node.args[0]
    values = [builder.tensor(node, part) for part in parts]
    channels = [value.flow.channels for value in values]
    known = None if None in channels else sum(count or 0 for count in channels)
    return builder.joined(node, values, _concatenated, replace(values[0].flow, channels=known, owned=True))


def _concatenated(*parts: Tensor) -> Tensor:
    return torch.cat(parts, 1)


def _mean(builder: _Builder, node: fx.Node) -> Value:
    value = builder.tensor(node, node.args[0])
    dimensions = _dimensions(node)
    if dimensions == _OVER_ALL:
        squeeze = node in builder.squeezes
        made, flow = global_mean(value.flow, builder.choice, builder._label(node), squeeze=squeeze)
    elif dimensions == _IN_SPACE:
        made, flow = converted(nn.AdaptiveAvgPool3d((None, 1, 1)), value.flow, builder.choice, "")
    elif dimensions == _IN_TIME:
        made, flow = clip_mean(value.flow, builder.choice, builder._label(node))
    else:
        raise ConversionError(
            builder._label(node), f"runs over dimensions {sorted(dimensions or ())}; known are time, space and both"
        )
    return builder.made(node, value, made, flow)


def _adaptive_mean(builder: _Builder, node: fx.Node) -> Value:
    size = _argument(node, 1, "output_size")
    if node in builder.squeezes:
        value = builder.tensor(node, node.args[0])
        made, flow = global_mean(value.flow, builder.choice, builder._label(node), squeeze=True)
        return builder.made(node, value, made, flow)
    return builder.by_rule(node, nn.AdaptiveAvgPool3d(size))


def _pool(layer: Callable[..., nn.Module]) -> Callable[[_Builder, fx.Node], Value]:
    return lambda builder, node: builder.by_rule(node, layer(*node.args[1:], **node.kwargs))


def _dropout(builder: _Builder, node: fx.Node) -> Value:
    options: dict[str, Any] = dict(zip(("p",), node.args[1:], strict=False)) | dict(node.kwargs)
    return builder.by_rule(node, nn.Dropout(options.get("p", 0.5)))


def _same(builder: _Builder, node: fx.Node) -> Value:
    """What only changes how a tensor is held: a frame keeps its four dimensions until the scores."""
    return builder.tensor(node, node.args[0])


def _permute(builder: _Builder, node: fx.Node) -> Value:
    order: Any = node.args[1:] if len(node.args) > 2 else _argument(node, 1, "dims")
    if tuple(order) not in ((0, 2, 3, 4, 1), (0, 4, 1, 2, 3)):
        raise ConversionError(builder._label(node), f"puts the dimensions into the order {order}")
    return _same(builder, node)  # the channels to the end and back; our classifier finds them where they are


def _softmax(builder: _Builder, node: fx.Node) -> Value:
    return builder.by_rule(node, nn.Softmax(dim=_argument(node, 1, "dim")))


def _size(builder: _Builder, node: fx.Node) -> _Scalar:
    return _Scalar()


def _item(builder: _Builder, node: fx.Node) -> _Scalar:
    if isinstance(builder.values.get(node.args[0]), _Scalar):  # type: ignore[arg-type]
        return _Scalar()
    raise ConversionError(builder._label(node), "cuts a tensor into parts; to take every n-th frame use `Subsample`")


_PRODUCTS = {operator.mul, operator.imul, torch.mul, "mul", "mul_"}
_ADD, _SUB, _MUL, _DIV = (_scalar_or(_binary(f)) for f in (torch.add, torch.sub, torch.mul, torch.div))

FUNCTIONS: dict[Any, Function] = {
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add", "add_"), _ADD),
    **dict.fromkeys((operator.sub, torch.sub, "sub"), _SUB),
    **dict.fromkeys((operator.truediv, operator.floordiv, torch.div, "div"), _DIV),
    **dict.fromkeys(_PRODUCTS, _MUL),
    **dict.fromkeys(
        (F.relu, F.relu6, F.leaky_relu, F.elu, F.gelu, F.silu, F.mish, F.hardswish, F.hardsigmoid, F.sigmoid, F.tanh),
        _elementwise,
    ),
    **dict.fromkeys((torch.relu, torch.relu_, torch.sigmoid, torch.tanh), _elementwise),
    **dict.fromkeys(("relu", "relu_", "sigmoid", "sigmoid_", "tanh", "tanh_"), _elementwise),
    **dict.fromkeys((torch.cat, torch.concat), _cat),
    **dict.fromkeys((torch.mean, "mean"), _mean),
    **dict.fromkeys((F.adaptive_avg_pool3d,), _adaptive_mean),
    **dict.fromkeys((F.max_pool3d, torch.max_pool3d), _pool(nn.MaxPool3d)),
    **dict.fromkeys((F.avg_pool3d,), _pool(nn.AvgPool3d)),
    **dict.fromkeys((F.dropout, F.dropout3d), _dropout),
    **dict.fromkeys((F.softmax, torch.softmax, "softmax"), _softmax),
    **dict.fromkeys((torch.flatten, "flatten", "view", "reshape", "squeeze", torch.squeeze, "contiguous"), _same),
    **dict.fromkeys(("permute", torch.permute), _permute),
    **dict.fromkeys(("size", getattr), _size),
    operator.getitem: _item,
}
