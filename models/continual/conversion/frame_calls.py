"""Calls that work on each frame alone, made from traced ones: which tensors meet in which dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import fx

from .calls import Calls, Parts, Value, call_of, subject
from .each import Constant, Direct, EachFrame, Slot
from .flow import Flow, NoFrameForm, shape
from .layout import OVER_CLIP, Arrange, Names, logical, resized, runs_over, same, stripped
from .shapes import shape_of, value_of


@dataclass(frozen=True)
class Operands:
    """The tensors of a traced call, and the call with their places."""

    values: list[Value]
    constants: list[Constant]
    call: Direct

    @classmethod
    def of(cls, calls: Calls, node: fx.Node) -> Operands:
        values: list[Value] = []
        constants: list[Constant] = []

        def place(source: fx.Node) -> Any:
            known = calls.values.get(source)
            if isinstance(known, Constant):
                constants.append(known)
                return known
            values.append(calls.tensor(node, source))
            return Slot(len(values) - 1)

        return cls(values, constants, call_of(node, place))


def constant(calls: Calls, node: fx.Node) -> Constant | Parts:
    """A call on parameters alone."""
    call, result = call_of(node, lambda source: calls.values[source]), value_of(node)
    if not isinstance(result, tuple | list):
        return Constant.computed(call.function, call.args, call.kwargs, tuple(result.shape))
    whole = Constant.computed(call.function, call.args, call.kwargs, ())
    return Parts(
        tuple(
            partial(Constant.computed, _part, (whole, index), {}, tuple(one.shape)) for index, one in enumerate(result)
        )
    )


def _part(results: Any, index: int) -> Any:
    return results[index]


def each_frame(
    calls: Calls,
    node: fx.Node,
    values: Sequence[Value],
    call: Direct,
    axes: Names,
    out_shape: Sequence[int],
    part: int | None = None,
) -> Value:
    """`call` frame by frame; what it returns has the dimensions `axes`, and `out_shape` in the regular network."""
    flow = _widest(values)
    sizes = {atom: size for value in reversed(values) for atom, size in value.flow.sizes.items() if atom in "BT"}
    for value in values:  # atoms of dimensions that also run over the clip
        sizes |= {a: value.flow.sizes[a] for name in value.flow.axes if set(name) & OVER_CLIP for a in name}
    after = resized(replace(flow, sizes=sizes), axes, out_shape)
    made = EachFrame(
        call,
        tuple(_unfolded(value.flow) for value in values),
        tuple(len(value.flow.held) + 1 for value in values),
        Arrange.between(without_time(after.axes), ("B", *after.held), after.sizes),
        part,
    )
    return calls.joined(node, list(values), made, after)


def without_time(axes: Names) -> Names:
    """The dimensions of one frame: T is 1."""
    return tuple(name.replace("T", "") for name in axes)


def _unfolded(flow: Flow) -> Arrange:
    return Arrange.between(("B", *flow.held), without_time(flow.axes), flow.sizes)


def _widest(values: Sequence[Value]) -> Flow:
    """Of several flows that meet the one that the result has: a gate is broadcast over the feature map."""
    flow = min((value.flow for value in values), key=lambda flow: (flow.averaged, flow.pooled))
    return replace(flow, frames=max((value.flow.frames or 0 for value in values), default=0) or None)


def refuse_mixing(calls: Calls, node: fx.Node, flow: Flow, dims: Iterable[int], does: str = "runs over") -> None:
    """Raises NoFrameForm where a call runs over the frames or the clips of the batch."""
    for dim in dims:
        name = flow.axes[dim]
        if runs_over(name, "T", flow.sizes):
            raise NoFrameForm(calls.label(node), f"{does} dimension {dim} of {shape(flow.axes)}, which is time")
        if runs_over(name, "B", flow.sizes):
            raise NoFrameForm(calls.label(node), f"{does} dimension {dim} of {shape(flow.axes)}, which is the batch")


def pointwise(calls: Calls, node: fx.Node) -> Value | Constant | Parts:
    """A sum, a multiplication, an activation: each number of the result from those at its place."""
    operands = Operands.of(calls, node)
    call, values = operands.call, operands.values
    shapes = [one.shape for one in operands.constants]
    numbers = all(not any(size > 1 for size in one) for one in shapes)
    if len(values) == 1 and numbers:
        return calls.joined(node, values, call, values[0].flow)
    flows = [value.flow for value in values]
    axes = broadcast(calls, node, flows, shapes)
    if numbers and _alike(flows):
        flow = _widest(values)
        if any(one.axes != flow.axes or one.sizes != flow.sizes for one in flows):
            flow = resized(replace(flow, sizes=_merged(flows)), axes, shape_of(node))
        return calls.joined(node, values, call, flow)
    return each_frame(calls, node, values, call, axes, shape_of(node))


def _merged(flows: Sequence[Flow]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for flow in flows:
        for atom, size in flow.sizes.items():
            sizes[atom] = max(size, sizes.get(atom, 1))
    return sizes


def _alike(flows: Sequence[Flow]) -> bool:
    """Whether frames of all of them can meet as they are held."""
    first = flows[0]
    if all(flow.axes == first.axes and flow.held == first.held for flow in flows):
        return True
    places = {tuple("".join(a for a in name if a in OVER_CLIP) for name in flow.axes) for flow in flows}
    plain = all(same(flow.held, logical(flow), flow.sizes) and len(flow.held) == len(logical(flow)) for flow in flows)
    merged = any(len(name) > 1 and set(name) & OVER_CLIP and set(name) - OVER_CLIP for f in flows for name in f.axes)
    return len(places) == 1 and plain and not merged


def broadcast(calls: Calls, node: fx.Node, flows: Sequence[Flow], shapes: Sequence[tuple[int, ...]]) -> Names:
    """The dimensions of what tensors and constants give when they meet. Raises NoFrameForm where time meets others."""
    rank = max([len(flow.axes) for flow in flows] + [len(one) for one in shapes])
    result = []
    for back in range(rank, 0, -1):
        names = [(flow, flow.axes[-back]) for flow in flows if len(flow.axes) >= back]
        over = {clip for flow, name in names if (clip := _over_clip(name, flow))}
        wide = [name for flow, name in names if stripped(name, flow.sizes)]
        beside = [name for flow, name in names if stripped(name, flow.sizes) and not _over_clip(name, flow)]
        constants = any(len(one) >= back and one[-back] > 1 for one in shapes)
        if over and (len(over) > 1 or beside or constants):
            met = " and ".join(shape(flow.axes) for flow in flows)
            why = "a parameter for each frame of the clip" if constants else "other dimensions"
            raise NoFrameForm(calls.label(node), f"time or batch of {met} meets {why}")
        result.append(wide[0] if wide else (names[0][1] if names else ""))
    return tuple(result)


def _over_clip(name: str, flow: Flow) -> str:
    whole = stripped(name, flow.sizes)
    return whole if set(whole) & OVER_CLIP else ""


def tensor_of(calls: Calls, node: fx.Node) -> Value:
    return calls.tensor(node, subject(node))
