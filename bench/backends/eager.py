"""PyTorch as it is: one operator after the other, no compilation. The reference the other backends must equal."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from ...models.spec import is_frame_network
from . import Backend, Runnable

if TYPE_CHECKING:
    from torch import Tensor, nn


class _Synchronous:
    """What is the same for both kinds on a CPU, where a call returns when it is done."""

    def warm(self, x: Tensor) -> None:
        return None

    def synchronize(self) -> None:
        return None


class EagerClip(_Synchronous):
    """A clip network, called."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def reset(self) -> None:
        return None

    def step(self, x: Tensor) -> Tensor:
        return self.net(x)

    def state_tensors(self) -> tuple[Tensor, ...]:
        return ()


class EagerFrames(_Synchronous):
    """A frame network with its state."""

    def __init__(self, net: Any, batch: int) -> None:
        self.net = net
        self.batch = batch
        self.reset()

    def reset(self) -> None:
        self.state: tuple[Tensor, ...] = self.net.initial_state(self.batch)

    def step(self, x: Tensor) -> Tensor:
        y, self.state = self.net.step(x, self.state)
        return y

    def state_tensors(self) -> tuple[Tensor, ...]:
        return self.state


def prepare(net: nn.Module, example: Tensor) -> Runnable:
    """Nothing to compile; a network with a `step` is run frame by frame."""
    return EagerFrames(net, len(example)) if is_frame_network(net) else EagerClip(net)


def missing() -> str | None:
    return None if importlib.util.find_spec("torch") else "PyTorch is not installed: pip install torch"


BACKEND = Backend(name="eager", title="PyTorch, eager", prepare=prepare, missing=missing, order=0)
