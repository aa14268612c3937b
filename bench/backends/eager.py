"""PyTorch as it is: one operator after the other, no compilation. The reference the other backends must equal."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from ...models.inputs import batch_of, moved, tensors_of
from ...models.spec import is_frame_network, keeps_state
from ..export.precision import DTYPES, TF32, TOLERANCE, dtype_of, torch_missing
from ..record.record import Engine
from . import PLAIN, Ask, Backend, Runnable

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ...models.inputs import Input

# On what it computes, and in which precisions.
PRECISIONS = {"cpu": tuple(DTYPES), "cuda": (*DTYPES, TF32)}


class EagerRunnable:
    """What clip and frame networks have in common; the network lies on `device`."""

    def __init__(self, net: Any, dtype: torch.dtype, device: str = "cpu", notes: tuple[str, ...] = ()) -> None:
        import torch

        self.net = net
        self.dtype = dtype
        self.device = torch.device(device)
        self.notes = notes
        self._wait = torch.cuda.synchronize if self.device.type == "cuda" else None

    def warm(self, x: Tensor) -> None:
        return None

    def synchronize(self) -> None:
        """On a CPU a call returns when it is done."""
        if self._wait:
            self._wait()

    def engine(self) -> Engine:
        import torch

        return Engine(
            name="PyTorch",
            version=torch.__version__,
            provider=torch.cuda.get_device_name() if self.device.type == "cuda" else None,
            threads=torch.get_num_threads(),
            notes=self.notes,
        )


class EagerClip(EagerRunnable):
    """A clip network, called."""

    def reset(self) -> None:
        return None

    def step(self, x: Tensor) -> Tensor:
        return self.net(x.to(self.device, self.dtype))

    def state_tensors(self) -> tuple[Tensor, ...]:
        return ()


class EagerFrames(EagerRunnable):
    """A frame network with its state."""

    def __init__(
        self, net: Any, dtype: torch.dtype, batch: int, device: str = "cpu", notes: tuple[str, ...] = ()
    ) -> None:
        super().__init__(net, dtype, device, notes)
        self.batch = batch
        self.reset()

    def reset(self) -> None:
        self.state: tuple[Tensor, ...] = self.net.initial_state(self.batch)

    def step(self, x: Tensor) -> Tensor:
        y, self.state = self.net.step(x.to(self.device, self.dtype), self.state)
        return y

    def state_tensors(self) -> tuple[Tensor, ...]:
        return self.net.state_tensors() if keeps_state(self.net) else self.state


class EagerInputs(EagerClip):
    """A network that takes several tensors, or integers."""

    def step(self, x: Input) -> Tensor:
        return self.net(*tensors_of(moved(x, self.device, self.dtype)))


class EagerFrameInputs(EagerFrames):
    """The same of a frame network."""

    def step(self, x: Input) -> Tensor:
        y, self.state = self.net.step(moved(x, self.device, self.dtype), self.state)
        return y


def runnable(
    net: Any, example: Input, ask: Ask, notes: tuple[str, ...] = (), *, dtype: torch.dtype | None = None
) -> Runnable:
    """The network called from Python; one with a `step` is run frame by frame.

    It is converted to the precision and brought to the device asked for, unless it already is there, in `dtype`.
    """
    import torch

    given = dtype or dtype_of(ask.precision)
    if dtype is None and (given != torch.float32 or ask.device != "cpu"):
        net = copy.deepcopy(net).to(ask.device, given)
    plain = not isinstance(example, tuple) and example.is_floating_point()
    if is_frame_network(net):
        kind = EagerFrames if plain else EagerFrameInputs
        return kind(net, given, batch_of(net, example), ask.device, notes)
    return (EagerClip if plain else EagerInputs)(net, given, ask.device, notes)


def prepare(net: nn.Module, example: Input, ask: Ask = PLAIN) -> Runnable:
    """Nothing to compile."""
    return runnable(net, example, ask)


BACKEND = Backend(
    name="eager",
    title="PyTorch, eager",
    prepare=prepare,
    here=PRECISIONS,
    tolerance=TOLERANCE,
    any_input=True,
    missing=torch_missing,
    order=0,
)
