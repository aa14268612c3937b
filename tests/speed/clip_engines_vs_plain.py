"""How much faster engines answer for an X3D clip from our network than OpenVINO from the same one in plain torch.

    python tests/speed/clip_engines_vs_plain.py [--models x3d-m ...] [--pairs 15] [--threads 2]

The rival is what a user would do without us: the network in `nn.Conv3d` and `nn.BatchNorm3d`, by torch's ONNX exporter
into OpenVINO. Same weights, one process, interleaved. Printed, once the outputs were compared: the median of the
pairwise time ratios, with quartiles.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from reference import plain_clip_network, randomise_batch_norm, relative_error
from speed.pairs import arguments, interleaved, ratio_line

from co3d_bench.bench.backends import Ask, Runnable, get_backend
from co3d_bench.models.zoo import find_model

ENGINES = ("native", "openvino", "onnxruntime")


def plain_in_openvino(net: Any, clip: torch.Tensor, threads: int) -> Runnable:
    """The same backend, which folds and rearranges nothing in a network that is not made of our layers."""
    plain = plain_clip_network(net.blocks).eval()
    return get_backend("openvino").prepare(plain, clip, Ask("fp32", threads))


def print_lines(name: str, pairs: int, threads: int) -> None:
    spec = find_model(name)
    torch.manual_seed(0)
    net = randomise_batch_norm(spec.build()).eval()
    clip = torch.randn(1, *spec.input_shape)
    rival = plain_in_openvino(net, clip, threads)
    for engine in ENGINES:
        runnable = get_backend(engine).prepare(net, clip, Ask("fp32", threads))
        error = relative_error(runnable.step(clip), rival.step(clip))
        if error > 1e-4:
            raise SystemExit(f"{engine} and the plain network differ by {error:.1e}")
        ours_s, their_s = interleaved(lambda run=runnable: run.step(clip), lambda: rival.step(clip), pairs)
        print(ratio_line(f"{name} {engine:20}", ours_s, their_s, f"outputs differ by {error:.1e}"), flush=True)


def main() -> None:
    options = arguments(__doc__, ["x3d-m"], pairs=15)
    with torch.inference_mode():
        for name in options.models:
            print_lines(name, options.pairs, options.threads)


if __name__ == "__main__":
    main()
