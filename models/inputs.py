"""What a network is called with here: one tensor, or a flat tuple of the tensors of its example (`example.py`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor, dtype

Input: TypeAlias = "Tensor | tuple[Tensor, ...]"


def tensors_of(x: Input) -> tuple[Tensor, ...]:
    """The tensors of an input, one or many."""
    return x if isinstance(x, tuple) else (x,)


def call(net: Any, x: Input) -> Any:
    """One prediction of a network that is not run frame by frame."""
    return net(*x) if isinstance(x, tuple) else net(x)


def batch_of(net: Any, x: Input) -> int:
    """The batch of an input of this network."""
    return net.example.batch_of(x) if isinstance(x, tuple) else len(x)


def map_tensors(function: Callable[[Tensor], Tensor], x: Input) -> Input:
    """The input with each tensor replaced."""
    return tuple(map(function, x)) if isinstance(x, tuple) else function(x)


def moved(x: Input, device: Any = None, dtype: dtype | None = None) -> Input:
    """The input on that device, its floating-point numbers in that type; integers and bools keep theirs."""
    return map_tensors(lambda t: t.to(device, dtype if t.is_floating_point() else None), x)
