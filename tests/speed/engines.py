"""How much faster each engine answers than PyTorch as the paper's authors, or plain torch, would run the network.

    python tests/speed/engines.py [--models cox3d-m-16 x3d-m] [--backends fused ...] [--precisions fp32 ...]
        [--pairs 30] [--threads 2]

A frame network is compared with the network built from `continual-inference` modules, a clip network with our eager
one; every engine that is ready here, in every precision, same weights, one process, interleaved. Printed, once the
outputs of a stream were compared: the median of the pairwise time ratios, with quartiles.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from reference import randomise_batch_norm, undilated
from speed.pairs import arguments, interleaved, ratio_line
from speed.step_vs_continual_inference import reference_stepper

from co3d_bench.bench.backends import Ask, Backend, list_backends
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.measure.verify import compare
from co3d_bench.models.spec import is_frame_network
from co3d_bench.models.zoo import find_model

COMPARE_S = 5.0


def ready(names: list[str], precisions: list[str]) -> list[tuple[Backend, str]]:
    """The backends of those names, or all, that can be used on this CPU, with what they have of the precisions."""
    found = [row for row in list_backends() if row.missing() is None and "cpu" in row.here]
    wanted = [row for row in found if not names or row.name in names]
    return [(row, precision) for row in wanted for precision in row.here["cpu"] if precision in precisions]


def rival(name: str, net: torch.nn.Module, inputs: list[torch.Tensor]) -> Callable[[], object]:
    """What the engines are compared with."""
    if is_frame_network(net):
        torch.manual_seed(0)
        return reference_stepper(randomise_batch_norm(undilated(name)).eval(), inputs)
    endless = itertools.cycle(inputs)
    return lambda: net(next(endless))


def print_lines(name: str, engines: list[tuple[Backend, str]], pairs: int, threads: int) -> None:
    spec = find_model(name)
    torch.manual_seed(0)
    net = randomise_batch_norm(spec.build()).eval()
    inputs = [torch.randn(1, *spec.input_shape) for _ in range(8)]
    theirs = rival(name, net, inputs)
    for backend, precision in engines:
        what = f"{name} {backend.name} {precision}"
        try:
            runnable = backend.prepare(net, inputs[0], Ask(precision, threads, calibration=inputs))
        except UserError as error:
            print(f"{what:40} {error}", flush=True)
            continue
        found = compare(runnable, net, inputs[0], backend.tolerance[precision], budget_s=COMPARE_S)
        if not found.passed:  # a wrong answer has no speed
            print(f"{what:40} wrong: {found.relative_error:.1e} off, at most {found.tolerance:g} is right", flush=True)
            continue
        endless = itertools.cycle(inputs)
        ours_s, their_s = interleaved(lambda run=runnable, x=endless: run.step(next(x)), theirs, pairs)
        agreed = "" if found.top1_agreement is None else f", {100 * found.top1_agreement:.0f} % of best classes equal"
        note = f"outputs differ by {found.relative_error:.1e} over {found.compared}{agreed}"
        print(ratio_line(f"{what:40}", ours_s, their_s, note), flush=True)


def main() -> None:
    options = arguments(__doc__, ["cox3d-m-16", "x3d-m"], pairs=30, backends=[], precisions=["fp32"])
    engines = ready(options.backends, options.precisions)
    with torch.inference_mode():
        for name in options.models:
            print_lines(name, engines, options.pairs, options.threads)


if __name__ == "__main__":
    main()
