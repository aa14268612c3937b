"""TensorRT by NVIDIA's command line, `trtexec`: for boards whose Python has no TensorRT. Untested on hardware.

The tool is started three times: it builds the engine, answers to inputs that we chose, and is timed. So it is timed by
its own clock and not by ours: what one prediction takes on the GPU. Neither transfers nor the host are in it, since at
each call the tool would move all of the state to and fro, which a real stream leaves on the device.

What it is asked (`make_session`) and how its output is read (`read_session`) is the same on this machine and on a
board; between the two it is started here (`measure`), or over there (`bench/run/boards/trtexec.py`).
"""

from __future__ import annotations

import importlib.util
import math
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...models.outputs import tensors_in
from ...models.spec import is_frame_network
from ..errors import UserError
from ..export.entry import make_entry
from ..export.precision import TOLERANCE, torch_missing
from ..record.facts import receptive_field_of
from ..record.record import Engine, Samples, Settings, Timing
from . import Answers, Ask, Backend, ExternalResult, Runnable, trtexec_tool
from . import trtexec_output as output
from .tensorrt_model import STRONGLY_TYPED, Model, Version, make_tensorrt_model
from .trtexec_tool import ENGINE, FIRST, FOLDER, MODEL, NAME, OUTPUTS, TIMES, find_tool

if TYPE_CHECKING:
    from torch import Tensor, nn

WARM_UP_S = 2.0
_ONCE = ("--iterations=1", "--duration=0", "--warmUp=0")
_FLAGS = {"fp16": ("--fp16",), "int8": ("--int8",)}
# What a failed call could not do.
_DOING = ("build an engine of", "run", "time")


@dataclass(frozen=True)
class Session:
    """The tool's work on one network, and the tensors that its answer is compared with."""

    model: Model
    version: Version
    calls: tuple[tuple[str, tuple[str, ...]], ...]  # of each start of the tool the phase, and the options
    inputs: tuple[Tensor, ...]  # of the prediction that it answers to: a clip; or a frame, and the state before it
    expected: tuple[Tensor, ...] = ()  # its answer, and all that is new of the state; nothing if not to be verified
    reference: str = ""

    def files(self) -> tuple[dict[str, bytes], dict[str, Any]]:
        """The files that `trtexec_tool.run` reads, by the name of the field that names them; and its other fields."""
        tensors = zip(self.inputs, self.model.entry.inputs, strict=True)
        packed = [tensor.to(like).contiguous().numpy().tobytes() for tensor, like in tensors]
        sizes = [[name, len(data)] for name, data in zip(self.model.entry.input_names, packed, strict=True)]
        files = {"model": self.model.onnx, "inputs": b"".join(packed)}
        return files, {"input_bytes": sizes, "calls": [[phase, list(options)] for phase, options in self.calls]}


def make_session(
    net: nn.Module, ring: Sequence[Tensor], ask: Ask, settings: Settings, help_text: str, *, verify: bool
) -> Session:
    """Export, quantise if asked for, and choose the options by what the tool prints for `--help`. Raises UserError."""
    version, known = output.parse_version(help_text), output.parse_options(help_text)
    model = make_tensorrt_model(net, ring[0], ask, version)
    entry = model.entry
    calls = (
        ("building the engine", build_options(ask.precision, version, known)),
        ("first prediction", answer_options(entry.input_names)),
        ("sampling", time_options(settings, known)),
    )
    if not verify:
        return Session(model, version, calls, (ring[0], *entry.state))
    inputs, expected = _prediction(net, ring)
    mid_stream = "one step of the eager network in fp32, in mid-stream, and its new state"
    reference = mid_stream if is_frame_network(net) else "the eager network in fp32 on 1 input"
    return Session(model, version, calls, inputs, expected, reference)


def build_options(precision: str, version: Version, known: Collection[str]) -> tuple[str, ...]:
    """The options that build the engine and write it to a file.

    It times what it built in any case; one call is the least. The option that omits even that has two names.
    """
    return (
        f"--onnx={MODEL}",
        f"--saveEngine={ENGINE}",
        "--noTF32",
        *(_FLAGS.get(precision, ()) if version < STRONGLY_TYPED else ()),
        *(("--stronglyTyped",) if version >= STRONGLY_TYPED and "--stronglyTyped" in known else ()),
        # Before 8.4 it may take 16 MiB for itself unless it is given more; later, all there is.
        *(("--workspace=1024",) if "--memPoolSize" not in known else ()),
        *_ONCE,
    )


def answer_options(inputs: Sequence[str]) -> tuple[str, ...]:
    """The options of one prediction from files, the first of its process."""
    files = ",".join(f"{name}:{name}.bin" for name in inputs)
    return (
        f"--loadEngine={ENGINE}",
        f"--loadInputs={files}",
        f"--exportOutput={OUTPUTS}",
        f"--exportTimes={FIRST}",
        *_ONCE,
    )


def time_options(settings: Settings, known: Collection[str]) -> tuple[str, ...]:
    """The options of the timed predictions after the warm-up: how many, and how long.

    Without transfers, without a CUDA graph, and the host spins while it waits: newer versions do some of it by
    themselves, and have an option only for the contrary.
    """
    ways = ("--noDataTransfers", "--useSpinWait", "--noCudaGraph")
    return (
        f"--loadEngine={ENGINE}",
        f"--iterations={settings.runs}",
        f"--duration={math.ceil(settings.min_s)}",
        f"--warmUp={1000 * WARM_UP_S:.0f}",
        *(way for way in ways if way in known),
        f"--exportTimes={TIMES}",
    )


def _prediction(net: Any, ring: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """(inputs, what they give) of one prediction of the eager network in float32; all that is new of the state as well.

    A frame network is in mid-stream: its receptive field is stepped through by PyTorch, batch norm folded, whose state
    is the one that the tool's engine has.
    """
    import torch

    frames = is_frame_network(net)
    folded = make_entry(net, ring[0], plain=True, moves=False)
    state, before, answer = folded.state, folded.state, None
    streamed = net.initial_state(len(ring[0])) if frames else ()
    new: tuple[Tensor, ...] = ()
    x = ring[0]
    with torch.no_grad():
        for index in range(receptive_field_of(net) + 1 if frames else 1):
            x, before = ring[index % len(ring)], state
            new = folded.module(x, *before)[folded.answers :]
            fresh = iter(new)
            state = tuple(next(fresh) if source is None else before[source] for source in folded.sources)
            if frames:
                answer, streamed = net.step(x, streamed)
            else:
                answer = net(x)
    return (x, *before), (*tensors_in(answer), *new)


def measure(
    net: nn.Module,
    ring: Sequence[Tensor],
    ask: Ask,
    settings: Settings,
    report: Callable[[str], None],
    *,
    verify: bool,
) -> ExternalResult:
    """A session on this machine. Raises UserError."""
    if why := missing():
        raise UserError(f"{NAME}: {why}")
    answer: list[str] = []

    def emit(event: str, **fields: str) -> None:
        if event == "phase":
            report(fields["phase"])
        else:
            answer.append(fields["text"])

    with tempfile.TemporaryDirectory(prefix="co3d-bench-") as name:
        folder, sent = Path(name), Path(name, "sent")
        sent.mkdir()
        report("exporting")
        help_text = trtexec_tool.start(["--help"], folder)["output"]
        session = make_session(net, ring, ask, settings, help_text, verify=verify)
        files, job = session.files()
        for field, data in files.items():
            (sent / field).write_bytes(data)
        done = trtexec_tool.run({**job, **{field: field for field in files}}, sent, folder, emit)
    result = read_session(session, settings, done)
    return replace(result, answers=read_answers(session, "".join(answer))) if verify else result


def read_session(session: Session, settings: Settings, done: Mapping[str, Any]) -> ExternalResult:
    """The result of a session, from what `trtexec_tool.run` returned.

    Raises UserError where the tool failed, or timed fewer predictions than it was asked for.
    """
    for doing, call in zip(_DOING, done["calls"], strict=False):  # those behind one that failed are not there
        if code := call["returncode"]:
            why = output.failure(call["output"])
            raise UserError(f"{NAME} cannot {doing} this network: {why} (exit code {code})")
    built, _, timed = done["calls"]
    return ExternalResult(
        timing=make_timing(done["first"], done["times"], timed, settings.runs, built["seconds"]),
        engine=Engine(
            name=f"TensorRT, {NAME}",
            version=".".join(map(str, session.version)),
            provider=output.parse_device(built["output"]),
            artefact_bytes=done["engine_bytes"],
            notes=(
                "untested on hardware",
                f"timed by {NAME}, on the GPU alone: {' '.join(session.calls[-1][1])}",
                "TF32 off",
                *session.model.notes,
                *(f"{NAME}'s own summary: {line}" for line in output.summary_lines(timed["output"])),
            ),
        ),
        peak_rss_bytes=timed["peak_rss_bytes"],
    )


def make_timing(first: str, times: str, timed: Mapping[str, Any], runs: int, build_s: float) -> Timing:
    """The tool's calls as ours are kept: all that it made after its warm-up, which are a few more than `runs`.

    Loading is what its process took before it began to predict. Raises UserError where it timed fewer.
    """
    queries = output.parse_times(times, WARM_UP_S)
    if len(queries) < max(1, runs):
        raise UserError(f"{NAME} timed {len(queries)} of {runs} predictions")
    (cold, *_) = output.parse_times(first) or (None,)
    if cold is None:
        raise UserError(f"{NAME} did not time its first prediction")
    return Timing(
        load_s=max(0.0, timed["seconds"] - queries[-1].end_s),
        prepare_s=build_s,
        first_prediction_s=cold.compute_s,
        warmup_predictions=output.parse_warm_up(timed["output"]),
        warmup_s=WARM_UP_S,
        samples=Samples(latency_s=[query.compute_s for query in queries]),
        sampling_wall_s=queries[-1].end_s - queries[0].start_s,
        harness_cpu_share=timed["harness_cpu_s"] / timed["seconds"],
    )


def read_answers(session: Session, text: str) -> Answers:
    """The one prediction that it computed. Raises UserError where it lacks an output."""
    import torch

    outputs, names = output.parse_outputs(text), session.model.entry.output_names
    if lost := set(names) - set(outputs):
        raise UserError(f"{NAME} gave no output {', '.join(sorted(lost))}; please report this network")
    shaped = (outputs[name] for name in names)
    given = tuple(torch.tensor(values).reshape(shape) for shape, values in shaped)
    return Answers(given, session.expected, session.reference)


def prepare(net: nn.Module, example: Tensor, ask: Ask) -> Runnable:
    """Raises UserError: there are no single calls."""
    raise UserError(f"{NAME} is an external engine, timed by its own tool: `co3d-bench run` measures it, and no more")


def missing() -> str | None:
    if why := export_missing():
        return why
    if find_tool() is None:
        return (
            f"{NAME} is neither on the PATH nor in {FOLDER}: it comes with JetPack, "
            "and with NVIDIA's packages of TensorRT (apt install libnvinfer-bin)"
        )
    return None


def export_missing() -> str | None:
    """What is missing here to write the model, wherever it will run."""
    if why := torch_missing():
        return why
    # int8 models are made by ONNX Runtime's quantiser.
    for module in ("onnx", "onnxscript", "onnxruntime"):
        if importlib.util.find_spec(module) is None:
            return f"the package {module} is not installed: pip install onnx onnxscript onnxruntime"
    return None


BACKEND = Backend(
    name=NAME,
    title="TensorRT by trtexec (untested on hardware)",
    prepare=prepare,
    here={"cuda": ("fp32", "fp16", "int8")},
    on_board={"cuda": ("fp32", "fp16")},  # bench/run/boards/trtexec.py
    tolerance=TOLERANCE,
    in_torch=False,
    missing=missing,
    external=measure,
    order=71,
)
