"""OpenVINO's counters of time, joined with the graph that it runs: that one tells shapes, and what was made one node.

The counters of the CPU keep one figure a node: the mean of all requests since the network was compiled, in whole
microseconds, each request rounded down. So a profile has means here, of the requests between two readings.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..trace import TracedCall
from ..work import Argument, Work
from .model import Model
from .nodes import FUSED, Node, tensor, work_of


@dataclass(frozen=True)
class Counter:
    """The counters of one node after some requests."""

    name: str
    kind: str  # as OpenVINO calls the operator
    kernel: str  # what computes it
    mean_us: int


@dataclass(frozen=True)
class Executed:
    """One node of the graph that is run."""

    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    stands_for: tuple[str, ...]  # operators of the model and of OpenVINO's own, by their names


# OpenVINO's words that are not ONNX's.
_WORDS = {
    **dict.fromkeys(("Convolution", "GroupConvolution"), "Conv"),
    **dict.fromkeys(("FullyConnected", "FullyConnectedQuantizedLegacy", "FullyConnectedCompressed"), "MatMul"),
    "AvgPool": "AveragePool",
    "Multiply": "Mul",
    "Subtract": "Sub",
    "Divide": "Div",
    "Maximum": "Max",
    "Minimum": "Min",
    "SwishCPU": "Swish",
    "HSwish": "HardSwish",
    "Clamp": "Clip",
    "StridedSlice": "Slice",
    "VariadicSplit": "Split",
    "Broadcast": "Expand",
    "Convert": "Cast",
    "FakeQuantize": "QuantizeLinear",
}
# Nodes that OpenVINO makes of whatever goes element by element.
_FUSING = ("Subgraph", "PowerStatic", "Eltwise")
# Operators that are there for int8 alone.
_QUANTISING = ("QuantizeLinear", "DequantizeLinear")


def read_counters(request: Any) -> list[Counter]:
    """What the request's nodes took, in the order in which they run; those that took no microsecond too."""
    return [
        Counter(info.node_name, info.node_type, info.exec_type, round(1e6 * info.real_time.total_seconds()))
        for info in request.profiling_info
    ]


def read_graph(compiled: Any) -> dict[str, Executed]:
    """The nodes that are run, by their names."""
    return {
        op.get_friendly_name(): Executed(
            tuple(_tensor(port) for port in op.inputs()),
            tuple(_tensor(port) for port in op.outputs()),
            _stands_for(op.get_rt_info()),
        )
        for op in compiled.get_runtime_model().get_ordered_ops()
    }


def _tensor(port: Any) -> Argument:
    kind = port.get_element_type()
    return tensor(tuple(port.get_shape()), 0 if kind.is_dynamic() else kind.size)


def _stands_for(info: Any) -> tuple[str, ...]:
    value = info["originalLayersNames"]
    return tuple(str(getattr(value, "value", value)).split(","))


def calls_of(
    before: Iterable[Counter],
    after: Iterable[Counter],
    requests: tuple[int, int],
    graph: Mapping[str, Executed],
    model: Model,
) -> list[TracedCall]:
    """The calls of a request: the mean of those between two readings, taken after so many of them.

    A node with products to make counts even if it never took a microsecond; others of that kind may not have run.
    """
    first, last = requests
    earlier = {counter.name: counter.mean_us for counter in before}
    found = []
    for counter in after:
        executed = graph.get(counter.name)
        work = _work(counter, executed, model) if executed else None
        mean_us = max(0.0, (last * counter.mean_us - first * earlier.get(counter.name, 0)) / (last - first))
        if mean_us or (work and work.macs):
            name = f"{counter.kind} {counter.kernel}"
            shapes = Node("", executed.inputs, ()).shapes if executed else ()
            found.append(TracedCall(name, shapes, work, work.kind if work else counter.kind, round(1000 * mean_us)))
    return found


def _work(counter: Counter, executed: Executed, model: Model) -> Work | None:
    node = Node(_WORDS.get(counter.kind, counter.kind), executed.inputs, executed.outputs)
    if counter.kind not in _FUSING:
        return work_of(node)
    operators = [found for name in executed.stands_for if (found := model.operators.get(name)) is not None]
    each = [math.prod(operator.out) for operator in operators if operator.out and operator.kind not in _QUANTISING]
    return Work(FUSED, sum(each), node.bytes)
