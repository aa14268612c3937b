"""ONNX Runtime, by the part of it that computes: its own CPU code, CUDA, TensorRT or OpenVINO. One row each.

State lies in buffers that are bound to the session: it is written where the next step reads it, and never copied.
ONNX Runtime falls back to its CPU code without a word, for a whole network if another provider cannot start and for
single operators that it does not have; here both are errors.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..export.precision import TOLERANCE
from ..export.telemetry import import_engine
from ..profile.trace import SETTLING_STEPS, Clock, TracedSteps, TraceFrom, timed_steps
from ..profile.tracing.cost import measure_event_s
from ..profile.tracing.model import read_model
from ..profile.tracing.onnxruntime import steps_of
from ..record.record import Engine
from . import Ask, Backend, Runnable
from .bound import BoundRunnable, ModelFile, Ports, model_file, settle_at

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ...models.inputs import Input


@dataclass(frozen=True)
class Provider:
    """One provider of ONNX Runtime: its name there, the device of its buffers, and the wheel that has it."""

    name: str
    title: str
    install: str
    device: str = "cpu"  # torch's word for where inputs and state lie
    options: Callable[[Ask], dict[str, Any]] = field(default=lambda ask: {})


CPU = Provider("CPUExecutionProvider", "ONNX Runtime", "pip install onnx onnxscript onnxruntime")
CUDA = Provider(
    "CUDAExecutionProvider",
    "ONNX Runtime, CUDA (not tried on hardware yet)",
    "pip install onnx onnxscript onnxruntime-gpu",
    device="cuda",
    options=lambda ask: {"use_tf32": "0", "cudnn_conv_algo_search": "EXHAUSTIVE"},
)
TENSORRT = Provider(
    "TensorrtExecutionProvider",
    "ONNX Runtime, TensorRT (not tried on hardware yet)",
    "pip install onnx onnxscript onnxruntime-gpu tensorrt",
    device="cuda",
)
OPENVINO = Provider(
    "OpenVINOExecutionProvider",
    "ONNX Runtime, OpenVINO",
    "pip install onnx onnxscript onnxruntime-openvino",
    options=lambda ask: {"device_type": "CPU", "precision": "FP32", "num_of_threads": str(ask.threads)},
)


def prepare(provider: Provider, net: nn.Module, example: Input, ask: Ask) -> Runnable:
    """Export, quantise if asked for, start a session."""
    file = model_file(net, example, ask)
    opened = partial(open_session, provider, ask)
    traced = partial(traced_steps, provider, file, opened) if ask.traced else None
    return bound(provider, file, opened(file.content), traced)


def traced_steps(
    provider: Provider,
    file: ModelFile,
    opened: Callable[..., Any],
    state: Sequence[Tensor],
    xs: Sequence[Tensor],
    clock: Clock,
) -> TracedSteps:
    """Steps from that state on by a session of their own, since one that traces can do nothing else.

    Raises UserError where ONNX Runtime gave up tracing before their end.
    """
    with TemporaryDirectory(prefix="co3d-bench-", ignore_cleanup_errors=True) as folder:
        session = opened(file.content, Path(folder) / "trace")
        twin = bound(provider, file, session)
        settle_at(twin, state, xs, clock)
        times_s = timed_steps(twin, xs, clock)
        events = json.loads(Path(session.end_profiling()).read_bytes())
    steps = steps_of(events, read_model(file.model))[SETTLING_STEPS:]
    if len(steps) < len(xs):
        raise UserError(f"ONNX Runtime keeps no longer trace than {len(steps)} steps of this network: --steps")
    return TracedSteps(tuple(steps), tuple(times_s), measure_event_s(opened, clock))


def open_session(provider: Provider, ask: Ask, artefact: bytes, trace: Path | None = None) -> Any:
    """A session that runs on that provider; with `trace`, it keeps one, in a file whose name begins so.

    Raises UserError if ONNX Runtime runs it elsewhere, or cannot at all.
    """
    ort = import_engine("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = ask.threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    if trace:
        options.enable_profiling = True
        options.profile_file_prefix = str(trace)
    # Threads may spin within a step but not between steps: nothing of ours runs while nothing is computed.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if provider is not CPU:  # else single operators that the provider lacks would run there, without a word
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = ort.InferenceSession(
            artefact, options, providers=[(provider.name, provider.options(ask))], enable_fallback=False
        )
    except Exception as error:
        raise UserError(f"{provider.name} of ONNX Runtime cannot run this network: {_first_line(error)}") from error
    used = session.get_providers()
    if used[0] != provider.name:
        raise UserError(
            f"ONNX Runtime was asked for {provider.name} and runs on {used[0]}: the provider could not start; "
            "check its requirements (drivers, libraries), or choose the backend onnxruntime"
        )
    return session


def _value_of(tensor: Tensor) -> Any:
    """The tensor's own memory as a value of ONNX Runtime, whose class has a method for it only since after 1.23: the
    last version for Python 3.10."""
    import onnxruntime as ort

    if public := getattr(ort.OrtValue, "from_dlpack", None):
        return public(tensor)
    capi: Any = importlib.import_module("onnxruntime.capi._pybind_state")
    return ort.OrtValue(capi.OrtValue.from_dlpack(tensor.__dlpack__(), False))


def bound(provider: Provider, file: ModelFile, session: Any, traced: TraceFrom | None = None) -> BoundRunnable:
    """A session whose inputs and outputs are bound to our own memory."""
    import onnxruntime as ort

    def engine() -> Engine:
        return Engine(
            name="ONNX Runtime",
            version=ort.__version__,
            provider=session.get_providers()[0],
            threads=session.get_session_options().intra_op_num_threads,
            artefact_bytes=len(file.content),
            notes=file.notes,
        )

    binding = session.io_binding()
    ports = Ports(
        inputs=file.entry.input_names,
        outputs=file.entry.output_names,
        view=_value_of,
        bind_input=binding.bind_ortvalue_input,
        bind_output=binding.bind_ortvalue_output,
        run=partial(session.run_with_iobinding, binding),
        synchronize=binding.synchronize_outputs,
        device=provider.device,
    )
    return BoundRunnable(file.entry, ports, engine, traced)


def missing(provider: Provider) -> str | None:
    """What is not installed, with the command; a provider is there or not by the wheel that was installed."""
    for module in ("torch", "onnx", "onnxscript", "onnxruntime"):
        if importlib.util.find_spec(module) is None:
            return f"the package {module} is not installed: {CPU.install}"
    if provider.name not in import_engine("onnxruntime").get_available_providers():
        return f"the installed onnxruntime has no {provider.name}: pip uninstall onnxruntime, {provider.install}"
    return None


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _row(name: str, provider: Provider, precisions: tuple[str, ...], order: int) -> Backend:
    return Backend(
        name=name,
        title=provider.title,
        prepare=partial(prepare, provider),
        here={provider.device: precisions},
        tolerance=TOLERANCE,
        in_torch=False,
        own_stream=provider.device == "cuda",
        any_input=True,
        traces_itself=provider is CPU,  # elsewhere the trace holds the launches of kernels only
        missing=partial(missing, provider),
        order=order,
    )


# fp16 and bf16 are left out: the CPU code has few kernels for them and turns the rest into float32 and back.
BACKENDS = (
    _row("onnxruntime", CPU, ("fp32", "int8"), 50),
    _row("onnxruntime-cuda", CUDA, ("fp32",), 51),
    _row("onnxruntime-tensorrt", TENSORRT, ("fp32",), 52),
    _row("onnxruntime-openvino", OPENVINO, ("fp32",), 53),
)
