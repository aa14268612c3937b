"""What a traced call makes, how its arguments are read, and what a rule for calls is given."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from ..state import Temporal
from .each import Constant, Direct
from .flow import Context, Flow


@dataclass(frozen=True)
class Value:
    """A result on the way: which one, how it reaches back to the input, and what it holds."""

    index: int
    reach: Temporal
    flow: Flow
    means: frozenset[str] = frozenset()  # the calls whose averages over the clip it is made of

    def with_flow(self, flow: Flow) -> Value:
        """The same numbers, called otherwise."""
        return replace(self, flow=flow)


@dataclass(frozen=True)
class Parts:
    """The results of a call that has several, each made where it is used."""

    makers: tuple[Callable[[], Value | Constant], ...]


Result = Value | Constant | Parts


class Calls(Protocol):
    """The traced calls so far, and the ways to make the next one; `tracing.py` has it."""

    context: Context
    values: dict[fx.Node, Result]
    squeezes: set[fx.Node]  # calls that average for attention

    def label(self, node: fx.Node) -> str:
        """How messages call a traced call: where, what, and the line of code."""
        ...

    def tensor(self, node: fx.Node, argument: Any) -> Value:
        """The value behind an argument of `node`. Raises ConversionError if it is no tensor of the network."""
        ...

    def made(self, node: fx.Node, value: Value, layer: nn.Module, flow: Flow) -> Value:
        """A layer that stands for a function; it has no parameters, so any free name will do."""
        ...

    def by_rule(self, node: fx.Node, layer: nn.Module) -> Value:
        """A function that is a layer without parameters."""
        ...

    def joined(self, node: fx.Node, values: list[Value], function: Callable[..., Tensor], flow: Flow) -> Value:
        """Several values in one call, the early ones delayed until the latest one is there."""
        ...


def argument(node: fx.Node, at: int, name: str, default: Any = None) -> Any:
    """An argument of a traced call, given by position or by name (numpy's `axis` too)."""
    given = node.kwargs.get("axis", default) if name == "dim" else default
    return node.kwargs.get(name, node.args[at] if len(node.args) > at else given)


def subject(node: fx.Node) -> Any:
    """The tensor that a call is about: its first argument, also where it is given by name."""
    if node.args:
        return node.args[0]
    names = ("input", "tensors", "x", "query")
    return next((node.kwargs[name] for name in names if name in node.kwargs), None)


def listed(node: fx.Node, at: int, name: str) -> tuple[Any, ...]:
    """Numbers that a method takes one after the other, or in a tuple."""
    given = argument(node, at, name, ())
    if isinstance(given, tuple | list):
        return tuple(given)
    return (given, *node.args[at + 1 :])


def call_of(node: fx.Node, place: Callable[[Any], Any]) -> Direct:
    """The traced call as a function of tensors, which writes into none of them; `place` takes each node's place."""
    args, kwargs = fx.map_arg((node.args, {k: v for k, v in node.kwargs.items() if k != "inplace"}), place)
    target: Any = node.target
    function: Callable[..., Any] = _OUT_OF_PLACE.get(target) or target
    if isinstance(target, str):
        function = _Method(target if target.startswith("__") else target.rstrip("_"))
    if getattr(function, "__module__", "") == F.__name__:  # the flag `inplace`, by position
        args = (args[0], *(False if one is True else one for one in args[1:])) if args else args
    return Direct(function, args, kwargs)


@dataclass(frozen=True)
class _Method:
    name: str

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        return getattr(x, self.name)(*args, **kwargs)


_OUT_OF_PLACE: dict[Any, Callable[..., Any]] = {
    operator.iadd: torch.add,
    operator.isub: torch.sub,
    operator.imul: torch.mul,
    operator.itruediv: torch.div,
    operator.add: torch.add,
    operator.sub: torch.sub,
    operator.mul: torch.mul,
    operator.truediv: torch.div,
    torch.relu_: torch.relu,
    torch.sigmoid_: torch.sigmoid,
    torch.tanh_: torch.tanh,
    torch.clamp_: torch.clamp,
    F.relu_: F.relu,
}
