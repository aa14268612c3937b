"""A network as one pure function of flat tensors: what compilers, exporters and captured graphs are made from.

    (x, *state) -> (answer, *what is new of the state)

Most of a state only moves up by one place at each step (`models/continual/README.md`). What moves is no output of the
function: it would be handed through a compiled graph for nothing, at the price of a wrapper a tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ...models.spec import is_frame_network
from ..record.record import Engine

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    State = tuple[Tensor, ...]


@dataclass(frozen=True)
class Flat:
    """The function, the state that it starts from, and where each tensor of the next state comes from."""

    function: nn.Module
    example: Tensor
    state: State  # no two of them share memory; empty for a network without state
    sources: tuple[int, ...]  # for each tensor of the next state: its index in (*state, *new ones)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the function is called with at the start of a stream."""
        return (self.example, *self.state)

    def next_state(self) -> Callable[[tuple[Tensor, ...]], State]:
        """(*state, *new ones) -> the next state."""
        if len(self.sources) == 1:
            return lambda tensors: (tensors[self.sources[0]],)
        return itemgetter(*self.sources) if self.sources else lambda _: ()


def flatten(net: Any, example: Tensor, dtype: torch.dtype) -> Flat:
    """The network, which computes in `dtype`, as a function; its state is asked for, and stepped once to see it move.

    `example` is a clip (B, C, T, H, W), a frame (B, C, H, W), or what the network takes.
    """
    import torch

    if not is_frame_network(net):
        return Flat(_function(net, dtype), example, (), ())
    with torch.no_grad():
        # A fresh state may hold one tensor many times. Here each place has its own, as it will in mid-stream.
        state = tuple(tensor.clone() for tensor in net.initial_state(len(example)))
        _, after = net.step(example.to(dtype), state)
    places = {id(tensor): place for place, tensor in enumerate(state)}
    new = tuple(place for place, tensor in enumerate(after) if id(tensor) not in places)
    sources = tuple(places.get(id(tensor), -1) for tensor in after)
    made = iter(range(len(state), len(state) + len(new)))
    return Flat(
        _function(net, dtype, new),
        example,
        state,
        tuple(next(made) if source < 0 else source for source in sources),
    )


def _function(net: Any, dtype: torch.dtype, new: tuple[int, ...] | None = None) -> nn.Module:
    """(x,) -> (answer,), or with the places of the state that are new (x, *state) -> (answer, *new ones)."""
    import torch
    from torch import nn

    def like(tensor: Tensor, before: Tensor) -> Tensor:
        """Laid out in memory as the one whose place it takes: compiled code is made for one layout."""
        pairs = zip(tensor.shape, tensor.stride(), before.stride(), strict=True)
        if all(size == 1 or ours == theirs for size, ours, theirs in pairs):
            return tensor
        empty = torch.empty_strided(before.shape, before.stride(), dtype=before.dtype, device=before.device)
        return empty.copy_(tensor)

    class Function(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor, *state: Tensor) -> tuple[Any, ...]:
            x = x.to(dtype)
            if new is None:
                return (self.net(x),)
            answer, after = self.net.step(x, state)
            return (answer, *(like(after[place], state[place]) for place in new))

    # torch.compile keeps what it made with the code it was made from, for eight networks at most and none of them
    # for ever: so each function has code of its own.
    forward = Function.forward
    Function.forward = FunctionType(
        forward.__code__.replace(), forward.__globals__, "forward", None, forward.__closure__
    )
    return Function().eval()


class FlatRunnable:
    """A compiled form of the function, called with the state that it gave back the last time."""

    def __init__(
        self,
        flat: Flat,
        call: Callable[..., tuple[Any, ...]],
        engine: Engine,
        synchronize: Callable[[], Any] = lambda: None,
    ) -> None:
        self._device = flat.example.device
        self._synchronize = synchronize
        self._initial = flat.state
        self._next_state = flat.next_state()
        self._call = call
        self._engine = engine
        self.reset()

    def warm(self, x: Tensor) -> None:
        return None

    def reset(self) -> None:
        self.state = self._initial

    def step(self, x: Tensor) -> Tensor:
        answer, *new = self._call(x.to(self._device), *self.state)
        self.state = self._next_state((*self.state, *new))
        return answer

    def synchronize(self) -> None:
        self._synchronize()

    def state_tensors(self) -> State:
        return self.state

    def engine(self) -> Engine:
        return self._engine
