"""A case by TensorRT's own tool, trtexec: what it is told, and how what it says is read. Untested on hardware.

It is run twice. Once it builds the engine and answers to inputs that we chose: of a frame network a frame in mid-stream
and the state before it, so that one answer is held to the reference with everything filled. Then the engine is timed
without copies between host and device, for the state of a camera's network stays on the device.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....devices import trtexec as tool
from ....models.outputs import tensors_in
from ....models.spec import ModelSpec, is_frame_network
from ...backends import PLAIN, Runnable, get_backend
from ...backends.eager import runnable
from ...errors import UserError
from ...export.entry import SCORES, Entry, entry
from ...measure.job import Job
from ...measure.verify import SEED, Tally
from ...record.facts import reach
from ...record.record import Engine, Samples, Timing, Verification
from .heard import Heard
from .measured import Asked, Measured

if TYPE_CHECKING:
    from torch import Tensor

OPSET = 13  # what TensorRT 8.0 and 8.2 read, the last ones of JetPack 4
WARM_UP_MS = 2000
WORKSPACE_MIB = 1024
_SUMMARY = re.compile(r"\] (Throughput|Latency|GPU Compute Time|Total Host Walltime): (.+)$", re.MULTILINE)


def ask(job: Job, spec: ModelSpec, net: Any, example: Tensor, folder: Path) -> Asked:
    """The ONNX file, the inputs of one prediction, and the words of both runs. Raises UserError."""
    from ...export import Options, get_format

    format, case = get_format("onnx"), job.case
    if lacks := format.missing():
        raise UserError(f"trtexec: {lacks}")
    file = folder / f"{case.model}-b{case.batch}.onnx"
    if not file.exists():  # another case of this run may have written it
        format.write(net, example, file, Options(opset=OPSET))
    made = entry(net, example, plain=True)
    inputs = dict(zip(made.input_names, _inputs(net, made, example), strict=True))
    packed = folder / f"{case.model}-b{case.batch}.inputs"
    packed.write_bytes(b"".join(map(_bytes, inputs.values())))
    return Asked(
        files={"artefact": file, "inputs": packed},
        fields={
            "engine": "trtexec",
            "input_bytes": [[name, len(_bytes(tensor))] for name, tensor in inputs.items()],
            "scores": [name for name in made.output_names if name.startswith(SCORES)],
            "commands": commands(tuple(inputs), case.precision, job.settings.runs),
        },
    )


def commands(inputs: Sequence[str], precision: str, runs: int) -> list[dict[str, Any]]:
    """Both runs, each word as a list of spellings, of which the board takes the first that its trtexec knows.

    `{model}` and `{folder}` are filled in over there.
    """
    build = (
        "--onnx={model}",
        "--saveEngine={folder}/engine",
        (f"--memPoolSize=workspace:{WORKSPACE_MIB}", f"--workspace={WORKSPACE_MIB}"),  # the first is TensorRT 8.4's
        "--fp16" if precision == "fp16" else "--noTF32",
        "--loadInputs=" + ",".join(f"{name}:{{folder}}/{name}.bin" for name in inputs),
        "--exportOutput={folder}/outputs.json",
        *("--iterations=1", "--duration=0", "--warmUp=0"),
    )
    time = (
        "--loadEngine={folder}/engine",
        "--noDataTransfers",
        "--exportTimes={folder}/times.json",
        *(f"--iterations={runs}", "--duration=0", f"--warmUp={WARM_UP_MS}"),
    )
    return [
        {"phase": phase, "words": [[word] if isinstance(word, str) else list(word) for word in words]}
        for phase, words in (("building the engine", build), ("sampling", time))
    ]


def played(job: Job, net: Any, example: Tensor, asked: Asked) -> Runnable:
    """The network called here: what it carries from frame to frame is the same."""
    return runnable(net, example, PLAIN)


def read(heard: Heard, job: Job, spec: ModelSpec, net: Any, example: Tensor, asked: Asked) -> Measured:
    """What trtexec wrote, its one answer held to the eager network of this machine. Raises UserError."""
    told = heard.results["trtexec"]
    for run in told["runs"]:
        if run["returncode"]:
            raise UserError(f"trtexec ended with exit code {run['returncode']}: {tool.failure(run['output'])}")
    built, timed = told["runs"]
    number = version(built["output"])
    said = summary(timed["output"])
    return Measured(
        timing=timing(json.loads(told["times"] or "[]"), job.settings.runs, built["seconds"], timed["seconds"]),
        verification=_verify(told["scores"], job, net, example),
        engine=Engine(
            name="TensorRT (trtexec)",
            version=number or "unknown",
            provider="CUDA",
            artefact_bytes=told["engine_bytes"],
            notes=(
                "the latency is GPU compute time: no copies between host and device are in it",
                *(f"trtexec's own summary: {name}: {text}" for name, text in said.items()),
            ),
        ),
        versions={**told["versions"], "tensorrt": number},
        affinity=tuple(told["affinity"]),
        peak_rss_bytes=told["peak_rss_bytes"],
    )


def timing(trace: Sequence[Mapping[str, float]], runs: int, build_s: float, run_s: float) -> Timing:
    """What `--exportTimes` wrote: the last `runs` queries are the samples, those before them its warm-up.

    Raises UserError where there are too few.
    """
    if len(trace) <= runs:
        raise UserError(f"trtexec wrote the times of {len(trace)} queries, {runs} and a warm-up were asked for")
    warm, timed = trace[:-runs], trace[-runs:]
    wall_s = (timed[-1]["endComputeMs"] - timed[0]["startComputeMs"]) / 1e3
    warm_s = (warm[-1]["endComputeMs"] - warm[0]["startComputeMs"]) / 1e3
    return Timing(
        load_s=max(0.0, run_s - wall_s - warm_s),
        prepare_s=build_s,
        first_prediction_s=warm[0]["computeMs"] / 1e3,
        warmup_predictions=len(warm),
        warmup_s=warm_s,
        samples=Samples(latency_s=[query["computeMs"] / 1e3 for query in timed]),
        sampling_wall_s=wall_s,
        harness_cpu_share=0.0,
    )


def version(output: str) -> str | None:
    """TensorRT's version as its tool tells it, e.g. 8.2.1; None where it does not."""
    try:
        return ".".join(map(str, tool.parse_version(output)))
    except tool.TrtexecError:
        return None


def summary(output: str) -> dict[str, str]:
    """The lines of the performance summary, in their own words and units."""
    return {name: text.strip() for name, text in _SUMMARY.findall(output.partition("=== Performance summary ===")[2])}


def _inputs(net: Any, made: Entry, example: Tensor) -> tuple[Tensor, ...]:
    """A random clip; or a random frame, and the state that a stream has left before it."""
    import torch

    frames = _frames(net, example)
    state = made.state
    with torch.no_grad():
        for frame in frames[:-1]:
            state = made.module(frame, *state)[made.answers :]
    return (frames[-1], *state)


def _frames(net: Any, example: Tensor) -> list[Tensor]:
    import torch

    generator = torch.Generator().manual_seed(SEED)
    count = reach(net) if is_frame_network(net) else 1
    return [torch.randn(example.shape, generator=generator) for _ in range(count)]


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().float().contiguous().numpy().tobytes()


def _verify(scores: Sequence[str | None], job: Job, net: Any, example: Tensor) -> Verification:
    import torch

    tally = Tally()
    frames = _frames(net, example)
    with torch.no_grad():
        if is_frame_network(net):
            expected, state = None, net.initial_state(len(example))
            for frame in frames:
                expected, state = net.step(frame, state)
        else:
            expected = net(frames[-1])
    wanted = tensors_in(expected)
    given = [torch.tensor(json.loads(text or "[]"), dtype=torch.float32) for text in scores]
    tally.add([a.reshape(b.shape) if a.numel() == b.numel() else a for a, b in zip(given, wanted, strict=True)], wanted)
    what = f"frame {len(frames)} of a stream" if is_frame_network(net) else "one input"
    return tally.verification(
        f"the eager network in fp32 of the machine that sent it there, on {what}",
        get_backend(job.case.backend).tolerance[job.case.precision],
    )
