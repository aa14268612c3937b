"""How much faster a frame network's step is than the same network built from `continual-inference` modules.

    python tests/speed/step_vs_continual_inference.py [--models cox3d-s-13 ...] [--pairs 40] [--threads 2]
        [--device cpu|cuda]

Same weights, one process, interleaved, plain eager float32 with batch norm as it is; the reference is put together as
the paper's authors put theirs. Printed, once the outputs of both were compared with all frames of the receptive
field seen: the median of the pairwise time ratios, with quartiles.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from reference import continual_inference, randomise_batch_norm, relative_error, undilated
from speed.pairs import arguments, interleaved, ratio_line

from co3d_bench.models.zoo import find_model

WARM_UP = 5  # steps


def stepper(net: torch.nn.Module, frames: list[torch.Tensor]) -> Callable[[], torch.Tensor]:
    """A call that shows the network the next of a few frames, over and over, and carries its state along."""
    state = net.initial_state(1)
    endless = itertools.cycle(frames)

    def step() -> torch.Tensor:
        nonlocal state
        y, state = net.step(next(endless), state)
        return y

    return step


def reference_stepper(net: torch.nn.Module, frames: list[torch.Tensor]) -> Callable[[], torch.Tensor]:
    """The same for the network built from `continual-inference`, which keeps its state to itself."""
    blocks = continual_inference(net.blocks).eval()
    endless = itertools.cycle(frames)
    return lambda: blocks.forward_step(next(endless))


def waiting(call: Callable[[], torch.Tensor], device: str) -> Callable[[], torch.Tensor]:
    """The call, which on a GPU is over only when the GPU is."""

    def to_its_end() -> torch.Tensor:
        answer = call()
        torch.cuda.synchronize()
        return answer

    return to_its_end if device == "cuda" else call


def compare(name: str, pairs: int, device: str) -> str:
    torch.manual_seed(0)
    net = randomise_batch_norm(find_model(name).build()).eval().to(device)
    torch.manual_seed(0)
    as_theirs = randomise_batch_norm(undilated(name)).eval().to(device)
    frames = [torch.randn(1, *net.input_shape).to(device) for _ in range(8)]
    ours = waiting(stepper(net, frames), device)
    theirs = waiting(reference_stepper(as_theirs, frames), device)
    same = stepper(as_theirs, frames)
    for _ in range(as_theirs.receptive_field):
        y, reference = same(), theirs()
    error = relative_error(y, reference.flatten(1))
    for _ in range(WARM_UP):
        ours(), theirs()
    ours_s, their_s = interleaved(ours, theirs, pairs)
    return ratio_line(name, ours_s, their_s, f"outputs differ by {error:.1e}")


def main() -> None:
    models = ["cox3d-s-13", "cox3d-m-16", "cox3d-l-16", "coi3d-r50-8", "coslow-r50-8"]
    options = arguments(__doc__, models, pairs=40, device=["cpu"])
    with torch.inference_mode():
        for name in options.models:
            print(compare(name, options.pairs, options.device[0]), flush=True)


if __name__ == "__main__":
    main()
