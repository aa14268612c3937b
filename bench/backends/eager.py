"""PyTorch as it is: one operator after the other, no compilation. The reference the other backends must equal."""

from __future__ import annotations

import copy
import importlib.util
from typing import TYPE_CHECKING, Any

from ...models.spec import is_frame_network
from ..record import Engine
from . import PLAIN, TOLERANCE, Ask, Backend, Runnable

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


class Synchronous:
    """What is the same for both kinds on a CPU, where a call returns when it is done."""

    def __init__(self, net: Any, dtype: torch.dtype, notes: tuple[str, ...] = ()) -> None:
        self.net = net
        self.dtype = dtype
        self.notes = notes

    def warm(self, x: Tensor) -> None:
        return None

    def synchronize(self) -> None:
        return None

    def engine(self) -> Engine:
        import torch

        return Engine(name="PyTorch", version=torch.__version__, threads=torch.get_num_threads(), notes=self.notes)


class EagerClip(Synchronous):
    """A clip network, called."""

    def reset(self) -> None:
        return None

    def step(self, x: Tensor) -> Tensor:
        return self.net(x.to(self.dtype))

    def state_tensors(self) -> tuple[Tensor, ...]:
        return ()


class EagerFrames(Synchronous):
    """A frame network with its state."""

    def __init__(self, net: Any, dtype: torch.dtype, batch: int, notes: tuple[str, ...] = ()) -> None:
        super().__init__(net, dtype, notes)
        self.batch = batch
        self.reset()

    def reset(self) -> None:
        self.state: tuple[Tensor, ...] = self.net.initial_state(self.batch)

    def step(self, x: Tensor) -> Tensor:
        y, self.state = self.net.step(x.to(self.dtype), self.state)
        return y

    def state_tensors(self) -> tuple[Tensor, ...]:
        return self.state


def runnable(
    net: Any, example: Tensor, ask: Ask, notes: tuple[str, ...] = (), *, dtype: torch.dtype | None = None
) -> Runnable:
    """The network called from Python; one with a `step` is run frame by frame.

    It is converted to the precision asked for, unless it already is in `dtype`.
    """
    import torch

    given: torch.dtype = dtype or getattr(torch, DTYPES[ask.precision])
    if dtype is None and given != torch.float32:
        net = copy.deepcopy(net).to(given)
    if is_frame_network(net):
        return EagerFrames(net, given, len(example), notes)
    return EagerClip(net, given, notes)


def prepare(net: nn.Module, example: Tensor, ask: Ask = PLAIN) -> Runnable:
    """Nothing to compile."""
    return runnable(net, example, ask)


def missing() -> str | None:
    return None if importlib.util.find_spec("torch") else "PyTorch is not installed: pip install torch"


BACKEND = Backend(
    name="eager",
    title="PyTorch, eager",
    prepare=prepare,
    precisions=tuple(DTYPES),
    tolerance=TOLERANCE,
    missing=missing,
    order=0,
)
