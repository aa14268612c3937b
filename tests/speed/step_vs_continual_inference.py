"""How much faster a CoX3D step is than the same network built from `continual-inference` modules.

    python tests/speed/step_vs_continual_inference.py [--models cox3d-s-13 ...] [--pairs 40] [--threads 2]

Both networks have the same weights, run in this one process in plain eager float32 with batch norm as it is, and
take turns (the order flips from pair to pair). Printed: the median of the pairwise time ratios, with quartiles,
after the outputs of both were compared. A ratio within one run survives a noisy machine; two runs' times do not.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from reference import continual_inference, randomise_batch_norm, relative_error

from co3d_bench.models.zoo import find_model


def timed(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(name: str, pairs: int) -> str:
    torch.manual_seed(0)
    net = randomise_batch_norm(find_model(name).build()).eval()
    theirs = continual_inference(net.blocks).eval()
    frames = [torch.randn(1, *net.input_shape) for _ in range(8)]
    state = net.initial_state(1)
    ours_y = their_y = None
    for index in range(net.receptive_field):
        ours_y, state = net.step(frames[index % 8], state)
        their_y = theirs.forward_step(frames[index % 8])
    error = relative_error(ours_y, their_y.flatten(1))
    ratios, ours_s = [], []
    for index in range(pairs):
        frame = frames[index % 8]

        def step() -> None:
            nonlocal state
            _, state = net.step(frame, state)  # noqa: B023

        def reference() -> None:
            theirs.forward_step(frame)  # noqa: B023

        if index % 2:
            first, second = timed(step), timed(reference)
        else:
            second, first = timed(reference), timed(step)
        ratios.append(second / first)
        ours_s.append(first)
    low, middle, high = statistics.quantiles(ratios, n=4)
    return (
        f"{name:12} {middle:5.2f} x  (quartiles {low:.2f} to {high:.2f}, {pairs} pairs; ours "
        f"{1e3 * statistics.median(ours_s):.1f} ms a step; outputs differ by {error:.1e})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["cox3d-s-13", "cox3d-m-16", "cox3d-l-16"])
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} threads")
    with torch.no_grad():
        for name in options.models:
            print(compare(name, options.pairs), flush=True)


if __name__ == "__main__":
    main()
