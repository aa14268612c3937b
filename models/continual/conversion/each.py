"""Calls that work on each frame alone: the same call, frame by frame, on the dimensions that its author gave it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from .flow import Flow
from .layout import Arrange, Names, same


@dataclass(frozen=True)
class Slot:
    """Where a call's arguments have a tensor of the network: which one of its inputs."""

    index: int


@dataclass(eq=False)
class Home:
    """The graph whose parameters a call uses, once it is built."""

    graph: nn.Module | None = None


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor that no frame changes: a parameter of the network, or what is computed from parameters alone."""

    call: Callable[[], Any]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, home: Home, name: str, shape: tuple[int, ...]) -> Constant:
        return cls(_Lookup(home, name), shape)

    @classmethod
    def computed(cls, function: Callable[..., Any], args: Any, kwargs: Any, shape: tuple[int, ...]) -> Constant:
        return cls(_Computed(function, args, kwargs), shape)


@dataclass(frozen=True, eq=False)
class _Lookup:
    home: Home
    name: str

    def __call__(self) -> Tensor:
        *folders, last = self.name.split(".")
        owner: Any = self.home.graph
        for folder in folders:
            owner = owner._modules[folder]
        return owner._parameters[last] if last in owner._parameters else owner._buffers[last]


@dataclass(frozen=True, eq=False)
class _Computed:
    function: Callable[..., Any]
    args: Any
    kwargs: Any

    def __call__(self) -> Any:
        return self.function(*filled(self.args, ()), **filled(self.kwargs, ()))


def filled(arguments: Any, inputs: tuple[Tensor, ...]) -> Any:
    """The arguments of a call, with tensors where `Slot` and `Constant` hold their places."""
    if isinstance(arguments, Slot):
        return inputs[arguments.index]
    if isinstance(arguments, Constant):
        made = arguments.call()
        elsewhere = inputs and isinstance(made, Tensor) and made.device != inputs[0].device
        return made.to(inputs[0].device) if elsewhere else made  # what a forward makes of numbers is on no device
    if isinstance(arguments, dict):
        return {name: filled(one, inputs) for name, one in arguments.items()}
    if isinstance(arguments, tuple | list):
        return type(arguments)(filled(one, inputs) for one in arguments)
    return arguments


@dataclass(frozen=True, eq=False)
class Direct:
    """A call that takes frames and clips as they are."""

    function: Callable[..., Tensor]
    args: Any
    kwargs: Any

    def __call__(self, *inputs: Tensor) -> Tensor:
        return self.function(*filled(self.args, inputs), **filled(self.kwargs, inputs))


@dataclass(frozen=True, eq=False)
class EachFrame:
    """A call on tensors of the regular network's dimensions, of one frame in time; frames beside each other are N.

    ranks: the dimensions of a frame of each input; a clip has one more.
    part: which of the call's results is meant, where it has several.
    """

    call: Direct
    inputs: tuple[Arrange, ...]
    ranks: tuple[int, ...]
    output: Arrange
    part: int | None = None

    def __call__(self, *inputs: Tensor) -> Tensor:
        clip = inputs[0].dim() > self.ranks[0]
        batch = inputs[0].shape[0]
        if clip:
            frames = max(x.shape[2] for x in inputs)
            inputs = tuple(_folded(x, frames) for x in inputs)
        y = self.call(*(arrange(x) for arrange, x in zip(self.inputs, inputs, strict=True)))
        y = self.output(y if self.part is None else y[self.part])
        return y.unflatten(0, (-1, batch)).movedim(0, 2) if clip else y


def _folded(clip: Tensor, frames: int) -> Tensor:
    """(B, C, T, ...) -> (T x B, C, ...); an average over the clip stands beside each of its frames."""
    if clip.shape[2] != frames:
        clip = clip.expand(*clip.shape[:2], frames, *clip.shape[3:])
    return clip.movedim(2, 0).flatten(0, 1)


class Arranged(nn.Module):
    """Frames or clips whose dimensions are split, exchanged and merged."""

    def __init__(self, arrange: Arrange, rank: int) -> None:
        super().__init__()
        self.each = EachFrame(Direct(_same, (Slot(0),), {}), (arrange,), (rank,), Arrange((), (), ()))

    def forward(self, x: Tensor) -> Tensor:
        return self.each(x)


def arranged(flow: Flow, held: Names) -> tuple[Arranged | None, Flow]:
    """What makes frames hold their numbers that way; None where they do."""
    if same(flow.held, held, flow.sizes) and len(flow.held) == len(held):
        return None, flow
    made = Arranged(Arrange.between(("B", *flow.held), ("B", *held), flow.sizes), len(flow.held) + 1)
    return made, replace(flow, held=held)


def _same(x: Tensor) -> Tensor:
    return x
