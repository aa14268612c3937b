"""OpenVINO on a CPU, from the ONNX model. State lies in buffers that the request reads and writes in place."""

from __future__ import annotations

import importlib.util
import io
import platform
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...models.inputs import moved, tensors_of
from ..errors import UserError
from ..export.entry import Entry, make_entry
from ..export.precision import TOLERANCE
from ..export.state_buffers import StateBuffers
from ..export.telemetry import import_engine
from ..profile.trace import SETTLING_STEPS, Clock, TracedSteps, TraceFrom, timed_steps
from ..profile.tracing.model import Model, read_model
from ..profile.tracing.openvino import Counter, Executed, calls_of, read_counters, read_graph
from ..record.facts import receptive_field_of
from ..record.record import Engine
from . import Ask, Backend, Runnable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ...models.inputs import Input

INSTALL = "pip install onnx onnxscript onnxruntime openvino"
# OpenVINO's names of the precisions. An int8 model marks its int8 parts; the rest stays in float32.
_ARITHMETIC = {"fp32": "f32", "int8": "f32", "bf16": "bf16"}


def prepare(net: nn.Module, example: Input, ask: Ask) -> Runnable:
    """Export, quantise if asked for, compile for the fewest milliseconds a request."""
    from ..export.onnx import make_model

    entry = make_entry(net, moved(example, "cpu"), plain=True, moves=False)
    onnx_model, notes = make_model(entry), ()
    if ask.precision == "int8":
        from ..export.quantise import quantise

        onnx_model, note = quantise(onnx_model, entry, receptive_field_of(net) if entry.state else 0, ask.calibration)
        notes = (note,)
    artefact = onnx_model.SerializeToString()

    def bound(*, counting: bool = False, traced: TraceFrom | None = None) -> BoundRequest:
        return BoundRequest(compiled(artefact, ask, counting=counting), entry, len(artefact), notes, traced)

    return bound(traced=partial(traced_steps, bound, read_model(onnx_model)) if ask.traced else None)


def compiled(artefact: bytes, ask: Ask, *, counting: bool = False) -> Any:
    """The model compiled for the CPU, `counting` what each node takes. Raises UserError where it cannot be."""
    ov = import_engine("openvino")
    wanted = _ARITHMETIC[ask.precision]
    try:
        core = ov.Core()
        compiled_model = core.compile_model(
            core.read_model(io.BytesIO(artefact)),
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": ask.threads,
                "NUM_STREAMS": 1,
                "INFERENCE_PRECISION_HINT": wanted,
                "PERF_COUNT": counting,
            },
        )
    except RuntimeError as error:
        raise UserError(f"OpenVINO cannot run this network: {_last_line(error)}") from error
    used = compiled_model.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if used != wanted:
        raise UserError(f"OpenVINO was asked for {wanted} and computes in {used}: this CPU has no {wanted}")
    return compiled_model


def traced_steps(
    bound: Callable[..., BoundRequest], model: Model, state: Sequence[Tensor], xs: Sequence[Tensor], clock: Clock
) -> TracedSteps:
    """Steps from that state on, by a separate request that counts; it reports their mean."""
    twin = bound(counting=True)
    for ours, theirs in zip(twin.state_tensors(), state, strict=True):
        ours.copy_(theirs)
    timed_steps(twin, islice(cycle(xs), SETTLING_STEPS), clock)
    before = twin.counters()
    times_s = timed_steps(twin, xs, clock)
    requests = SETTLING_STEPS, SETTLING_STEPS + len(xs)
    return TracedSteps((calls_of(before, twin.counters(), requests, twin.graph(), model),), tuple(times_s))


class BoundRequest:
    """One request whose inputs and outputs are our own memory."""

    def __init__(
        self,
        compiled: Any,
        entry: Entry,
        artefact_bytes: int,
        notes: tuple[str, ...],
        traced: TraceFrom | None = None,
    ) -> None:
        import torch

        ov = import_engine("openvino")

        def view(tensor: Tensor) -> Any:
            return ov.Tensor(tensor.numpy(), shared_memory=True)

        self._compiled, self._request, self._view = compiled, compiled.create_infer_request(), view
        self._artefact_bytes, self._notes, self._traced = artefact_bytes, notes, traced
        inputs = [compiled.input(name) for name in entry.input_names]
        self._inputs, self._state_ports = inputs[: entry.given], inputs[entry.given :]
        ports = [compiled.output(name) for name in entry.output_names]
        self._new_ports = ports[entry.answers :]
        with torch.no_grad():
            answers = entry.module(*entry.inputs)[: entry.answers]
        self._answers = tuple(torch.empty_like(answer).contiguous() for answer in answers)
        for port, answer in zip(ports, self._answers, strict=False):
            self._request.set_tensor(port, view(answer))
        self._buffers = StateBuffers(entry.state, entry.sources, view)

    def warm(self, x: Tensor) -> None:
        return None

    def reset(self) -> None:
        self._buffers.reset()

    def step(self, x: Input) -> Any:
        request, buffers = self._request, self._buffers
        given = [tensor.contiguous() for tensor in tensors_of(x)]  # kept until the run is over: it holds addresses
        for port, tensor in zip(self._inputs, given, strict=True):
            request.set_tensor(port, self._view(tensor))
        for port, value in zip(self._state_ports, buffers.inputs, strict=True):
            request.set_tensor(port, value)
        for port, value in zip(self._new_ports, buffers.outputs, strict=True):
            request.set_tensor(port, value)
        request.infer()
        buffers.advance()
        answers = tuple(answer.clone() for answer in self._answers)  # ours is written again at the next step
        return answers[0] if len(answers) == 1 else answers

    def traced_steps(self, xs: Sequence[Tensor], clock: Clock) -> TracedSteps:
        """See `backends/README.md`; needs `Ask.traced`."""
        assert self._traced is not None  # noqa: S101 - a profile asks for it
        return self._traced(self.state_tensors(), xs, clock)

    def counters(self) -> list[Counter]:
        """The time of each node, where that is counted."""
        return read_counters(self._request)

    def graph(self) -> dict[str, Executed]:
        """The nodes that run."""
        return read_graph(self._compiled)

    def synchronize(self) -> None:
        return None

    def state_tensors(self) -> tuple[Tensor, ...]:
        return self._buffers.tensors

    def engine(self) -> Engine:
        return Engine(
            name="OpenVINO",
            version=import_engine("openvino").get_version().split("-")[0],
            provider="CPU",
            threads=int(self._compiled.get_property("INFERENCE_NUM_THREADS")),
            artefact_bytes=self._artefact_bytes,
            notes=self._notes,
        )


def missing() -> str | None:
    # int8 models are made by ONNX Runtime's quantiser, so that both engines run the same one.
    for module in ("torch", "onnx", "onnxscript", "onnxruntime", "openvino"):
        if importlib.util.find_spec(module) is None:
            return f"the package {module} is not installed: {INSTALL}"
    return None


def _has_bf16() -> bool:
    """Whether this CPU computes in bfloat16; elsewhere OpenVINO silently uses float32."""
    if platform.machine() != "x86_64":
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _last_line(error: BaseException) -> str:
    return [line.strip() for line in str(error).splitlines() if line.strip()][-1:][0]


BACKEND = Backend(
    name="openvino",
    title="OpenVINO",
    prepare=prepare,
    here={"cpu": ("fp32", *(("bf16",) if _has_bf16() else ()), "int8")},
    tolerance=TOLERANCE,
    in_torch=False,
    any_input=True,
    traces_itself=True,
    missing=missing,
    order=60,
)
