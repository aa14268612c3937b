"""ONNX Runtime's own trace: a JSON list of events, of which those of a node tell its operator and shapes.

Its fast convolutions work on channels in blocks, and on maps and weights filled up to whole blocks; others keep their
weights packed, and tell nothing of them. What the network asks for is taken from the model there: the filling is the
engine's own doing, and shows as a lower rate. Times are whole microseconds, rounded down, and hold most of what it
costs to write the event (`cost.py`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..trace import TracedCall
from ..work import Argument, Shape
from .model import Model, Operator
from .nodes import Node, tensor, work_of

Event = Mapping[str, Any]

# Element types as the trace writes them.
_ITEMSIZES = {
    "float": 4,
    "double": 8,
    "float16": 2,
    "bfloat16": 2,
    "int8": 1,
    "uint8": 1,
    "int16": 2,
    "uint16": 2,
    "int32": 4,
    "uint32": 4,
    "int64": 8,
    "uint64": 8,
    "bool": 1,
}
_SUFFIX = "_kernel_time"
_BLOCKED = "_nchwc"
_CONVOLUTIONS = ("Conv", "FusedConv", "NhwcFusedConv", "QLinearConv")


def runs_of(events: Sequence[Event]) -> list[list[Event]]:
    """The events of nodes in each run that the trace holds, in their order; of nodes in nodes the outermost."""
    runs = sorted((event["ts"], event["ts"] + event["dur"]) for event in events if event["name"] == "model_run")
    nodes = sorted(
        (event for event in events if event["cat"] == "Node" and event["name"].endswith(_SUFFIX)),
        key=lambda event: (event["ts"], -event["dur"]),
    )
    found: list[list[Event]] = [[] for _ in runs]
    at, end = 0, -1
    for event in nodes:
        while at < len(runs) and event["ts"] > runs[at][1]:
            at += 1
        if at == len(runs):
            break
        if event["ts"] >= max(end, runs[at][0]):
            end = event["ts"] + event["dur"]
            found[at].append(event)
    return found


def steps_of(events: Sequence[Event], model: Model) -> list[list[TracedCall]]:
    """The calls of each run that the trace holds, in their order."""
    return [[_traced_call(event, model) for event in run] for run in runs_of(events)]


def _traced_call(event: Event, model: Model) -> TracedCall:
    arguments = event["args"]
    inputs, outputs = (tuple(map(_tensor, arguments[f"{way}_type_shape"])) for way in ("input", "output"))
    operator, name = arguments["op_name"], re.sub(r"_token_\d+$", "", event["name"].removesuffix(_SUFFIX))
    blocked = name.endswith(_BLOCKED)
    node = Node(operator, inputs, outputs)
    if operator in _CONVOLUTIONS:
        known = model.convolution(name.removesuffix(_BLOCKED))
        if known is not None and known.weight is not None:
            node = _with_the_models_shapes(node, known, known.weight, blocked=blocked)
        elif blocked:
            node = Node("", inputs, outputs)
    elif blocked and (known := model.operators.get(name.removesuffix(_BLOCKED))) is not None and known.out:
        node = _without_padding(node, known.out)
    work = work_of(node)
    called = f"{operator} NCHWc" if blocked else operator
    return TracedCall(called, node.shapes, work, work.kind if work else operator, 1000 * event["dur"], events=1)


def _tensor(typed: Mapping[str, Sequence[int]]) -> Argument:
    ((kind, shape),) = typed.items()
    return tensor(tuple(shape), _ITEMSIZES.get(kind, 4))


def _with_the_models_shapes(node: Node, known: Operator, weight: Shape, *, blocked: bool) -> Node:
    """The convolution with the model's channels, its weights where they are not reported, and maps channels first."""
    channels, filters = weight[1] * known.groups, weight[0]
    (given,), (out,) = node.inputs[0].shapes, node.outputs[0].shapes
    last = not blocked and (given[-1], out[-1]) == (channels, filters) != (given[1], out[1])

    def unpadded(argument: Argument, count: int) -> Argument:
        shape = argument.shapes[0]
        if last:
            shape = (shape[0], shape[-1], *shape[1:-1])
        return tensor((shape[0], count, *shape[2:]) if blocked else shape, argument.itemsize)

    def is_weight(argument: Argument) -> bool:
        shape = argument.shapes[0]
        return len(shape) == len(weight) and shape[2:] == weight[2:] and shape != out

    x, *others = node.inputs
    weight_argument = next((argument for argument in others if is_weight(argument)), None)
    rest = [
        unpadded(argument, filters) if argument.shapes[0] == out else argument
        for argument in others
        if argument is not weight_argument and math.prod(argument.shapes[0]) > 1
    ]
    weights = tensor(weight, weight_argument.itemsize if weight_argument else x.itemsize)
    return Node(node.operator, (unpadded(x, channels), weights, *rest), (unpadded(node.outputs[0], filters),))


def _without_padding(node: Node, out: Shape) -> Node:
    """A node on maps in blocks, without what fills the last block up."""
    padded = node.outputs[0].shapes[0]

    def unpadded(argument: Argument) -> Argument:
        shape = argument.shapes[0]
        same = len(shape) == len(padded) and shape[1] == padded[1]
        return tensor((shape[0], out[1], *shape[2:]), argument.itemsize) if same else argument

    return Node(node.operator, tuple(map(unpadded, node.inputs)), tuple(map(unpadded, node.outputs)))
