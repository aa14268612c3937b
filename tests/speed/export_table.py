"""Every network at its full size through every format, held to eager float32: a table of what is written and right.

    python tests/speed/export_table.py [NAME ...] [--steps 8]

A row is a network: bytes, seconds to write, and how far the file's answers are from the network's (max|a - b| /
max|b|, the largest of the steps, a stream from its beginning; a clip network answers once). `--` is a format that is
not installed. ONNX files are run by ONNX Runtime as other programs would, torch's by torch, aten-json by its runner.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.export import Options, get_format, list_formats
from co3d_bench.bench.export.aten import runner
from co3d_bench.bench.measure.passes import load
from co3d_bench.bench.measure.verify import relative_error
from co3d_bench.models.spec import is_frame_network
from co3d_bench.models.zoo import find_model, our_models

Step = Callable[[Tensor], Tensor]


def run_onnx(files: tuple[Path, ...]) -> Step:
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(files[0], options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    state: dict[str, Any] = dict(np.load(files[1])) if len(files) > 1 else {}

    def step(x: Tensor) -> Tensor:
        nonlocal state
        scores, *new = session.run(None, {name: x.numpy(), **state})
        state = dict(zip(state, new, strict=True))
        return torch.from_numpy(scores)

    return step


def run_torch(files: tuple[Path, ...]) -> Step:
    import numpy as np

    module = torch.export.load(files[0]).module()
    state: list[Tensor] = []
    if len(files) > 1:
        with np.load(files[1]) as saved:
            state = [torch.from_numpy(saved[f"state_{index}"]) for index in range(len(saved.files))]

    def step(x: Tensor) -> Tensor:
        nonlocal state
        scores, *state = module(x, *state)
        return scores

    return step


def run_aten(files: tuple[Path, ...]) -> Step:
    return runner.Program(files[0]).step


RUNNERS = {"onnx": run_onnx, "torch-export": run_torch, "aten-json": run_aten}


def tried(name: str, format: str, steps: int, folder: Path) -> str:
    """One cell of the table."""
    if get_format(format).missing():
        return "--"
    spec = find_model(name)
    net = load(spec).net
    example = torch.zeros(1, *spec.input_shape)
    begin = time.perf_counter()
    try:
        files = get_format(format).write(net, example, folder / f"{name}{get_format(format).suffix}", Options())
    except UserError as error:
        return error.message
    seconds = time.perf_counter() - begin
    step = RUNNERS[format](files)
    frames = is_frame_network(net)
    state = net.initial_state(1) if frames else ()
    worst = 0.0
    for x in torch.randn(steps if frames else 1, *example.shape, generator=torch.Generator().manual_seed(0)):
        if frames:
            expected, state = net.step(x, state)
        else:
            expected = net(x)
        worst = max(worst, relative_error(step(x.clone()), expected))
    verdict = "right" if worst <= 1e-4 else "WRONG"
    return f"{verdict} {worst:.0e}, {sum(file.stat().st_size for file in files):,} bytes, {seconds:.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=[spec.name for spec in our_models()])
    parser.add_argument("--steps", type=int, default=8, help="frames of a stream")
    asked = parser.parse_args()
    formats = [row.name for row in list_formats()]
    print(f"| network | {' | '.join(formats)} |\n|---{'|---' * len(formats)}|", flush=True)
    for name in asked.names:
        cells = []
        for format in formats:
            with tempfile.TemporaryDirectory() as folder, torch.no_grad():
                cells.append(tried(name, format, asked.steps, Path(folder)))
            gc.collect()
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
