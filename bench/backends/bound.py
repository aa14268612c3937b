"""What engines share that read an ONNX model and compute on our own memory: the model, and steps on bound buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from ...models.inputs import moved, tensors_of
from ..export.entry import Entry, make_entry
from ..export.state_buffers import StateBuffers
from ..profile.trace import SETTLING_STEPS, Clock, TracedSteps, TraceFrom, timed_steps
from ..record.facts import receptive_field_of
from ..record.record import Engine
from . import Ask

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor, nn

    from ...models.inputs import Input


@dataclass(frozen=True)
class ModelFile:
    """A network as an ONNX model; `notes` say how it was quantised."""

    entry: Entry
    model: ModelProto
    content: bytes
    notes: tuple[str, ...] = ()


def model_file(net: nn.Module, example: Input, ask: Ask) -> ModelFile:
    """The network exported, and quantised if asked for."""
    from ..export.onnx import make_model

    entry = make_entry(net, moved(example, "cpu"), plain=True, moves=False)
    model, notes = make_model(entry), ()
    if ask.precision == "int8":
        from ..export.quantise import quantise

        model, note = quantise(model, entry, receptive_field_of(net) if entry.state else 0, ask.calibration)
        notes = (note,)
    return ModelFile(entry, model, model.SerializeToString(), notes)


@dataclass(frozen=True)
class Ports:
    """How an engine is given memory: its inputs and outputs in the order of the entry, and the functions that bind
    the engine's own view of a tensor to one of them."""

    inputs: Sequence[Any]
    outputs: Sequence[Any]
    view: Callable[[Tensor], Any]
    bind_input: Callable[[Any, Any], None]
    bind_output: Callable[[Any, Any], None]
    run: Callable[[], object]
    synchronize: Callable[[], None] = lambda: None
    device: str = "cpu"  # torch's word for where inputs and state lie


class BoundRunnable:
    """A runnable whose engine reads inputs and state from our own memory, and writes answers and new state there."""

    def __init__(
        self, entry: Entry, ports: Ports, engine: Callable[[], Engine], traced: TraceFrom | None = None
    ) -> None:
        import torch

        self.engine, self.synchronize = engine, ports.synchronize
        self._ports, self._traced = ports, traced
        self._inputs, self._state = ports.inputs[: entry.given], ports.inputs[entry.given :]
        self._new_state = ports.outputs[entry.answers :]
        with torch.no_grad():
            answers = entry.module(*entry.inputs)[: entry.answers]
        self._answers = tuple(torch.empty_like(answer, device=ports.device).contiguous() for answer in answers)
        for port, answer in zip(ports.outputs, self._answers, strict=False):
            ports.bind_output(port, ports.view(answer))
        state = tuple(tensor.to(ports.device) for tensor in entry.state)
        self._buffers = StateBuffers(state, entry.sources, ports.view)

    def warm(self, x: Tensor) -> None:
        return None

    def reset(self) -> None:
        self._buffers.reset()

    def step(self, x: Input) -> Any:
        ports, buffers = self._ports, self._buffers
        given = [tensor.contiguous() for tensor in tensors_of(x)]  # kept until the run is over: it holds addresses
        for port, tensor in zip(self._inputs, given, strict=True):
            ports.bind_input(port, ports.view(tensor))
        for port, value in zip(self._state, buffers.inputs, strict=True):
            ports.bind_input(port, value)
        for port, value in zip(self._new_state, buffers.outputs, strict=True):
            ports.bind_output(port, value)
        ports.run()
        buffers.advance()
        answers = tuple(answer.clone() for answer in self._answers)  # ours is written again at the next step
        return answers[0] if len(answers) == 1 else answers

    def traced_steps(self, xs: Sequence[Tensor], clock: Clock) -> TracedSteps:
        """See `backends/README.md`; needs `Ask.traced`."""
        assert self._traced is not None  # noqa: S101 - a profile asks for it
        return self._traced(self.state_tensors(), xs, clock)

    def state_tensors(self) -> tuple[Tensor, ...]:
        return self._buffers.tensors


def settle_at(runnable: BoundRunnable, state: Sequence[Tensor], xs: Sequence[Tensor], clock: Clock) -> None:
    """Put a second runnable, which traces, into that state, and make the steps that are slow at first."""
    for ours, theirs in zip(runnable.state_tensors(), state, strict=True):
        ours.copy_(theirs)
    timed_steps(runnable, islice(cycle(xs), SETTLING_STEPS), clock)
