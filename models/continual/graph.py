"""Layers wired up in any way: branches, shortcuts and concatenations, each value as late as what it is joined with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from .state import Fill, State, Temporal, Verb, as_continual


@dataclass(frozen=True)
class Node:
    """One call: a layer on one value, or a function on several, joined at their latest common frames."""

    call: nn.Module | Callable[..., Tensor]
    inputs: tuple[int, ...]  # indices of values; 0 is the graph's input, node i makes value i + 1
    frees: tuple[int, ...] = ()  # values not needed after this call


class Graph(nn.Module):
    """Nodes in the order they are called; the last one's value is the result. The flat state is theirs, in that order.

    Parameters stay where the regular network has them: `layers` maps their qualified names to modules. Any name will
    do, also that of a method here: a network may well have a layer called `temporal`.
    `aligned=False`: of a regular network, whose clips are joined as they are.
    """

    def __init__(
        self, layers: dict[str, nn.Module], nodes: Sequence[Node], temporal: Temporal, *, aligned: bool = True
    ) -> None:
        super().__init__()
        self.nodes = _freeing(nodes)
        self.__dict__["_temporal"] = temporal
        self.__dict__["_aligned"] = aligned
        for name, layer in layers.items():
            _register(self, name, layer)

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self.__dict__["_nodes"]

    @nodes.setter
    def nodes(self, nodes: Sequence[Node]) -> None:
        self.__dict__["_nodes"] = tuple(nodes)
        # None for a call that is stateless
        counts = tuple(one.state_count if (one := as_continual(node.call)) else None for node in nodes)
        self.__dict__["_counts"] = counts
        self.__dict__["_count"] = sum(count or 0 for count in counts)

    @property
    def temporal(self) -> Temporal:
        return self.__dict__["_temporal"]

    @property
    def state_count(self) -> int:
        return self.__dict__["_count"]

    def forward(self, clip: Tensor) -> Tensor:
        aligned = self.__dict__["_aligned"]

        def call(node: Node, count: int | None, inputs: list[Tensor]) -> Tensor:
            return node.call(*(_last_common(inputs) if len(inputs) > 1 and aligned else inputs))

        return self._run(clip, call)

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        found: list[Tensor] = []

        def call(node: Node, count: int | None, inputs: list[Tensor]) -> Tensor:
            if (continual := as_continual(node.call)) is None:
                return node.call(*inputs)
            state = continual.initial_state(inputs[0], fill)
            found.extend(state)
            return continual.step(inputs[0], state)[0]

        self._run(x, call)
        return tuple(found)

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:
        return self._stepped("step", frame, state)

    def steps(self, clip: Tensor, state: State) -> tuple[Tensor, State]:
        return self._stepped("steps", clip, state)

    def _stepped(self, verb: Verb, x: Tensor, state: State) -> tuple[Tensor, State]:
        new: list[Tensor] = []
        at = 0

        def call(node: Node, count: int | None, inputs: list[Tensor]) -> Tensor:
            nonlocal at
            if count is None:
                return node.call(*inputs)
            y, part = getattr(node.call, verb)(inputs[0], state[at : at + count])
            new.extend(part)
            at += count
            return y

        return self._run(x, call), tuple(new)

    def _run(self, x: Tensor, call: Callable[[Node, int | None, list[Tensor]], Tensor]) -> Tensor:
        values: list[Any] = [x]
        for node, count in zip(self.nodes, self.__dict__["_counts"], strict=True):
            values.append(call(node, count, [values[index] for index in node.inputs]))
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
