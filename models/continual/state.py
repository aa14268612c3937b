"""What makes a layer continual, and how layers are chained.

A layer of this room is one `nn.Module` with one set of weights and the verbs of the network:

    y = layer(clip)                      # (B, C, T, H, W): the regular 3D layer
    y, state = layer.step(frame, state)  # (B, C, H, W): one frame, one output
    y, state = layer.steps(clip, state)  # (B, C, T, H, W): as many steps at once; T outputs, the same state

State is a flat tuple of tensors, passed in and handed back; no method changes its inputs.
A module without `step` is stateless: it is applied to frames and clips alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, cast, runtime_checkable

from torch import Tensor, nn

State = tuple[Tensor, ...]
Fill = Literal["zeros", "replicate"]
Verb = Literal["step", "steps"]


@dataclass(frozen=True)
class Temporal:
    """How a layer, or a chain of layers, reaches in time (paper, sections 3.2 to 3.6). All in frames."""

    receptive_field: int = 1
    padding: int = 0
    stride: int = 1  # regular form only: a frame network answers at every frame
    unbounded: bool = False  # a recurrent layer besides remembers, ever less, all that came before

    @property
    def delay(self) -> int:
        """Frames by which the output lags behind the regular layer's: r - p - 1."""
        return self.receptive_field - self.padding - 1

    def then(self, after: Temporal) -> Temporal:
        """This layer followed by another one, which receives every `stride`-th frame."""
        return Temporal(
            self.receptive_field + (after.receptive_field - 1) * self.stride,
            self.padding + after.padding * self.stride,
            self.stride * after.stride,
            self.unbounded or after.unbounded,
        )


@runtime_checkable
class Continual(Protocol):
    """A layer that can be stepped from frame to frame."""

    state_count: int  # tensors in its part of the flat state; may be none

    @property
    def temporal(self) -> Temporal: ...

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        """State before the first frame, whose features at this layer are `x` (B, C, H, W)."""
        ...

    def __call__(self, clip: Tensor) -> Tensor: ...

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]: ...

    def steps(self, clip: Tensor, state: State) -> tuple[Tensor, State]: ...


def as_continual(module: object) -> Continual | None:
    """The module as a layer that is stepped, or None if it is stateless."""
    return cast(Continual, module) if hasattr(module, "step") else None


def temporal_of(module: nn.Module) -> Temporal:
    """A module's reach in time; 1 frame for stateless ones."""
    # Asked once: a chain computes it from its layers, and asking each twice doubles with every level of nesting.
    return getattr(module, "temporal", None) or Temporal()


class Sequential(nn.Sequential):
    """Layers in a chain; the flat state is theirs, one after the other."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.count_states()

    def count_states(self) -> None:
        """Count anew whose state is which; after the chain was changed."""
        # None for a layer that is stateless
        self.state_counts = tuple(one.state_count if (one := as_continual(layer)) else None for layer in self)
        self.state_count = sum(count or 0 for count in self.state_counts)

    def add_module(self, name: str, module: nn.Module | None) -> None:
        # torch refuses names that are attributes here; a network may well have a layer called `temporal`.
        self._modules[name] = module  # type: ignore[assignment]

    @property
    def temporal(self) -> Temporal:
        reach = Temporal()
        for layer in self:
            reach = reach.then(temporal_of(layer))
        return reach

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        found: list[Tensor] = []
        for layer in self:
            if (continual := as_continual(layer)) is None:
                x = layer(x)
            else:
                state = continual.initial_state(x, fill)
                found.extend(state)
                x, _ = continual.step(x, state)
        return tuple(found)

    def forward(self, clip: Tensor) -> Tensor:  # type: ignore[override]
        for layer in self:
            clip = layer(clip)
        return clip

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:
        return self._run("step", frame, state)

    def steps(self, clip: Tensor, state: State) -> tuple[Tensor, State]:
        return self._run("steps", clip, state)

    def _run(self, verb: Verb, x: Tensor, state: State) -> tuple[Tensor, State]:
        new: list[Tensor] = []
        at = 0
        for layer, count in zip(self, self.state_counts, strict=True):
            if count is None:
                x = layer(x)
            else:
                x, part = getattr(layer, verb)(x, state[at : at + count])
                new.extend(part)
                at += count
        return x, tuple(new)
