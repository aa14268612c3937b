"""A state in fixed buffers, for engines that write to given addresses.

A tensor that moves up by one index is not copied, only its name changes; a new one is written into the buffer of the
tensor that is no longer needed. Nothing is allocated from step to step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

View = TypeVar("View")


class StateBuffers(Generic[View]):
    """Buffers (contiguous) of a state, each with the engine's own view of it.

    `sources`: for each tensor of the next state its index in this one, None if it is new.
    """

    def __init__(self, state: Sequence[Tensor], sources: Sequence[int | None], view: Callable[[Tensor], View]) -> None:
        self._initial = tuple(tensor.contiguous() for tensor in state)
        self._count = len(self._initial)
        new = [index for index, source in enumerate(sources) if source is None]
        buffers = [tensor.clone() for tensor in self._initial] + [self._initial[index].clone() for index in new]
        self._slots = tuple((buffer, view(buffer)) for buffer in buffers)
        spares = {index: self._count + number for number, index in enumerate(new)}
        moves_to = {source: index for index, source in enumerate(sources) if source is not None}
        order = [spares[index] if source is None else source for index, source in enumerate(sources)]
        for index in new:  # the last tensor of this row is no longer needed, and its buffer takes the next new one
            while index in moves_to:
                index = moves_to[index]
            order.append(index)
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
        """Where the engine reads the state, tensor by tensor."""
        return [view for _, view in self._slots[: self._count]]

    @property
    def outputs(self) -> list[View]:
        """Where it writes the new tensors of the next state, in their order."""
        return [view for _, view in self._slots[self._count :]]

    def advance(self) -> None:
        """Make what was written the current state."""
        self._slots = self._next(self._slots)
