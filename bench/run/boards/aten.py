"""The engine `aten-json` over ssh: the files and job sent to a board, and how its results are read."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....models.spec import ModelSpec, is_frame_network
from ...backends import Runnable, get_backend
from ...backends.aten_json import NAME, load, write
from ...measure.input import ring_length
from ...measure.job import Job
from ...measure.verify import Tally
from ...record.case import Case
from ...record.cuda_facts import CudaFacts
from ...record.facts import receptive_field_of
from ...record.record import Engine, Timing, Verification
from .lines import BoardLines
from .measured import Measured, Request

if TYPE_CHECKING:
    from torch import Tensor

# Answers that are compared: beyond the receptive field, where they depend on frames alone; and of a clip network.
FRAMES_BEYOND_FILL = 8
CLIPS = 4


def make_request(job: Job, spec: ModelSpec, net: Any, example: Tensor, folder: Path) -> Request:
    """The file to copy and the job. Raises UserError for a network that the format cannot hold."""
    case = job.case
    file = folder / f"{case.model}-{case.precision}-b{case.batch}.aten.zip"
    if not file.exists():  # another case of this run may have written it
        write(net, example, case.precision, file.with_suffix(".part")).rename(file)
    return Request(
        files={"artefact": file},
        fields={**request_fields(job, spec, net), "engine": "aten-json"},
        read=lambda lines: read(lines, job, spec, net, example, file),
    )


def request_fields(job: Job, spec: ModelSpec, net: Any) -> dict[str, Any]:
    """What a board gets of the case: its inputs, and the answers to be compared."""
    case, frames = job.case, receptive_field_of(net) if is_frame_network(net) else 0
    return {
        "ring_length": ring_length(spec, case.batch),
        "seed": int(case.input.removeprefix("random-")),
        "fill": frames,
        "check": frames + FRAMES_BEYOND_FILL if frames else CLIPS,
        "rows": _rows(spec, case),
        "unified_memory": job.device is not None and job.device.unified_memory,
    }


def _rows(spec: ModelSpec, case: Case) -> list[int]:
    """The rows of a batch that are compared: the first and the last where answers are rows of scores, else all."""
    return sorted({0, case.batch - 1}) if spec.classes is not None else list(range(case.batch))


def local_runnable(job: Job, net: Any, example: Tensor, request: Request) -> Runnable:
    """The same program on this machine, to count its state."""
    return load(request.files["artefact"], job.case.precision)


def read(lines: BoardLines, job: Job, spec: ModelSpec, net: Any, example: Tensor, file: Path) -> Measured:
    """What the board measured, its answers compared with the eager network on this machine in float32."""
    measured = lines.results["measured"]
    cuda = CudaFacts.model_validate(measured["cuda"]) if measured["cuda"] else None
    return Measured(
        timing=Timing.model_validate(measured["timing"]),
        verification=_verify(lines, spec, net, example, job.case),
        engine=Engine(
            name=NAME,
            version=measured["versions"]["torch"],
            provider=f"{cuda.name}, CUDA {cuda.cuda}, cuDNN {cuda.cudnn}" if cuda else "CPU",
            threads=measured["threads"],
            artefact_bytes=file.stat().st_size,
        ),
        versions=measured["versions"],
        environ=measured.get("environ", {}),
        threads=measured["threads"],
        inter_op_threads=measured["inter_op_threads"],
        peak_rss_bytes=measured["peak_rss_bytes"],
        peak_allocated_bytes=cuda.memory.peak_allocated_bytes if cuda and cuda.memory else None,
        cuda=cuda,
        output_sha256=measured["output_sha256"],
        span=tuple(measured["span"]),
        energy_blocks=lines.results.get("energy", {}).get("blocks"),
        allocator=measured["allocator"],
    )


def _verify(lines: BoardLines, spec: ModelSpec, net: Any, example: Tensor, case: Case) -> Verification:
    """Prediction by prediction, on computed inputs: random number generators differ between versions of torch."""
    import torch

    from ....models.outputs import tensors_in
    from ...export.aten.runner import example as made_input

    rows = _rows(spec, case)
    dtype = {"fp16": "float16", "bf16": "bfloat16"}.get(case.precision, "float32")
    row = {"shape": list(example.shape), "dtype": dtype}
    by_frames = is_frame_network(net)
    state = net.initial_state(len(rows)) if by_frames else ()
    tally = Tally()
    with torch.inference_mode():
        for line in lines.answers:
            x = made_input(row, line["index"])[rows].float()
            if by_frames:
                expected, state = net.step(x, state)
            else:
                expected = net(x)
            tally.add([_tensor(row) for row in line["tensors"]], tensors_in(expected))
    what = f"a stream of {tally.compared} frames" if by_frames else f"{tally.compared} inputs"
    tolerance = get_backend(case.backend).tolerance[case.precision]
    found = tally.verification(f"the eager network in fp32 on the host, on {what}", tolerance)
    none = {"passed": False, "relative_error": float("inf"), "cause": "the board sent no answer"}
    return found if tally.compared else found.model_copy(update=none)


def _tensor(row: dict[str, Any]) -> Tensor:
    import torch

    data = bytearray(base64.b64decode(row["data"]))
    return torch.frombuffer(data, dtype=torch.float32).reshape(row["shape"])
