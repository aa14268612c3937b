"""An ONNX model by the names that engines keep: the facts of its operators that their traces lack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from ..work import Shape


@dataclass(frozen=True)
class Operator:
    """One operator of the model."""

    kind: str  # as ONNX calls it
    out: Shape | None  # of its first output
    weight: Shape | None = None  # of a convolution
    groups: int = 1


@dataclass(frozen=True)
class Model:
    """Its operators under their own names and those of their first outputs."""

    operators: Mapping[str, Operator]
    # value -> the convolution it is computed from and from nothing else: an engine that makes one of a convolution, its
    # bias and its activation calls it after what comes out
    convolutions: Mapping[str, Operator]

    def convolution(self, name: str) -> Operator | None:
        """The convolution that an engine calls so."""
        found = self.operators.get(name)
        return found if found is not None and found.weight is not None else self.convolutions.get(name)


def read_model(model: ModelProto) -> Model:
    """What is kept of it."""
    graph = model.graph
    constants = {each.name: tuple(each.dims) for each in graph.initializer}
    shapes: dict[str, Shape] = constants | {
        value.name: tuple(size.dim_value for size in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    operators: dict[str, Operator] = {}
    convolutions: dict[str, Operator] = {}
    for node in graph.node:
        out = node.output[0]
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:  # weights in int8
            constants[out] = shapes[out] = constants[node.input[0]]
            continue
        found = _operator(node, shapes)
        operators[out] = found
        if node.name:
            operators[node.name] = found
        computed = [name for name in node.input if name and name not in constants]
        if found.weight is not None:
            convolutions[out] = found
        elif len(computed) == 1 and (before := convolutions.get(computed[0])) is not None and before.out == found.out:
            convolutions[out] = before
    return Model(operators, convolutions)


def _operator(node: NodeProto, shapes: Mapping[str, Shape]) -> Operator:
    out = shapes.get(node.output[0])
    if node.op_type != "Conv":
        return Operator(node.op_type, out)
    groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    return Operator(node.op_type, out, shapes.get(node.input[1]), groups)
