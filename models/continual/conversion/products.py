"""Products of matrices: those inside a frame are made frame by frame, those between frames have no frame form."""

from __future__ import annotations

from dataclasses import replace

from torch import fx

from .calls import Calls, Result, Value, argument
from .flow import ConversionError, NoFrameForm, shape
from .frame_calls import Operands, broadcast, each_frame
from .layout import Names, runs_over
from .shapes import shape_of


def matmul(calls: Calls, node: fx.Node) -> Result:
    """a @ b: rows of a and columns of b may run over frames if the other does not."""
    operands = Operands.of(calls, node)
    names = [calls.values[source] for source in node.all_input_nodes]
    flows = [value.flow for value in operands.values]
    if len(operands.values) == 1:
        flow = flows[0]
        left = names[0] is operands.values[0]
        if left is False or len(operands.constants[0].shape) != 2:
            raise ConversionError(calls.label(node), "multiplies by a parameter in this way")
        _refuse(calls, node, runs_over(flow.axes[-1], "BT", flow.sizes), flow.axes)
        return each_frame(calls, node, operands.values, operands.call, (*flow.axes[:-1], ""), shape_of(node))
    a, b = flows
    if min(len(a.axes), len(b.axes)) < 2 or len(names) == 1:
        raise ConversionError(calls.label(node), "multiplies in this way")
    over = [runs_over(name, "BT", flow.sizes) for flow in flows for name in flow.axes[-2:]]
    _refuse(calls, node, any(over), a.axes if any(over[:2]) else b.axes)
    batch = broadcast(calls, node, [replace(flow, axes=flow.axes[:-2]) for flow in flows], [])
    return each_frame(calls, node, operands.values, operands.call, (*batch, "", ""), shape_of(node))


def _refuse(calls: Calls, node: fx.Node, over_time: bool, axes: Names) -> None:
    if over_time:
        raise NoFrameForm(
            calls.label(node), f"multiplies the frames of {shape(axes)} with each other, as attention over time does"
        )


def attention(calls: Calls, node: fx.Node) -> Result:
    """scaled_dot_product_attention: within each frame."""
    operands = Operands.of(calls, node)
    for value in operands.values:
        flow = value.flow
        if any(runs_over(name, "BT", flow.sizes) for name in flow.axes[-2:]):
            raise NoFrameForm(calls.label(node), f"attends to all frames of {shape(flow.axes)} at once")
    if len(operands.values) < 3:
        raise ConversionError(calls.label(node), "attends to parameters")
    flow = operands.values[0].flow
    return each_frame(calls, node, operands.values, operands.call, (*flow.axes[:-1], ""), shape_of(node))


def einsum(calls: Calls, node: fx.Node) -> Result:
    """Letters that run over frames or clips must stay, the same ones in every operand."""
    operands = Operands.of(calls, node)
    equation = str(argument(node, 0, "equation")).replace(" ", "")
    operands_of = node.args[1] if isinstance(node.args[1], tuple | list) else node.args[1:]
    given = [calls.values[source] for source in operands_of if isinstance(source, fx.Node)]
    inputs, _, output = equation.partition("->")
    if "..." in equation or not output or len(inputs.split(",")) != len(given):
        raise ConversionError(calls.label(node), f"einsum by {equation!r}")
    over: dict[str, str] = {}
    for letters, value in zip(inputs.split(","), given, strict=True):
        axes = value.flow.axes if isinstance(value, Value) else ("",) * len(letters)
        sizes = value.flow.sizes if isinstance(value, Value) else {}
        for letter, name in zip(letters, axes, strict=True):
            clip = name if runs_over(name, "BT", sizes) else ""
            if over.setdefault(letter, clip) != clip or (clip and letter not in output):
                _refuse(calls, node, True, axes)
    axes = tuple(over[letter] for letter in output)
    return each_frame(calls, node, operands.values, operands.call, axes, shape_of(node))
