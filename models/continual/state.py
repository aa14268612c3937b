"""What makes a layer continual, and how layers are chained.

A layer of this room is one `nn.Module` with one set of weights and up to three ways to call it, like `nn.LSTM`:

    y = layer(clip)                    # (B, C, T, H, W): the regular 3D layer
    y, state = layer(frame, state)     # (B, C, H, W): one frame, one output (a step)
    y, state = layer(clip, state)      # (B, C, T, H, W): as many steps at once; T outputs, the same state

State is a flat tuple of tensors, handed in and handed back; a step changes neither its state nor its frame. Some
layers overwrite what the layer before them has just made, and say so.
A module without `state_count` is stateless: it is applied to frames and clips alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, cast, runtime_checkable

from torch import Tensor, nn

State = tuple[Tensor, ...]
Fill = Literal["zeros", "replicate"]


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
        """This layer followed by another one, which sees every `stride`-th frame."""
        return Temporal(
            self.receptive_field + (after.receptive_field - 1) * self.stride,
            self.padding + after.padding * self.stride,
            self.stride * after.stride,
            self.unbounded or after.unbounded,
        )


@runtime_checkable
class Continual(Protocol):
    """A layer that carries state from frame to frame."""

    state_count: int  # tensors in its part of the flat state

    @property
    def temporal(self) -> Temporal: ...

    def initial_state(self, x: Tensor, fill: Fill) -> State:
        """State before the first frame, whose features at this layer are `x` (B, C, H, W)."""
        ...

    def __call__(self, x: Tensor, state: State) -> tuple[Tensor, State]: ...


def as_continual(module: nn.Module) -> Continual | None:
    """The module as a layer with state, or None if it is stateless."""
    return cast(Continual, module) if getattr(module, "state_count", 0) else None


def temporal_of(module: nn.Module) -> Temporal:
    """A module's reach in time; 1 frame for stateless ones."""
    return cast(Continual, module).temporal if hasattr(module, "temporal") else Temporal()


class Sequential(nn.Sequential):
    """Layers in a chain; the flat state is theirs, one after the other."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.count_states()

    def count_states(self) -> None:
        """Count anew whose state is which; after the chain was changed."""
        self.state_counts = tuple(getattr(layer, "state_count", 0) for layer in self)
        self.state_count = sum(self.state_counts)

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
                x, _ = continual(x, state)
        return tuple(found)

    def forward(self, x: Tensor, state: State | None = None):  # type: ignore[override]
        """`x` alone: (B, C, T, H, W) -> the same; with state: returns (y, new state)."""
        if state is None:
            for layer in self:
                x = layer(x)
            return x
        new: list[Tensor] = []
        at = 0
        for layer, count in zip(self, self.state_counts, strict=True):
            if count:
                x, part = layer(x, state[at : at + count])
                new.extend(part)
                at += count
            else:
                x = layer(x)
        return x, tuple(new)
