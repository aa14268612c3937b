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
from pathlib import Path

import torch

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.export import Options, get_format, list_formats
from co3d_bench.bench.measure.passes import load
from co3d_bench.bench.measure.verify import relative_error
from co3d_bench.models.spec import is_frame_network
from co3d_bench.models.zoo import find_model, our_models


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
    answers = get_format(format).load(files)
    frames = is_frame_network(net)
    state = net.initial_state(1) if frames else ()
    worst = 0.0
    for x in torch.randn(steps if frames else 1, *example.shape, generator=torch.Generator().manual_seed(0)):
        if frames:
            expected, state = net.step(x, state)
        else:
            expected = net(x)
        worst = max(worst, relative_error(answers(x.clone())[0], expected))
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
