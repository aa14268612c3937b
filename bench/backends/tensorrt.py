"""TensorRT by its own Python API, from the ONNX model. Untested on hardware.

Written against NVIDIA's documentation of the API (8.5 to 11) and tested with a stand-in for it: no machine with CUDA
was at hand. State lies in buffers on the device that the engine reads and writes in place; what only moves up changes
its name (`bench/export/state_buffers.py`).
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import UserError
from ..export.entry import Entry
from ..export.precision import TOLERANCE
from ..export.state_buffers import StateBuffers
from ..record.record import Engine
from . import Ask, Backend, Runnable
from .tensorrt_model import STRONGLY_TYPED, Version, make_tensorrt_model

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

INSTALL = "pip install onnx onnxscript onnxruntime tensorrt"
OLDEST = (8, 5, 0)  # tensors by name, and execute_async_v3
_UNFLAGGED = (11, 0, 0)  # since then there are neither flags of precision nor questions what is fast
# precision -> the builder's flag, and its word for whether this GPU computes so
_PRECISIONS = {"fp16": ("FP16", "platform_has_fast_fp16"), "int8": ("INT8", "platform_has_fast_int8")}


class Queue(Protocol):
    """A stream of the device: calls within its context are queued on it."""

    handle: int

    def __enter__(self) -> object: ...

    def __exit__(self, *_: object) -> None: ...

    def synchronize(self) -> None: ...


def prepare(net: nn.Module, example: Tensor, ask: Ask) -> Runnable:
    """Export, quantise if asked for, build an engine on the first CUDA device, TF32 off."""
    import torch

    if why := missing():
        raise UserError(f"tensorrt: {why}")
    trt: Any = importlib.import_module("tensorrt")
    if not torch.cuda.is_available():
        raise UserError(f"tensorrt: torch {torch.__version__} sees no CUDA device; install a build of torch for CUDA")
    version = version_of(trt)
    model = make_tensorrt_model(net, example, ask, version)
    log = _Log(trt)
    plan = build(trt, log, model.onnx, ask.precision, version)
    engine = Engine(
        name="TensorRT",
        version=trt.__version__,
        provider=torch.cuda.get_device_name(),
        artefact_bytes=len(plan),
        notes=("untested on hardware", "TF32 off", f"CUDA {torch.version.cuda}", *model.notes),
    )
    return BoundContext(trt, load(trt, log, plan), model.entry, CudaQueue(), "cuda", engine)


def version_of(trt: Any) -> Version:
    """The version. Raises UserError for one that is too old."""
    numbers = [int(part) for part in trt.__version__.split(".")[:3] if part.isdigit()]
    major, minor, patch = (*numbers, 0, 0, 0)[:3]
    if (major, minor, patch) < OLDEST:
        raise UserError(
            f"tensorrt: version {trt.__version__} has no execute_async_v3, which came with 8.5; "
            "use the backend trtexec, or a newer TensorRT"
        )
    return major, minor, patch


def build(trt: Any, log: _Log, onnx: bytes, precision: str, version: Version) -> bytes:
    """The serialized engine. Raises UserError with the operator that TensorRT does not know."""
    builder = trt.Builder(log.logger)
    flag, is_fast = _PRECISIONS.get(precision, (None, None))
    if is_fast and version < _UNFLAGGED and not getattr(builder, is_fast):
        raise UserError(f"tensorrt: this GPU does not compute in {precision}; choose another precision")
    network = builder.create_network(_network_flags(trt, version))
    parser = trt.OnnxParser(network, log.logger)
    if not parser.parse(onnx):
        raise UserError(f"TensorRT {trt.__version__} cannot read this network: {_parser_error(parser)}")
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    if flag and version < STRONGLY_TYPED:
        config.set_flag(getattr(trt.BuilderFlag, flag))
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise UserError(f"TensorRT {trt.__version__} cannot build an engine of this network: {log.last_error()}")
    return bytes(plan)


def _network_flags(trt: Any, version: Version) -> int:
    if version >= _UNFLAGGED:
        return 0
    flags = trt.NetworkDefinitionCreationFlag
    return 1 << int(flags.STRONGLY_TYPED if version >= STRONGLY_TYPED else flags.EXPLICIT_BATCH)


def _parser_error(parser: Any) -> str:
    if not parser.num_errors:
        return "its parser gives no reason"
    error = parser.get_error(0)
    # The operator has a method since 10; before, it may be in the description.
    operator = error.node_operator() if hasattr(error, "node_operator") else ""
    reason = f"{error.desc()} (node {error.node()})".replace("\n", " ")
    return f"{operator}: {reason}" if operator else reason


def load(trt: Any, log: _Log, plan: bytes) -> Any:
    """The engine, ready on the device. Raises UserError."""
    engine = trt.Runtime(log.logger).deserialize_cuda_engine(plan)
    if engine is None:
        raise UserError(f"TensorRT {trt.__version__} cannot load the engine that it built: {log.last_error()}")
    return engine


class BoundContext:
    """An execution context whose inputs and outputs are our own memory. An answer is complete after `synchronize`."""

    def __init__(self, trt: Any, engine: Any, entry: Entry, queue: Queue, device: str, facts: Engine) -> None:
        import torch

        self._queue, self._facts = queue, facts
        there = _tensors(trt, engine)
        new = [tensor for tensor, source in zip(entry.state, entry.sources, strict=True) if source is None]
        _agree(there, dict(zip(entry.input_names, entry.inputs, strict=True)))
        _agree(there, dict(zip(entry.output_names[entry.answers :], new, strict=True)))
        if lost := {entry.input_names[0], *entry.output_names} - set(there):
            raise UserError(f"TensorRT built an engine without {', '.join(sorted(lost))}; please report this network")
        context = engine.create_execution_context()
        if context is None:
            raise UserError("TensorRT has no memory for a context of this engine; choose a smaller batch")
        self._engine, self._context = engine, context  # the context needs the engine to live
        self._x = torch.empty_like(entry.inputs[0], device=device, memory_format=torch.contiguous_format)
        self._answers = tuple(
            torch.empty(there[name][0], dtype=there[name][1], device=device)
            for name in entry.output_names[: entry.answers]
        )
        self._state_names = entry.input_names[1:]
        self._unread = set(self._state_names) - set(there)  # what only moves up, the engine may have dropped
        self._new_names = entry.output_names[entry.answers :]
        self._buffers = StateBuffers(
            [tensor.to(device) for tensor in entry.state], entry.sources, lambda t: t.data_ptr()
        )
        self._bind(entry.input_names[0], self._x.data_ptr())
        for name, answer in zip(entry.output_names, self._answers, strict=False):
            self._bind(name, answer.data_ptr())

    def _bind(self, name: str, address: int) -> None:
        if not self._context.set_tensor_address(name, address):
            raise RuntimeError(f"TensorRT did not take the address of {name}")

    def warm(self, x: Tensor) -> None:
        return None

    def reset(self) -> None:
        with self._queue:
            self._buffers.reset()

    def step(self, x: Tensor) -> Any:
        with self._queue:
            self._x.copy_(x, non_blocking=True)
            for name, address in zip(self._state_names, self._buffers.inputs, strict=True):
                if name not in self._unread:
                    self._bind(name, address)
            for name, address in zip(self._new_names, self._buffers.outputs, strict=True):
                self._bind(name, address)
            if not self._context.execute_async_v3(stream_handle=self._queue.handle):
                raise RuntimeError("TensorRT did not start the prediction")
            self._buffers.advance()
            answers = tuple(answer.clone() for answer in self._answers)  # ours is written again at the next step
        return answers[0] if len(answers) == 1 else answers

    def synchronize(self) -> None:
        self._queue.synchronize()

    def state_tensors(self) -> tuple[Tensor, ...]:
        return self._buffers.tensors

    def engine(self) -> Engine:
        return self._facts


def _tensors(trt: Any, engine: Any) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Shape and type of the engine's inputs and outputs, by name. Raises UserError for types that we do not use."""
    import torch

    types = {trt.DataType.FLOAT: torch.float32, trt.DataType.HALF: torch.float16}
    there = {}
    for name in map(engine.get_tensor_name, range(engine.num_io_tensors)):
        given = engine.get_tensor_dtype(name)
        if given not in types:
            raise UserError(f"TensorRT built an engine whose {name} is {given}, and this backend has no such memory")
        there[name] = tuple(engine.get_tensor_shape(name)), types[given]
    return there


def _agree(there: dict[str, tuple[tuple[int, ...], torch.dtype]], wanted: dict[str, Tensor]) -> None:
    """Raises UserError unless shapes and types agree: memory is passed by address alone."""
    for name, tensor in wanted.items():
        ours = tuple(tensor.shape), tensor.dtype
        if name in there and there[name] != ours:
            raise UserError(f"TensorRT built an engine whose {name} is {there[name]}, where the network has {ours}")


class CudaQueue:
    """A stream of our own: on the default one TensorRT waits for the whole device."""

    def __init__(self) -> None:
        import torch

        self._stream = torch.cuda.Stream()
        self._within = torch.cuda.stream(self._stream)
        self.handle: int = self._stream.cuda_stream

    def __enter__(self) -> None:
        import torch

        self._stream.wait_stream(torch.cuda.current_stream())  # the input may still be on its way
        self._within.__enter__()

    def __exit__(self, *caught: Any) -> None:
        self._within.__exit__(*caught)

    def synchronize(self) -> None:
        self._stream.synchronize()


class _Log:
    """A logger that keeps TensorRT's last error instead of printing it."""

    def __init__(self, trt: Any) -> None:
        errors: list[str] = []
        grave = (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR)

        class Logger(trt.ILogger):
            def __init__(self) -> None:
                trt.ILogger.__init__(self)

            def log(self, severity: Any, msg: str) -> None:
                if severity in grave:
                    errors.append(msg)

        self._errors = errors
        self.logger = Logger()

    def last_error(self) -> str:
        return self._errors[-1].replace("\n", " ") if self._errors else "it gives no reason"


def missing() -> str | None:
    """What is not installed, with the command. Whether there is a GPU takes importing torch, and is asked later."""
    # int8 models are made by ONNX Runtime's quantiser.
    for module in ("torch", "onnx", "onnxscript", "onnxruntime", "tensorrt"):
        if importlib.util.find_spec(module) is None:
            return f"the package {module} is not installed: {INSTALL}"
    return None


BACKEND = Backend(
    name="tensorrt",
    title="TensorRT (untested on hardware)",
    prepare=prepare,
    here={"cuda": ("fp32", "fp16", "int8")},
    tolerance=TOLERANCE,
    in_torch=False,
    own_stream=True,
    missing=missing,
    order=70,
)
