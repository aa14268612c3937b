"""Layers wired up in any way: branches, shortcuts and concatenations, each value as late as what it is joined with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn

from .state import Continual, Fill, State, Temporal


@dataclass(frozen=True)
class Node:
    """One call: a layer on one value, or a function on several, joined at their latest common frames."""

    call: nn.Module | Callable[..., Tensor]
    inputs: tuple[int, ...]  # indices of values; 0 is the graph's input, node i makes value i + 1
    frees: tuple[int, ...] = ()  # values nobody needs after this call

    @property
    def state_count(self) -> int:
        return getattr(self.call, "state_count", 0)


class Graph(nn.Module):
    """Nodes in the order they are called; the last one's value is the result. The flat state is theirs, in that order.

    Parameters stay where the regular network has them: `layers` maps their qualified names to modules. Any name will
    do, also that of a method here: a network may well have a layer called `temporal`.
    """

    def __init__(self, layers: dict[str, nn.Module], nodes: Sequence[Node], temporal: Temporal) -> None:
        super().__init__()
        self.nodes = _freeing(nodes)
        self.__dict__["_temporal"] = temporal
        for name, layer in layers.items():
            _register(self, name, layer)

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self.__dict__["_nodes"]

    @nodes.setter
    def nodes(self, nodes: Sequence[Node]) -> None:
        self.__dict__["_nodes"] = tuple(nodes)
        self.__dict__["_count"] = sum(node.state_count for node in nodes)

    @property
    def temporal(self) -> Temporal:
        return self.__dict__["_temporal"]

    @property
    def state_count(self) -> int:
        return self.__dict__["_count"]

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        found: list[Tensor] = []

        def stateful(node: Node, x: Tensor) -> Tensor:
            continual = cast(Continual, node.call)
            state = continual.initial_state(x, fill)
            found.extend(state)
            return continual(x, state)[0]

        self._run(x, stateful, joined=lambda values: values)
        return tuple(found)

    def forward(self, x: Tensor, state: State | None = None):
        """`x` alone: (B, C, T, H, W) -> the same; with state: returns (y, new state)."""
        if state is None:
            return self._run(x, lambda node, x: node.call(x), joined=_last_common)
        new: list[Tensor] = []
        at = 0

        def stateful(node: Node, x: Tensor) -> Tensor:
            nonlocal at
            y, part = node.call(x, state[at : at + node.state_count])
            new.extend(part)
            at += node.state_count
            return y

        return self._run(x, stateful, joined=lambda values: values), tuple(new)

    def _run(
        self,
        x: Tensor,
        stateful: Callable[[Node, Tensor], Tensor],
        joined: Callable[[list[Any]], list[Any]],
    ) -> Tensor:
        values: list[Any] = [x]
        for node in self.nodes:
            taken = [values[index] for index in node.inputs]
            if node.state_count:
                y = stateful(node, taken[0])
            else:
                y = node.call(*(taken if len(taken) == 1 else joined(taken)))
            values.append(y)
            for index in node.frees:
                values[index] = None
        return values[-1]


def _last_common(clips: list[Tensor]) -> list[Tensor]:
    """Clips cut to the frames they have in common: without temporal padding, a longer reach starts later."""
    frames = min(clip.shape[2] for clip in clips)
    return [clip[:, :, clip.shape[2] - frames :] for clip in clips]


def _freeing(nodes: Sequence[Node]) -> tuple[Node, ...]:
    last_use = {index: at for at, node in enumerate(nodes) for index in node.inputs}
    return tuple(
        Node(node.call, node.inputs, tuple(index for index, last in last_use.items() if last == at))
        for at, node in enumerate(nodes)
    )


def _register(root: nn.Module, name: str, layer: nn.Module) -> None:
    """Put `layer` at its qualified name, with empty modules on the way."""
    *folders, last = name.split(".")
    for folder in folders:
        inner = root._modules.get(folder)
        if inner is None:
            inner = root._modules[folder] = nn.Module()
        root = inner
    root._modules[last] = layer
