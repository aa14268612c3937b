"""TensorRT by NVIDIA's command line, `trtexec`: for boards whose Python has no TensorRT. Untested on hardware.

The tool builds the engine, times it and tells each call, so it is timed by its own clock and not by ours: what one
prediction takes on the GPU. Neither transfers nor the host are in it, since at each call the tool would move all of the
state to and fro, which a real stream leaves on the device. A step of ours starts the tool once.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...devices import trtexec as tool
from ...models.outputs import tensors_in
from ...models.spec import is_frame_network
from ..errors import UserError
from ..export.entry import Entry, entry
from ..export.precision import TOLERANCE, torch_missing
from ..record.facts import reach
from ..record.record import Engine, Samples, Timing, Verification
from . import Ask, Backend, Outside
from .tensorrt_model import STRONGLY_TYPED, Version, make_tensorrt_model

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..measure.input import Inputs
    from ..measure.passes import Emit, Loaded, Timed

NAME = "trtexec"
FOLDER = Path("/usr/src/tensorrt/bin")  # where JetPack and NVIDIA's Debian packages put it
WARM_UP_S = 1.0
_FLAGS = {"fp16": ("--fp16",), "int8": ("--int8",)}
# Before 8.4 it may take 16 MiB for itself unless it is told otherwise; later, all there is.
_ALL_MEMORY, _WORKSPACE = (8, 4, 0), "--workspace=1024"
_ENGINE, _ONNX, _TIMES, _OUTPUTS = "net.engine", "net.onnx", "times.json", "outputs.json"

# (options, the folder to run in) -> exit code, all it printed
Run = Callable[[Sequence[str], Path], tuple[int, str]]


def prepare(net: nn.Module, example: Tensor, ask: Ask) -> Tool:
    """Export, quantise if asked for, have the engine built. Raises UserError."""
    if why := missing():
        raise UserError(f"{NAME}: {why}")
    return Tool(net, example, ask, run_tool)


class Tool:
    """An engine in a file, and the tool that runs it. The state is kept on the host between steps."""

    def __init__(self, net: nn.Module, example: Tensor, ask: Ask, run: Run) -> None:
        self._run = run
        self._folder = tempfile.TemporaryDirectory(prefix="co3d-bench-")
        self._path = Path(self._folder.name)
        _, printed = run(("--help",), self._path)
        self._version = _told(tool.parse_version, printed)
        model = make_tensorrt_model(net, example, ask, self._version)
        self._made: Entry = model.made
        (self._path / _ONNX).write_bytes(model.onnx)
        printed = self._call("build an engine of", *build_options(ask.precision, self._version))
        (self._path / _ONNX).unlink()
        self._device = tool.parse_device(printed)
        self._notes = ("untested on hardware", "TF32 off", f"timed by {NAME}, on the GPU alone", *model.notes)
        self.reset()

    def _call(self, doing: str, *options: str) -> str:
        code, printed = self._run(options, self._path)
        if code:
            raise UserError(f"{NAME} cannot {doing} this network: {tool.failure(printed)}")
        return printed

    def warm(self, x: Tensor) -> None:
        return None

    def reset(self) -> None:
        self.state: tuple[Tensor, ...] = self._made.state

    def step(self, x: Tensor) -> Any:
        """One start of the tool, with this input and the state as it is."""
        answers, new = self.call(x, self.state)
        fresh = iter(new)
        self.state = tuple(next(fresh) if source is None else self.state[source] for source in self._made.sources)
        return answers[0] if len(answers) == 1 else answers

    def call(self, x: Tensor, state: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """(answers, what is new of the state) for this input and state."""
        import torch

        given = []
        for name, tensor, like in zip(self._made.input_names, (x, *state), self._made.inputs, strict=True):
            tensor.to(like).contiguous().numpy().tofile(self._path / f"{name}.bin")
            given.append(f"{name}:{name}.bin")
        self._call(
            "run",
            f"--loadEngine={_ENGINE}",
            "--iterations=1",
            "--duration=0",
            "--warmUp=0",
            f"--loadInputs={','.join(given)}",
            f"--exportOutput={_OUTPUTS}",
        )
        outputs = _told(tool.parse_outputs, (self._path / _OUTPUTS).read_text())
        if lost := set(self._made.output_names) - set(outputs):
            raise UserError(f"{NAME} gave no output {', '.join(sorted(lost))}; please report this network")
        tensors = []
        for name in self._made.output_names:
            shape, values = outputs[name]
            tensors.append(torch.tensor(values).reshape(shape))
        return tuple(tensors[: self._made.answers]), tuple(tensors[self._made.answers :])

    def time(self, runs: int) -> tuple[tool.Query, ...]:
        """So many timed calls after the warm-up, and those of the warm-up before them."""
        self._call(
            "time",
            f"--loadEngine={_ENGINE}",
            f"--iterations={runs}",
            "--duration=0",
            f"--warmUp={1000 * WARM_UP_S:.0f}",
            "--noDataTransfers",
            "--useSpinWait",
            f"--exportTimes={_TIMES}",
        )
        return _told(tool.parse_times, (self._path / _TIMES).read_text())

    def synchronize(self) -> None:
        return None

    def state_tensors(self) -> tuple[Tensor, ...]:
        return self.state

    def engine(self) -> Engine:
        return Engine(
            name=f"TensorRT, {NAME}",
            version=".".join(map(str, self._version)),
            provider=self._device,
            artefact_bytes=(self._path / _ENGINE).stat().st_size,
            notes=self._notes,
        )


def build_options(precision: str, version: Version) -> tuple[str, ...]:
    """How it is told to build the engine and to leave it in a file.

    It times what it built in any case; one call is the least. The option that leaves even that away has two names.
    """
    return (
        f"--onnx={_ONNX}",
        f"--saveEngine={_ENGINE}",
        "--noTF32",
        *(_FLAGS.get(precision, ()) if version < STRONGLY_TYPED else ()),
        *(("--stronglyTyped",) if (10, 0, 0) <= version < (11, 0, 0) else ()),
        *((_WORKSPACE,) if version < _ALL_MEMORY else ()),
        "--iterations=1",
        "--duration=0",
        "--warmUp=0",
    )


def timing_pass(loaded: Loaded, ask: Ask, inputs: Inputs, runs: int, emit: Emit) -> Timed:
    """Build, then have the tool time itself; see `bench/measure/passes.py` for what is timed by us."""
    from ..measure.job import Event, phase_event
    from ..measure.passes import Timed

    start = time.perf_counter()
    runnable = prepare(loaded.net, inputs.ring[0], ask)
    prepare_s = time.perf_counter() - start
    emit(phase_event("sampling", 0, runs))
    start, own = time.perf_counter(), time.process_time()
    queries = runnable.time(runs)
    share = (time.process_time() - own) / (time.perf_counter() - start)
    emit(Event(event="sampled"))
    timing = make_timing(queries, runs, load_s=loaded.seconds, prepare_s=prepare_s, harness_cpu_share=share)
    peak = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return Timed(loaded.net, runnable, timing, peak, None)


def make_timing(
    queries: Sequence[tool.Query], runs: int, *, load_s: float, prepare_s: float, harness_cpu_share: float
) -> Timing:
    """The tool's calls as ours are kept. Raises UserError where it timed fewer than it was asked for."""
    timed = tool.after_warm_up(queries, WARM_UP_S)[:runs]
    if len(timed) < runs:
        raise UserError(f"{NAME} timed {len(timed)} of {runs} predictions")
    return Timing(
        load_s=load_s,
        prepare_s=prepare_s,
        first_prediction_s=queries[0].compute_s,
        warmup_predictions=len(queries) - len(tool.after_warm_up(queries, WARM_UP_S)),
        warmup_s=WARM_UP_S,
        samples=Samples(latency_s=[query.compute_s for query in timed]),
        sampling_wall_s=timed[-1].end_s - timed[0].start_s,
        harness_cpu_share=harness_cpu_share,
    )


def verify_step(runnable: Tool, net: Any, example: Tensor, tolerance: float) -> Verification:
    """One prediction against the eager network in float32, and all that is new of the state.

    A frame network is in mid-stream: its receptive field is stepped through by PyTorch, batch norm folded, whose state
    is the one that the tool's engine has.
    """
    import torch

    from ..measure.verify import SEED, relative_error

    generator = torch.Generator().manual_seed(SEED)
    frames = is_frame_network(net)
    inputs = [torch.randn(example.shape, generator=generator) for _ in range(reach(net) + 1 if frames else 1)]
    folded = entry(net, example, plain=True, moves=False)
    state, before, answer = folded.state, folded.state, None
    streamed = net.initial_state(len(example)) if frames else ()
    new: tuple[Tensor, ...] = ()
    for x in inputs:
        before = state
        outputs = folded.module(x, *before)
        new = outputs[folded.answers :]
        fresh = iter(new)
        state = tuple(next(fresh) if source is None else before[source] for source in folded.sources)
        if frames:
            answer, streamed = net.step(x, streamed)
        else:
            answer = net(x)
    given, made = runnable.call(inputs[-1], before)
    pairs = zip((*given, *made), (*tensors_in(answer), *new), strict=True)
    worst = max(relative_error(ours, want) for ours, want in pairs)
    mid_stream = "one step of the eager network in fp32, in mid-stream, and its new state"
    return Verification(
        reference=mid_stream if frames else "the eager network in fp32 on 1 input",
        relative_error=worst,
        tolerance=tolerance,
        passed=worst <= tolerance,
        compared=1,
    )


def run_tool(options: Sequence[str], folder: Path) -> tuple[int, str]:
    """The real one. No shell stands between, and what it prints is kept in its order."""
    done = subprocess.run(  # noqa: S603 - names of ours alone
        [str(find_tool()), *options],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout


def find_tool() -> Path | None:
    """On the PATH, else where packages put it without telling the PATH."""
    if found := shutil.which(NAME):
        return Path(found)
    there = FOLDER / NAME
    return there if os.access(there, os.X_OK) else None


def missing() -> str | None:
    if why := torch_missing():
        return why
    # int8 models are made by ONNX Runtime's quantiser.
    for module in ("onnx", "onnxscript", "onnxruntime"):
        if importlib.util.find_spec(module) is None:
            return f"the package {module} is not installed: pip install 'co3d-bench[onnx]'"
    if find_tool() is None:
        return (
            f"{NAME} is neither on the PATH nor in {FOLDER}: it comes with JetPack, "
            "and with NVIDIA's packages of TensorRT (apt install libnvinfer-bin)"
        )
    return None


def _told(read: Callable[[str], Any], text: str) -> Any:
    """What the tool wrote, read. Raises UserError for what is not its output."""
    try:
        return read(text)
    except tool.TrtexecError as error:
        raise UserError(f"{NAME}: {error}") from error


BACKEND = Backend(
    name=NAME,
    title="TensorRT by trtexec (untested on hardware)",
    prepare=prepare,
    here={"cuda": ("fp32", "fp16", "int8")},
    on_board={"cuda": ("fp32", "fp16")},  # bench/run/boards/trtexec.py
    tolerance=TOLERANCE,
    in_torch=False,
    missing=missing,
    outside=Outside(timing_pass, verify_step),
    order=71,
)
