"""A network as one pure function of flat tensors: what compilers, exporters and captured graphs are made from.

    (x, *state) -> (answer, *what is new of the state)

Most of a state only moves up by one index at each step (`models/continual/README.md`). What moves is not an output of
the function: passing it through a compiled graph would cost a wrapper for each tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ...models.inputs import batch_of, call, moved, tensors_of
from ...models.spec import is_frame_network
from ..record.record import Engine
from .entry import refuse_kept_state

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ...models.inputs import Input

    State = tuple[Tensor, ...]


@dataclass(frozen=True)
class Flat:
    """The function, the state that it starts from, and where each tensor of the next state comes from."""

    function: nn.Module
    example: Input
    state: State  # no two of them share memory; empty for a network without state
    sources: tuple[int, ...]  # for each tensor of the next state: its index in (*state, *new ones)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the function is called with at the start of a stream."""
        return (*tensors_of(self.example), *self.state)

    def next_state(self) -> Callable[[tuple[Tensor, ...]], State]:
        """(*state, *new ones) -> the next state."""
        if len(self.sources) == 1:
            return lambda tensors: (tensors[self.sources[0]],)
        return itemgetter(*self.sources) if self.sources else lambda _: ()


def flatten(net: Any, example: Input, dtype: torch.dtype) -> Flat:
    """The network, which computes in `dtype`, as a function; it is stepped once to see how its state moves.

    `example` is a clip (B, C, T, H, W), a frame (B, C, H, W), or what the network takes. Raises UserError for one that
    keeps its state inside.
    """
    import torch

    refuse_kept_state(net)
    count = len(example) if isinstance(example, tuple) else None

    if not is_frame_network(net):
        return Flat(_function(net, dtype, count), example, (), ())
    with torch.no_grad():
        # A fresh state may hold one tensor several times. Here each is separate, as in mid-stream.
        state = tuple(tensor.clone() for tensor in net.initial_state(batch_of(net, example)))
        _, after = net.step(moved(example, dtype=dtype), state)
    indices = {id(tensor): index for index, tensor in enumerate(state)}
    new = tuple(index for index, tensor in enumerate(after) if id(tensor) not in indices)
    sources = tuple(indices.get(id(tensor), -1) for tensor in after)
    new_indices = iter(range(len(state), len(state) + len(new)))
    return Flat(
        _function(net, dtype, count, new),
        example,
        state,
        tuple(next(new_indices) if source < 0 else source for source in sources),
    )


def _function(net: Any, dtype: torch.dtype, count: int | None, new: tuple[int, ...] | None = None) -> nn.Module:
    """(x,) -> (answer,), or with `new`, the indices of the new state tensors, (x, *state) -> (answer, *new ones).

    With a `count`, x is so many tensors, one after the other.
    """
    import torch
    from torch import nn

    def like(tensor: Tensor, before: Tensor) -> Tensor:
        """In the memory layout of the tensor that it replaces: compiled code takes one layout only."""
        pairs = zip(tensor.shape, tensor.stride(), before.stride(), strict=True)
        if all(size == 1 or ours == theirs for size, ours, theirs in pairs):
            return tensor
        empty = torch.empty_strided(before.shape, before.stride(), dtype=before.dtype, device=before.device)
        return empty.copy_(tensor)

    class Function(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, *tensors: Tensor) -> tuple[Any, ...]:
            x = moved(tensors[0] if count is None else tensors[:count], dtype=dtype)
            state = tensors[count or 1 :]
            if new is None:
                return (call(self.net, x),)
            answer, after = self.net.step(x, state)
            return (answer, *(like(after[index], state[index]) for index in new))

    # torch.compile caches by code object, at most eight networks each: so each function has its own code.
    forward = Function.forward
    Function.forward = FunctionType(
        forward.__code__.replace(), forward.__globals__, "forward", None, forward.__closure__
    )
    return Function().eval()


class FlatRunnable:
    """A compiled form of the function, called with the state that it returned last."""

    def __init__(
        self,
        flat: Flat,
        call: Callable[..., tuple[Any, ...]],
        engine: Engine,
        synchronize: Callable[[], Any] = lambda: None,
    ) -> None:
        self._device = tensors_of(flat.example)[0].device
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

    def step(self, x: Input) -> Tensor:
        answer, *new = self._call(*tensors_of(moved(x, self._device)), *self.state)
        self.state = self._next_state((*self.state, *new))
        return answer

    def synchronize(self) -> None:
        self._synchronize()

    def state_tensors(self) -> State:
        return self.state

    def engine(self) -> Engine:
        return self._engine
