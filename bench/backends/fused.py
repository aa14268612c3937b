"""PyTorch without what only training needs: batch norm folded, the calls recorded once and replayed without Python.

The recording is TorchScript's (`torch.jit.trace`), which torch keeps but no longer develops; where it is gone, the
folded network is called from Python. Only networks made of co3d-bench's layers are recorded: a recording holds the
shapes and branches of one call, and of other networks nobody knows whether they have more than one.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from ...models.inputs import moved
from ...models.spec import is_frame_network
from ..export.precision import TOLERANCE, torch_missing
from ..record.record import Engine
from . import Ask, Backend, Runnable, eager

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ...models.inputs import Input


class RecordedFrames(eager.EagerFrames):
    """One recorded step: (frame, state) -> (scores, *state)."""

    def __init__(self, net: Any, dtype: Any, batch: int, device: str, program: Any) -> None:
        super().__init__(net, dtype, batch, device)
        self.program = program

    def step(self, x: Tensor) -> Tensor:
        scores, *state = self.program(x.to(self.device, self.dtype), self.state)
        self.state = tuple(state)
        return scores

    def engine(self) -> Engine:
        return _scripted(super().engine())


class RecordedClip(eager.EagerClip):
    """One recorded call."""

    def engine(self) -> Engine:
        return _scripted(super().engine())


def _scripted(engine: Engine) -> Engine:
    where = f" on {engine.provider}" if engine.provider else ""
    return engine.model_copy(update={"provider": f"TorchScript{where}"})


def prepare(net: nn.Module, example: Input, ask: Ask) -> Runnable:
    """A folded copy of the network, recorded."""
    import torch

    from ...models.continual import fold_batch_norm

    dtype = eager.dtype_of(ask.precision)
    folded: Any = fold_batch_norm(net).to(ask.device, dtype)
    why = None if hasattr(torch.jit, "trace") else "this torch has no TorchScript"
    if not _is_ours(net) or isinstance(example, tuple):
        why = "only networks of co3d-bench's layers are recorded"
    if why:
        note = f"called from Python: {why}"
        return eager.runnable(folded, example, ask, (note,), dtype=dtype)
    x: Any = moved(example, ask.device, dtype)
    with torch.no_grad():
        if not is_frame_network(net):
            return RecordedClip(_recorded(folded, (x,)), dtype, ask.device)
        program = _recorded(_step_of(folded), (x, folded.initial_state(len(x))))
    return RecordedFrames(folded, dtype, len(x), ask.device, program)


def _recorded(module: nn.Module, inputs: tuple[Any, ...]) -> Any:
    import torch

    with warnings.catch_warnings():
        # Warnings about shapes that Python reads, which never change here, and about TorchScript's deprecation.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module.eval(), inputs, check_trace=False, strict=False)
        return torch.jit.freeze(traced)  # pyright: ignore[reportArgumentType]


def _step_of(net: Any) -> nn.Module:
    """`net.step` as a module whose answer is flat."""
    from torch import nn

    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, frame: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            scores, after = self.net.step(frame, state)
            return (scores, *after)

    return Step()


def _is_ours(net: nn.Module) -> bool:
    from ...models.continual import ClipNetwork, FrameNetwork

    return isinstance(net, ClipNetwork | FrameNetwork)


BACKEND = Backend(
    name="fused",
    title="PyTorch, batch norm folded, recorded",
    prepare=prepare,
    here=eager.PRECISIONS,
    tolerance=TOLERANCE,
    any_input=True,
    missing=torch_missing,
    order=10,
)
