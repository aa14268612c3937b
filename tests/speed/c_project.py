"""A network exported with `--format c` against the engine `native`, which runs the same kernels from Python.

    python tests/speed/c_project.py [--models cox3d-s-13 cox3d-m-64] [--pairs 25] [--threads 2]

The project is built by its own Makefile, which takes `native`'s optimisation flags. Two ratios a network, pair by
pair, once the outputs were compared: its library, called from this process, and its example, whose median for
`build/example weights.bin --time 20` is what the README of a project states. Over 1: the project is the faster one.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from speed.pairs import arguments, interleaved, ratio_line, timed

from co3d_bench.bench.backends import Ask, get_backend
from co3d_bench.bench.backends.native import c_project
from co3d_bench.bench.backends.native.c_project.build import built
from co3d_bench.bench.backends.native.c_project.c_program import Program, run
from co3d_bench.bench.export import Options
from co3d_bench.bench.measure.verify import relative_error
from co3d_bench.models.outputs import tensors_in
from co3d_bench.models.zoo import find_model

CLOSE = 1e-5
STEPS = 20


def example_seconds(project: Path, build: Path, threads: int) -> float:
    """A step by the example: the median of its process."""
    said = run([str(build / "example"), str(project / "weights.bin"), "--time", str(STEPS), "--threads", str(threads)])
    return float(re.findall(r"median (\S+) ms", said)[0]) / 1e3


def compared(model: str, threads: int, pairs: int, folder: Path) -> None:
    spec, project = find_model(model), folder / "network"
    torch.manual_seed(0)
    net, frames = spec.build().eval(), [torch.randn(1, *spec.input_shape) for _ in range(4)]
    c_project.write(net, frames[0], project, Options(model=model))
    build = built(project)
    program = Program(project, build.path, threads)
    runnable = get_backend("native").prepare(net, frames[0], Ask("fp32", threads))
    for frame in frames:
        (ours,), (theirs,) = program.step(frame), tensors_in(runnable.step(frame))
        if not relative_error(ours, theirs) < CLOSE:
            raise SystemExit(f"{model}: the answers differ")
    ours = over(program.step, frames)
    theirs = over(runnable.step, frames)
    print(ratio_line(model, *interleaved(ours, theirs, pairs), "its library"), flush=True)
    examples, beside = [], []
    for _ in range(pairs):
        examples.append(example_seconds(project, build.path, threads))
        beside.append(timed(theirs))
    print(ratio_line(model, examples, beside, "its example"), flush=True)


def over(step: Callable[[Any], object], frames: list[torch.Tensor]) -> Callable[[], object]:
    endless = itertools.cycle(frames)
    return lambda: step(next(endless))


def main() -> None:
    options = arguments(__doc__, ["cox3d-s-13", "cox3d-m-64"], pairs=25)
    for model in options.models:
        with torch.no_grad(), TemporaryDirectory() as folder:
            compared(model, options.threads, options.pairs, Path(folder))


if __name__ == "__main__":
    main()
