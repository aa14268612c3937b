"""From a network to calls: the graph of its operators, node by node, and what can be one call made one.

A sum of convolutions is one convolution over more taps, which is what a continual convolution's step is. What is added
to a convolution's output, and the activation behind it, are done where the convolution writes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...export.aten.capture import refuse_writes
from ...export.entry import Entry, make_entry
from .. import toolchain
from .calls import MAX_ADDENDS, Call, FeatureMap, Kind, Tap, Window
from .graph import Graph, Past, Planes, like, map_of, memory_of
from .rules import RULES

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
            return _lowered(record(entry), entry)
        try:
            operators = export(entry, functional=True)
        except Exception as error:
            raise toolchain.refusal("native", net, error) from error
        return _lowered(operators, entry)


def _lowered(operators: Operators, entry: Entry) -> Lowered:
    import torch

    inputs, graph = [], Graph()
    for node in operators.graph.nodes:
        graph.node = node
        if node.op == "placeholder":
            if (constant := operators.constants.get(node)) is not None:
                graph.values[node] = constant
            else:
                graph.values[node] = _input(graph, first=not inputs)
                inputs.append(graph.values[node])
        elif node.op == "call_function":
            given = [graph.values.get(each) for each in node.all_input_nodes]
            if all(isinstance(value, torch.Tensor) for value in given):
                graph.values[node] = _constant(graph)
            elif (rule := RULES.get(graph.name)) is not None:
                graph.values[node] = rule(graph, *node.args, **node.kwargs)
            else:
                raise graph.refusal()
    graph.calls = _with_groups(graph.calls)
    results = graph.node.args[0]  # the last node is the output
    refuse_writes(len(results), entry)
    ends, count = _ends(graph, inputs, results), entry.answers
    return Lowered(
        entry,
        graph.calls,
        inputs[0].map,
        [memory_of(value) for value in inputs[1:]],
        ends[:count],
        ends[count:],
        [tuple(node.meta["val"].shape) for node in results[:count]],
    )


def _input(graph: Graph, *, first: bool) -> Planes | Past | FeatureMap:
    shape = tuple(graph.node.meta["val"].shape)
    if first and len(shape) in (4, 5):
        return Planes(map_of(shape, planes=True))
    if len(shape) == 4:
        return map_of(shape)
    if len(shape) == 5:
        batch, past, channels, height, width = shape
        return Past(FeatureMap(batch, 1, height, width, channels, slots=past + 1))
    raise graph.refusal("an input that is no feature map")


def _constant(graph: Graph) -> Any:
    """Values that depend on constants alone."""
    from torch.utils._pytree import tree_map

    given = tree_map(lambda each: graph.values.get(each, each) if hasattr(each, "op") else each, graph.node.args)
    return graph.node.target(*given, **graph.node.kwargs)


def _ends(graph: Graph, inputs: Sequence[Any], results: Sequence[Node]) -> list[FeatureMap]:
    """The feature map of each result; each part of the state has its own memory."""
    taken = {memory_of(value) for value in inputs}
    ends: list[FeatureMap] = []
    for node in results:
        graph.node = node
        value = graph.values[node]
        if isinstance(value, Past):
            if not value.moved_up:
                raise graph.refusal("a pool's state that does not move up")
            ends.append(value.ring)
            continue
        end = graph.map(node)
        if end in taken:
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
