"""What a node of another engine's graph has to do, from its operator and the tensors that go in and come out.

Operators are called as ONNX calls them; the rules are those of `bench/profile/work.py`. Changing the layout of a
feature map is a kind of its own: it moves bytes and multiplies nothing. A new operator is a line of `RULES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..work import VIEWS, Argument, Shape, UnknownWorkError, Work, convolution_work

REORDER = "reorder"
FUSED = "factors, sums, activation"


@dataclass(frozen=True)
class Node:
    """One node: its operator and its tensors, one shape each; addends that it takes in are inputs."""

    operator: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]

    @property
    def bytes(self) -> int:
        return sum(tensor.bytes for tensor in (*self.inputs, *self.outputs))

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Of what it is given, without scales, axes and the like."""
        return tuple(shape for tensor in self.inputs for shape in tensor.shapes if math.prod(shape) > 1)


Rule = Callable[[Node], Work]


def tensor(shape: Shape, itemsize: int) -> Argument:
    """One tensor of a node."""
    return Argument((shape,), itemsize)


def work_of(node: Node) -> Work | None:
    """What the node has to do; None where no rule knows."""
    rule = RULES.get(node.operator)
    if rule is None:
        return None
    try:
        return rule(node)
    except (UnknownWorkError, IndexError, ValueError):  # a form of it with other tensors
        return None


def _convolution(node: Node) -> Work:
    """(input, ..., weights, ..., addends): one product with each weight, and one sum for each addend."""
    (given,), (out,) = node.inputs[0].shapes, node.outputs[0].shapes
    others = [argument.shapes[0] for argument in node.inputs[1:]]
    index = next((at for at, shape in enumerate(others) if len(shape) >= len(given)), None)
    if index is None:
        raise UnknownWorkError
    weight = others[index]
    if len(weight) > len(given):  # (groups, out, in, ...)
        weight = (weight[0] * weight[1], *weight[2:])
    work = convolution_work(given, weight, out, node.bytes)
    added = sum(math.prod(shape) for shape in others[index + 1 :] if shape == out)
    return Work(work.kind, work.macs + added, node.bytes)


def _product(node: Node) -> Work:
    """(..., N, K) by (..., K, M). An engine that packed the second one no longer reports it."""
    first, (out,) = node.inputs[0], node.outputs[0].shapes
    inner = first.elements // math.prod(out[:-1]) if node.operator == "Gemm" else first.shapes[0][-1]
    weights = inner * out[-1]
    reported = any(argument.elements and argument.elements % weights == 0 for argument in node.inputs[1:])
    packed = 0 if reported else weights * first.itemsize
    return Work("matrix product", math.prod(out) * inner, node.bytes + packed)


def _each(kind: str, per_element: int = 1) -> Rule:
    """Element by element of what comes out."""
    return lambda node: Work(kind, per_element * node.outputs[0].elements, node.bytes)


def _reduction(kind: str) -> Rule:
    """One for each element that comes in."""
    return lambda node: Work(kind, node.inputs[0].elements, node.inputs[0].bytes + node.outputs[0].bytes)


def _pool(kind: str) -> Rule:
    def rule(node: Node) -> Work:
        x, y = node.inputs[0], node.outputs[0]
        return Work(f"{kind}_pool{len(x.shapes[0]) - 2}d", x.elements, x.bytes + y.bytes)

    return rule


def _part(node: Node) -> Work:
    """Only what comes out is read, and written."""
    return Work("copy", 0, 2 * node.outputs[0].bytes)


def _moved(kind: str) -> Rule:
    return lambda node: Work(kind, 0, node.inputs[0].bytes + node.outputs[0].bytes)


def _view(node: Node) -> Work:
    return Work(VIEWS, 0, 0)


def _all(names: str, rule: Rule) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


_ELEMENT_BY_ELEMENT = "Sub Div Pow Max Min Exp Sqrt Clip Relu LeakyRelu Elu Gelu Tanh HardSwish HardSigmoid Softmax"

RULES: Mapping[str, Rule] = {
    **_all("Conv FusedConv NhwcFusedConv QLinearConv ConvInteger", _convolution),
    **_all("Gemm FusedGemm QGemm MatMul FusedMatMul QLinearMatMul MatMulInteger", _product),
    **_all("Add QLinearAdd", _each("add")),
    **_all("Mul QLinearMul", _each("mul")),
    **{name: _each(name.lower()) for name in _ELEMENT_BY_ELEMENT.split()},
    **_all("Sigmoid QLinearSigmoid", _each("sigmoid")),
    **_all("QuickGelu Swish", _each("silu")),
    "BatchNormalization": _each("batch norm", 2),
    **_all("ReduceMean GlobalAveragePool QLinearGlobalAveragePool", _reduction("mean")),
    "ReduceSum": _reduction("sum"),
    **_all("ReduceMax GlobalMaxPool", _reduction("amax")),
    **_all("AveragePool QLinearAveragePool", _pool("avg")),
    "MaxPool": _pool("max"),
    **_all("Concat QLinearConcat Slice Split Gather Expand", _part),
    **_all("Transpose Pad Cast", _moved("copy")),
    **_all("QuantizeLinear DequantizeLinear", _moved("quantise")),
    **_all("Reorder ReorderInput ReorderOutput", _moved(REORDER)),
    **_all("Reshape Squeeze Unsqueeze Flatten Identity", _view),
}
