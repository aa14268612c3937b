"""How much faster our own kernels are with this processor's widest vectors than with narrower ones.

    python tests/speed/instruction_sets.py [--models cox3d-m-16] [--pairs 30]

One process, interleaved, same weights; both compiled here. Printed, once the answers were compared with eager PyTorch.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from speed.pairs import arguments, interleaved, ratio_line

from co3d_bench.bench.backends import Ask, Runnable, get_backend
from co3d_bench.bench.backends.native.compiled import MORE_FLAGS
from co3d_bench.bench.measure.verify import compare
from co3d_bench.models.zoo import find_model

NARROWER = ("-mno-avx512f", "-mno-avx")
COMPARE_S = 5.0


def stepper(runnable: Runnable, inputs: list[torch.Tensor]) -> Callable[[], object]:
    endless = itertools.cycle(inputs)
    return lambda: runnable.step(next(endless))


def print_lines(name: str, pairs: int, threads: int) -> None:
    spec = find_model(name)
    torch.manual_seed(0)
    net = spec.build().eval()
    inputs = [torch.randn(1, *spec.input_shape) for _ in range(8)]
    made = {}
    for flags in ("", *NARROWER):
        os.environ[MORE_FLAGS] = flags
        made[flags] = get_backend("native").prepare(net, inputs[0], Ask(threads=threads))
    for flags in NARROWER:
        found = compare(made[flags], net, inputs[0], 1e-4, budget_s=COMPARE_S)
        if not found.passed:  # a wrong answer has no speed
            print(f"{name} {flags} wrong: {found.relative_error:.1e} off", flush=True)
            continue
        ours_s, their_s = interleaved(stepper(made[""], inputs), stepper(made[flags], inputs), pairs)
        note = f"{made[''].engine().provider}; outputs differ by {found.relative_error:.1e} from eager"
        print(ratio_line(f"{name} against {made[flags].engine().provider}", ours_s, their_s, note), flush=True)


def main() -> None:
    options = arguments(__doc__, ["cox3d-m-16"], pairs=30)
    with torch.inference_mode():
        for name in options.models:
            print_lines(name, options.pairs, options.threads)


if __name__ == "__main__":
    main()
