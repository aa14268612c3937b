"""The places of a state in fixed buffers, for engines that write where they are told.

What moves up by one place changes its name and is not copied; what is new is written into the buffer of the tensor that
nobody needs any more. Nothing is allocated from step to step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

View = TypeVar("View")


class Places(Generic[View]):
    """Buffers (contiguous) of a state, each with the engine's own view of it.

    `sources` says for each place of the next state which place of this one it is, None if it is made anew.
    """

    def __init__(self, state: Sequence[Tensor], sources: Sequence[int | None], view: Callable[[Tensor], View]) -> None:
        self._initial = tuple(tensor.contiguous() for tensor in state)
        self._count = len(self._initial)
        new = [place for place, source in enumerate(sources) if source is None]
        buffers = [tensor.clone() for tensor in self._initial] + [self._initial[place].clone() for place in new]
        self._slots = tuple((buffer, view(buffer)) for buffer in buffers)
        spares = {place: self._count + index for index, place in enumerate(new)}
        moves_to = {source: place for place, source in enumerate(sources) if source is not None}
        order = [spares[place] if source is None else source for place, source in enumerate(sources)]
        for place in new:  # the tensor at the end of this row of places leaves, and its buffer takes the next new one
            while place in moves_to:
                place = moves_to[place]
            order.append(place)
        self._next = itemgetter(*order) if len(order) > 1 else tuple

    def reset(self) -> None:
        """Back to the start of a stream."""
        for (buffer, _), initial in zip(self._slots, self._initial, strict=False):
            buffer.copy_(initial)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The state as it is now."""
        return tuple(buffer for buffer, _ in self._slots[: self._count])

    @property
    def inputs(self) -> list[View]:
        """Where the engine reads the state, place by place."""
        return [view for _, view in self._slots[: self._count]]

    @property
    def outputs(self) -> list[View]:
        """Where it writes what is new of the next state, in the order of the places."""
        return [view for _, view in self._slots[self._count :]]

    def advance(self) -> None:
        """What was written is the state now."""
        self._slots = self._next(self._slots)
