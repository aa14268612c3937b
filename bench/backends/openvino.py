"""OpenVINO on a CPU, from the ONNX model. State lies in buffers that the request reads and writes in place."""

from __future__ import annotations

import importlib.util
import io
import platform
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..export.precision import TOLERANCE
from ..export.telemetry import import_engine
from ..profile.trace import SETTLING_STEPS, Clock, TracedSteps, TraceFrom, timed_steps
from ..profile.tracing.model import read_model
from ..profile.tracing.openvino import calls_of, read_counters, read_graph
from ..record.record import Engine
from . import Ask, Backend, Runnable
from .bound import BoundRunnable, ModelFile, Ports, model_file, settle_at

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ...models.inputs import Input

INSTALL = "pip install onnx onnxscript onnxruntime openvino"
# OpenVINO's names of the precisions. An int8 model marks its int8 parts; the rest stays in float32.
_ARITHMETIC = {"fp32": "f32", "int8": "f32", "bf16": "bf16"}


def prepare(net: nn.Module, example: Input, ask: Ask) -> Runnable:
    """Export, quantise if asked for, compile for the fewest milliseconds a request."""
    file = model_file(net, example, ask)
    traced = partial(traced_steps, file, ask) if ask.traced else None
    compiled_model = compiled(file.content, ask)
    return bound(file, compiled_model, compiled_model.create_infer_request(), traced)


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


def traced_steps(file: ModelFile, ask: Ask, state: Sequence[Tensor], xs: Sequence[Tensor], clock: Clock) -> TracedSteps:
    """Steps from that state on, by a separate request that counts; it reports their mean."""
    compiled_model = compiled(file.content, ask, counting=True)
    request = compiled_model.create_infer_request()
    twin = bound(file, compiled_model, request)
    settle_at(twin, state, xs, clock)
    before = read_counters(request)
    times_s = timed_steps(twin, xs, clock)
    requests = SETTLING_STEPS, SETTLING_STEPS + len(xs)
    calls = calls_of(before, read_counters(request), requests, read_graph(compiled_model), read_model(file.model))
    return TracedSteps((calls,), tuple(times_s))


def bound(file: ModelFile, compiled_model: Any, request: Any, traced: TraceFrom | None = None) -> BoundRunnable:
    """A request whose inputs and outputs are our own memory."""
    ov = import_engine("openvino")

    def engine() -> Engine:
        return Engine(
            name="OpenVINO",
            version=ov.get_version().split("-")[0],
            provider="CPU",
            threads=int(compiled_model.get_property("INFERENCE_NUM_THREADS")),
            artefact_bytes=len(file.content),
            notes=file.notes,
        )

    # OpenVINO drops an input that nothing reads: a state that only waits, as between the taps of a dilated kernel.
    read = {name: port for port in compiled_model.inputs for name in port.names}

    def bind_input(port: Any, tensor: Any) -> None:
        if port is not None:
            request.set_tensor(port, tensor)

    ports = Ports(
        inputs=[read.get(name) for name in file.entry.input_names],
        outputs=[compiled_model.output(name) for name in file.entry.output_names],
        view=lambda tensor: ov.Tensor(tensor.numpy(), shared_memory=True),
        bind_input=bind_input,
        bind_output=request.set_tensor,
        run=request.infer,
    )
    return BoundRunnable(file.entry, ports, engine, traced)


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
