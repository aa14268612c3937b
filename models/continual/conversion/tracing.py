"""A module with a `forward` of its own, traced by torch.fx and rebuilt as a `Graph` of converted layers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from ..delay import Delay
from ..graph import Graph, Node
from ..state import Temporal, temporal_of
from .calls import Result, Value, subject
from .each import Constant, Home, arranged
from .flow import Context, ConversionError, Flow, NoFrameForm, Shared, has_tensors, label
from .frame_calls import constant
from .functions import FUNCTIONS, overwrites
from .gates import PRODUCTS, averages_all
from .layout import Names, after_layer, behind, logical, shape_in
from .means import global_mean
from .places import place_now, place_of_class, place_of_error
from .randomness import draws
from .rules import held_for, rule_of, why_not
from .shapes import ShapedTracer, ShapeError, device_of, in_words, shape_of, type_of, value_of


class _NoRule(ConversionError):
    """A function that the tables do not have, whatever it is given."""


class _Root(nn.Module):
    """Calls the module with a clip and nothing else, as a user does: its other arguments have their defaults."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, clip: Tensor) -> Any:
        return self.net(clip)


class _Tracer(ShapedTracer):
    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(*args, **kwargs)
        node.meta["place"] = place_now()
        return node

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if module_qualified_name == "net":
            return False
        container = type(m).forward is nn.Sequential.forward and "forward" not in vars(m)
        return not container and (rule_of(m) is not None or why_not(m) is not None)


def trace(module: nn.Module, flow: Flow, context: Context, where: str) -> tuple[nn.Module, Flow]:
    """The frame form of a module without a rule, from what its `forward` calls. Raises ConversionError."""
    place = label(module, where)
    if second := _second_input(module):
        raise ConversionError(place, f"takes a second input, {second!r}; a frame network takes frames and nothing else")
    try:
        with draws() as drawn:
            graph = _Tracer(shape_in(flow), type_of(module), device_of(module)).trace(_Root(module))
    except ShapeError as error:
        raise ConversionError(place, why_it_fails(flow, error), place_of_error(error.__traceback__)) from error
    except Exception as error:
        raise ConversionError(
            place,
            f"its forward cannot be traced: {in_words(error)} "
            "(it may not decide by a tensor's numbers or shape, nor use a library that wants real tensors)",
            place_of_error(error.__traceback__) or place_of_class(type(module)),
        ) from error
    if drawn:
        raise NoFrameForm(place, f"its forward draws random numbers ({', '.join(drawn)}) in eval mode")
    return Builder(module, graph, flow, context, where).build()


def why_it_fails(flow: Flow, error: ShapeError) -> str:
    """What is wrong where a layer cannot be called with a tensor of that shape."""
    asked = "is input_shape= what its clips look like?"
    if flow.frames is None:
        asked = "pass input_shape=, what its clips look like"
    return f"fails on a tensor of shape {shape_in(flow)}: {error}; {asked}"


def _second_input(module: nn.Module) -> str | None:
    parameters = inspect.signature(module.forward).parameters.values()
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [one.name for one in parameters if one.kind not in several and one.default is one.empty]
    return next(iter(needed[1:]), None)


class Builder:
    """Walks the traced calls in order, and keeps the values they make."""

    def __init__(self, module: nn.Module, graph: fx.Graph, flow: Flow, context: Context, where: str) -> None:
        self.module = module
        self.graph = graph
        self.context = context
        self.where = where
        self.start = flow
        gates = context.findings.attention
        self.squeezes = {
            node for node in graph.nodes if self._key(node) in gates and averages_all(node, self._layer_of)
        }
        self.layers: dict[str, nn.Module] = {}
        self.nodes: list[Node] = []
        self.values: dict[fx.Node, Result] = {}
        self.home = Home()
        self.shared = Shared()
        self.taken = {name for name, _ in module.named_children()}

    def build(self) -> tuple[nn.Module, Flow]:
        for node in self.graph.nodes:
            if node.op == "output":
                return self._finish(node)
            self.values[node] = self._averaging(node, self._collected(node))
            if self._writes(node):
                self._overwritten(node, self.values[node])
        raise ConversionError(self.where, "returns nothing")

    def _collected(self, node: fx.Node) -> Result:
        """The value of a call; if it is refused, one of which nothing is known, so that all refusals are found."""
        findings = self.context.findings
        before = len(findings.refusals)
        inputs = [self.values[source] for source in node.all_input_nodes]
        known = all(value.flow.known for value in inputs if isinstance(value, Value))
        try:
            result = self._value(node)
        except ConversionError as error:
            if known or isinstance(error, _NoRule):
                findings.refuse(error, node.meta["place"])
        except Exception as error:  # noqa: BLE001 - a rule that met what it does not expect
            if known and len(findings.refusals) == before:
                findings.refuse(ConversionError(self.label(node), in_words(error)), node.meta["place"])
        else:
            if known or isinstance(result, Constant):
                return result
        first = next((value.flow for value in inputs if isinstance(value, Value)), self.start)
        result = value_of(node)
        shape = tuple(result.shape) if known and isinstance(result, Tensor) else ()
        return Value(0, Temporal(), behind(first, shape) if shape else replace(self.start, known=False))

    def _averaging(self, node: fx.Node, result: Result) -> Result:
        """The value with the averages over the clip that it is made of; where it meets frames again, they are noted."""
        if not isinstance(result, Value):
            return result
        values = [self.values[source] for source in node.all_input_nodes]
        inputs = [value for value in values if isinstance(value, Value)]
        averages = [value for value in inputs if value.flow.averaged]
        if averages and len(averages) < len(inputs):
            found = frozenset[str]().union(*(value.means for value in averages))
            findings = self.context.findings
            for key in sorted(found):
                name, whole = findings.averages[key]
                (findings.attention if whole and node.target in PRODUCTS else findings.inner)[key] = name
        if not result.flow.averaged:
            return replace(result, means=frozenset())
        if averages:
            return replace(result, means=frozenset[str]().union(*(value.means for value in averages)))
        layer = self._name(node) if node.op == "call_module" else f"{node.name} at {node.meta['place']}"
        name = f"{self.where}.{layer}" if self.where else layer
        self.context.findings.averages[self._key(node)] = (name, averages_all(node, self._layer_of))
        return replace(result, means=frozenset({self._key(node)}))

    def _key(self, node: fx.Node) -> str:
        """The name of a call in the whole network."""
        return f"{self.where}.{node.name}" if self.where else node.name

    def _writes(self, node: fx.Node) -> bool:
        """Whether a call writes into its first argument."""
        if node.op != "call_module":
            return node.op not in ("placeholder", "get_attr") and overwrites(node)
        layer = self._layer_of(node)
        return bool(getattr(layer, "inplace", False)) and rule_of(layer) is not None

    def _value(self, node: fx.Node) -> Result:
        if node.op == "placeholder":
            return Value(0, Temporal(), self.start)
        if node.op == "get_attr":
            return self._tensor(node)
        if node.op == "call_module":
            return self._layer(node)
        if node.all_input_nodes and all(isinstance(self.values[one], Constant) for one in node.all_input_nodes):
            return constant(self, node)
        function = FUNCTIONS.get(node.target)  # type: ignore[arg-type]
        if function is None:
            raise _NoRule(self.label(node), "there is no rule for this function")
        return function(self, node)

    def _finish(self, node: fx.Node) -> tuple[nn.Module, Flow]:
        result = node.args[0]
        value = self.values[result] if isinstance(result, fx.Node) else None
        if not isinstance(value, Value):
            raise ConversionError(self.where or type(self.module).__name__, "does not return one tensor of scores")
        if not value.flow.known:
            return nn.Identity(), value.flow
        if value.index != len(self.nodes):  # the last call was not the one that is returned
            value = self._add(nn.Identity(), value, value.flow)
        if not self.where:
            value = self._arranged(value, logical(value.flow))
        layers = {**self.layers, **self._uncalled()}
        graph = Graph(layers, self.nodes, value.reach, aligned=not value.flow.regular)
        graph._parameters.update(self.module._parameters)
        graph._buffers.update(self.module._buffers)
        self.home.graph = graph
        return graph, value.flow

    def _tensor(self, node: fx.Node) -> Constant:
        """A parameter or buffer that the network uses directly, or a tensor that its forward makes of numbers."""
        tensor = value_of(node)
        if str(node.target).startswith("net."):
            return Constant.of(self.home, self._name(node), tuple(tensor.shape))
        return Constant.computed(torch.clone, (tensor,), {}, tuple(tensor.shape))

    def _arranged(self, value: Value, held: Names) -> Value:
        """The value held that way."""
        layer, flow = arranged(value.flow, held)
        if layer is None:
            return value
        return self._register(self._free(f"arranged{len(self.nodes)}"), layer, value, flow)

    def _uncalled(self) -> dict[str, nn.Module]:
        """Second names of layers, and unused layers with weights: with them, checkpoints load as they are."""
        found = {}
        for name, layer in self.module.named_modules(remove_duplicate=False):
            inside = any(name == known or name.startswith(f"{known}.") for known in self.layers)
            if name and not inside and has_tensors(layer, recurse=False):
                found[name] = self.shared.made_of(layer)
        return found

    def _name(self, node: fx.Node) -> str:
        """Of a layer or a tensor, in the module."""
        return str(node.target).removeprefix("net.")

    def _layer_of(self, node: fx.Node) -> nn.Module:
        return self.module.get_submodule(self._name(node))

    def label(self, node: fx.Node) -> str:
        name = self._name(node) if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        if type(self.module).__module__.startswith("torch."):
            return label(self.module, self.where)
        *_, (path, kind) = (("", type(self.module)), *node.meta.get("nn_module_stack", {}).values())
        if kind.__module__.startswith("torch.nn") and not issubclass(kind, nn.Sequential):
            inner = str(path).removeprefix("net.")
            return f"{self.where}.{inner} ({kind.__name__})" if self.where else f"{inner} ({kind.__name__})"
        return f"{self.where or type(self.module).__name__}: {name}"

    # What functions are made of

    def tensor(self, node: fx.Node, argument: Any) -> Value:
        value = self.values.get(argument) if isinstance(argument, fx.Node) else None
        if not isinstance(value, Value):
            raise ConversionError(self.label(node), "is called with something that is no tensor of the network")
        return value

    def _layer(self, node: fx.Node) -> Value:
        layer, name = self._layer_of(node), self._name(node)
        value = self.tensor(node, node.args[0] if node.args else next(iter(node.kwargs.values()), None))
        where = f"{self.where}.{name}" if self.where else name
        value = self._arranged(value, held_for(layer, value.flow))
        if node in self.squeezes:
            made, after = global_mean(value.flow, self.context, label(layer, where), squeeze=True)
            after = after_layer(after, shape_of(node))
        else:
            made, after = self.context.convert(layer, value.flow, self._called_from(node), where)
        if not after.known:
            return Value(0, Temporal(), after)
        made = self.shared.once(layer, made, where)
        return self._register(name, made, value, after)

    def _called_from(self, node: fx.Node) -> Context:
        return replace(self.context, place=node.meta["place"])

    def made(self, node: fx.Node, value: Value, layer: nn.Module, flow: Flow) -> Value:
        return self._register(self._free(node.name), layer, value, flow)

    def by_rule(self, node: fx.Node, layer: nn.Module) -> Value:
        value = self.tensor(node, subject(node))
        value = self._arranged(value, held_for(layer, value.flow))
        made, flow = self.context.convert(layer, value.flow, self._called_from(node), self.label(node))
        return self.made(node, value, made, flow)

    def _free(self, name: str) -> str:
        while name in self.taken:
            name += "_"
        return name

    def _register(self, name: str, layer: nn.Module, value: Value, flow: Flow) -> Value:
        if self.layers.get(name, layer) is not layer:
            name = f"{name}__{len(self.nodes)}"  # the same activation once more, on other features
        self.layers[name] = layer
        return self._add(layer, value, flow)

    def _overwritten(self, node: fx.Node, result: Result) -> None:
        """In the regular network later readers of the input, under any name, get what `node` computed."""
        before = self.values[node.all_input_nodes[0]]
        if not isinstance(result, Value) or not isinstance(before, Value):
            return
        for source, held in self.values.items():
            if isinstance(held, Value) and held.index == before.index:
                self.values[source] = result.with_flow(replace(held.flow, held=result.flow.held))

    def _add(self, call: nn.Module, value: Value, flow: Flow) -> Value:
        self.nodes.append(Node(call, (value.index,)))
        return Value(len(self.nodes), value.reach.then(replace(temporal_of(call), stride=1)), flow)

    def joined(self, node: fx.Node, values: list[Value], function: Callable[..., Tensor], flow: Flow) -> Value:
        rates = sorted({value.flow.rate for value in values})
        if len(rates) > 1:
            raise ConversionError(
                self.label(node), f"joins branches that keep every {rates[0]}. and every {rates[-1]}. frame"
            )
        latest = max(value.reach.delay for value in values)
        aligned = []
        for number, value in enumerate(values):
            if not flow.regular and (wait := latest - value.reach.delay) > 0:
                delay = Delay(wait)
                self.layers[self._free(f"{node.name}_delay{number}")] = delay
                value = self._add(delay, value, value.flow)
            aligned.append(value)
        self.nodes.append(Node(function, tuple(value.index for value in aligned)))
        reach = max(value.reach.receptive_field for value in aligned)
        unbounded = any(value.reach.unbounded for value in aligned)
        return Value(len(self.nodes), Temporal(reach, reach - 1 - latest, unbounded=unbounded), flow)
