"""A case by the runner of `bench/export/aten`: what is copied, what the board is asked, and what its answers mean."""

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
from .heard import Heard
from .measured import Asked, Measured

if TYPE_CHECKING:
    from torch import Tensor

# Answers beyond the receptive field, which rest on frames alone; and answers of a clip network.
STEADY_FRAMES = 8
CLIPS = 4


def ask(job: Job, spec: ModelSpec, net: Any, example: Tensor, folder: Path) -> Asked:
    """The file to copy and the job. Raises UserError for a network that the form cannot hold."""
    case = job.case
    file = folder / f"{case.model}-{case.precision}-b{case.batch}.aten.zip"
    if not file.exists():  # another case of this run may have written it
        write(net, example, case.precision, file.with_suffix(".part")).rename(file)
    frames = receptive_field_of(net) if is_frame_network(net) else 0
    return Asked(
        files={"artefact": file},
        fields={
            "engine": "aten-json",
            "ring_length": ring_length(spec, case.batch),
            "seed": int(case.input.removeprefix("random-")),
            "fill": frames,
            "check": frames + STEADY_FRAMES if frames else CLIPS,
            "rows": _rows(spec, case),
            "unified_memory": job.device is not None and job.device.unified_memory,
        },
        read=lambda heard: read(heard, job, spec, net, example, file),
    )


def _rows(spec: ModelSpec, case: Case) -> list[int]:
    """Of a batch the rows that are compared: the first and the last, where answers are rows of scores."""
    return sorted({0, case.batch - 1}) if spec.classes is not None else list(range(case.batch))


def played(job: Job, net: Any, example: Tensor, asked: Asked) -> Runnable:
    """What runs there, here: to see what it carries from frame to frame."""
    return load(asked.files["artefact"], job.case.precision)


def read(heard: Heard, job: Job, spec: ModelSpec, net: Any, example: Tensor, file: Path) -> Measured:
    """What the board measured, and its answers held to the eager network of this machine in float32."""
    told = heard.results["measured"]
    cuda = CudaFacts.model_validate(told["cuda"]) if told["cuda"] else None
    return Measured(
        timing=Timing.model_validate(told["timing"]),
        verification=_verify(heard, spec, net, example, job.case),
        engine=Engine(
            name=NAME,
            version=told["versions"]["torch"],
            provider=f"{cuda.name}, CUDA {cuda.cuda}, cuDNN {cuda.cudnn}" if cuda else "CPU",
            threads=told["threads"],
            artefact_bytes=file.stat().st_size,
        ),
        versions=told["versions"],
        environ=told.get("environ", {}),
        threads=told["threads"],
        inter_op_threads=told["inter_op_threads"],
        peak_rss_bytes=told["peak_rss_bytes"],
        peak_allocated_bytes=cuda.memory.peak_allocated_bytes if cuda and cuda.memory else None,
        cuda=cuda,
        output_sha256=told["output_sha256"],
        span=tuple(told["span"]),
        energy_blocks=heard.results.get("energy", {}).get("blocks"),
        allocator=told["allocator"],
    )


def _verify(heard: Heard, spec: ModelSpec, net: Any, example: Tensor, case: Case) -> Verification:
    """Prediction by prediction, on inputs made by arithmetic: no generator of random numbers is the same everywhere."""
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
        for line in heard.answers:
            x = made_input(row, line["index"])[rows].float()
            if by_frames:
                expected, state = net.step(x, state)
            else:
                expected = net(x)
            tally.add([_tensor(told) for told in line["tensors"]], tensors_in(expected))
    what = f"a stream of {tally.compared} frames" if by_frames else f"{tally.compared} inputs"
    tolerance = get_backend(case.backend).tolerance[case.precision]
    found = tally.verification(f"the eager network in fp32 of the machine that sent it there, on {what}", tolerance)
    return found if tally.compared else found.model_copy(update={"passed": False, "relative_error": float("inf")})


def _tensor(told: dict[str, Any]) -> Tensor:
    import torch

    data = bytearray(base64.b64decode(told["data"]))
    return torch.frombuffer(data, dtype=torch.float32).reshape(told["shape"])
