"""What a traced call makes, how its arguments are read, and what a rule for calls is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from torch import Tensor, fx, nn

from ..state import Temporal
from .flow import Context, Flow


@dataclass(frozen=True)
class Value:
    """A result on the way: which one, how it reaches back to the input, and what it holds."""

    index: int
    reach: Temporal
    flow: Flow
    means: frozenset[str] = frozenset()  # the calls whose averages over the clip it is made of

    def over(self, axes: tuple[str, ...]) -> Value:
        """The same numbers, held by other dimensions: a frame keeps its four until the scores."""
        return replace(self, flow=replace(self.flow, axes=axes))


class Scalar:
    """A size or another number that only shapes are made of; frames have their own."""


class Calls(Protocol):
    """The traced calls so far, and the ways to make the next one; `tracing.py` has it."""

    context: Context
    values: dict[fx.Node, Value | Scalar]
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
    """An argument of a traced call, given by position or by name."""
    return node.kwargs.get(name, node.args[at] if len(node.args) > at else default)
