"""From a network to calls: the graph of its operators, node by node, and what can be one call made one.

A sum of convolutions is one convolution over more taps, which is what a continual convolution's step is. What is added
to a convolution's output, and the activation behind it, are done where the convolution writes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...errors import UserError
from ...export.aten.capture import refuse_writes
from ...export.entry import Entry, make_entry
from .. import toolchain
from .apart import Parts, taken_apart
from .calls import MAX_ADDENDS, Call, FeatureMap, Kind, Tap, Window
from .graph import Graph, Past, Planes, like, memory_of
from .plain import PLAIN
from .rules import RULES
from .views import View, map_of, row_of, view_of

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.fx import Node

    from ...export.aten.operators import Operators


@dataclass(frozen=True)
class Lowered:
    """The calls of one prediction in order, and the feature maps at both ends."""

    entry: Entry
    calls: list[Call]
    frame: FeatureMap  # planes, as the caller has them; only PACK reads them
    state: list[FeatureMap]
    answers: list[FeatureMap]
    new: list[FeatureMap]  # what is new of the state, in the order of the entry's outputs
    answer_shapes: list[tuple[int, ...]]


def lower(net: nn.Module, example: Tensor) -> Lowered:
    """The network, batch norm folded, for inputs like `example`.

    Raises UserError with the operator that has no rule.
    """
    import torch

    from ...export.aten.operators import export, record

    # Tensors made in inference mode, as a case's inputs are, cannot be exported.
    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own affairs
        entry = make_entry(net, example.clone(), plain=True, moves=False)
        with suppress(Exception):  # whatever it is: torch.export may do it, or says why it cannot be done
            return lowered_of(record(entry), entry)
        try:
            return lowered_of(export(entry, functional=True), entry)
        except UserError:
            raise
        except Exception as error:
            raise toolchain.refusal("native", net, error) from error


def lowered_of(operators: Operators, entry: Entry) -> Lowered:
    """With the states of pools as rings, if they are used as such, else as they are."""
    try:
        return _lowered(operators, entry, rings=True)
    except UserError as refusal:
        if all(tensor.dim() != 5 for tensor in entry.state):
            raise
        with suppress(UserError):
            return _lowered(operators, entry, rings=False)
        raise refusal from None


def _lowered(operators: Operators, entry: Entry, *, rings: bool) -> Lowered:
    inputs, graph = [], Graph()
    for node in operators.graph.nodes:
        if node.op == "placeholder":
            graph.node = node
            if (constant := operators.constants.get(node)) is not None:
                graph.values[node] = constant
            else:
                graph.values[node] = _input(graph, first=not inputs, rings=rings)
                inputs.append(graph.values[node])
        elif node.op == "call_function" and node.users:
            graph.values[node] = value_of(graph, node)
    graph.node = operators.graph.output_node()
    results = graph.node.args[0]
    refuse_writes(len(results), entry)
    states = [memory_of(value) for value in inputs[1:]]
    new = [state for state, source in zip(states, entry.sources, strict=True) if source is None]
    count = entry.answers
    ends = _ends(graph, inputs, results, [*[None] * count, *new])
    calls = _with_groups(_needed(graph.calls, ends))
    shapes = [tuple(node.meta["val"].shape) for node in results[:count]]
    return Lowered(entry, calls, inputs[0].map, states, ends[:count], ends[count:], shapes)


def value_of(graph: Graph, node: Node) -> Any:
    """What a node is, by the first rule that has a kernel for it; else it is taken apart."""
    import torch

    graph.node = node
    given = [graph.values.get(each) for each in node.all_input_nodes]
    if all(isinstance(value, torch.Tensor) for value in given):
        return _constant(graph)
    refusal = graph.refusal()
    for rules in (RULES, PLAIN):
        if (rule := rules.get(graph.name)) is not None:
            try:
                return rule(graph, *node.args, **node.kwargs)
            except UserError as error:
                refusal = error  # the last one says what even the plain kernels lack
    try:
        parts = taken_apart(graph)
    except Exception:  # noqa: BLE001 - whatever PyTorch says of its own affairs
        raise refusal from None
    try:
        return _value_of_parts(graph, node, parts)
    except UserError:
        raise refusal from None  # by the name that its author called it


def _value_of_parts(graph: Graph, node: Node, parts: Parts) -> Any:
    found: Any = None
    for part in parts.graph.nodes:
        if part.op == "placeholder":
            value = graph.values[part] = graph.values[parts.given.pop(0)]
            if isinstance(value, FeatureMap):
                value.shared = True  # whoever else reads it does not read the part's
        elif part.op == "get_attr":
            graph.values[part] = parts.constants[part.target]
        elif part.op == "output":
            (result,) = part.args
            found = (
                [graph.values.get(each) for each in result]
                if isinstance(result, list | tuple)
                else graph.values[result]
            )
        elif part.target is node.target:
            raise graph.refusal()
        else:
            graph.values[part] = value_of(graph, part)
    graph.node = node
    for value in found if isinstance(found, list) else [found]:
        if isinstance(value, FeatureMap):
            value.shared = True
    return found


def _needed(calls: Sequence[Call], ends: Sequence[FeatureMap]) -> list[Call]:
    """Without those that a rule began which then was not the one."""
    needed, wanted = [], set(ends)
    for call in reversed(calls):
        if call.kind == Kind.SLIDE or not wanted.isdisjoint(call.outputs):
            needed.append(call)
            wanted.update(value.memory for value in call.inputs)
    return needed[::-1]


def _input(graph: Graph, *, first: bool, rings: bool) -> Planes | Past | FeatureMap | View:
    shape = tuple(graph.node.meta["val"].shape)
    if first:
        return Planes(map_of(shape, planes=True))
    if len(shape) == 5 and rings:
        batch, past, channels, height, width = shape
        return Past(FeatureMap(batch, 1, height, width, channels, slots=past + 1))
    if len(shape) == 5:
        return view_of(row_of(math.prod(shape)), shape)
    return map_of(shape)


def _constant(graph: Graph) -> Any:
    """Values that depend on constants alone."""
    from torch.utils._pytree import tree_map

    args, kwargs = tree_map(
        lambda each: graph.values.get(each, each) if hasattr(each, "op") else each, (graph.node.args, graph.node.kwargs)
    )
    return graph.node.target(*args, **kwargs)


def _ends(
    graph: Graph, inputs: Sequence[Any], results: Sequence[Node], like_them: Sequence[FeatureMap | None]
) -> list[FeatureMap]:
    """The feature map of each result; each part of the state has its own memory, laid out as the part it replaces."""
    taken = {memory_of(value) for value in inputs}
    ends: list[FeatureMap] = []
    for node, old in zip(results, like_them, strict=True):
        graph.node = node
        value = graph.values[node]
        if isinstance(value, Past):
            if not value.moved_up:
                raise graph.refusal("a pool's state that does not move up")
            ends.append(value.ring)
            continue
        if isinstance(value, View) and old is not None:
            end = graph.materialised(value, like(old))
        else:
            end = graph.map(node, any_order=old is None)
        if old is not None and end.size != old.size:
            end = graph.materialised(graph.view(node), like(old))
        if end in taken or end.of is not None:
            end = graph.add(Call(Kind.SCALE, "copy", [Tap(end)], [like(end)]))
        taken.add(end)
        ends.append(end)
    return ends


def _with_groups(calls: Sequence[Call]) -> list[Call]:
    """Three depthwise convolutions of one feature map, which keep their sums, read it once."""
    grouped: list[Call] = []
    for call in calls:
        grouped.append(call)
        if len(grouped) >= 3 and _may_group(grouped[-3:]):
            grouped[-3:] = [_grouped(grouped[-3:])]
    return grouped


def _may_group(calls: Sequence[Call]) -> bool:
    first = calls[0]
    addends = [addend.memory for call in calls for addend, _ in call.addends]
    return (
        all(
            call.kind == Kind.DEPTHWISE
            and len(call.taps) == len(call.outputs) == 1
            and call.taps[0] == first.taps[0]
            and call.window == first.window == Window((3, 3), (2, 2), (1, 1))
            and call.frame_stride == first.frame_stride
            and call.output.size == first.output.size
            and call.output.memory not in addends  # all three are made at once
            and call.activation == first.activation
            for call in calls
        )
        and 2 * (first.output.width - 1) < first.taps[0].map.width  # not two more columns of zeros at the right
        and len(addends) <= MAX_ADDENDS
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
