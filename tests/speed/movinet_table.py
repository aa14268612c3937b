"""One frame of the MoViNet stream networks on one core, engine by engine, beside MobileNetV3 and CoX3D-S.

    python tests/speed/movinet_table.py [--models movinet-a0-stream ...] [--backends native ...] [--pairs 25]
        [--threads 1]

Every network by every engine in one process, interleaved: a round is a step of each, and begins one further than the
round before, so that what the machine does meanwhile is in all of them. Printed, once the outputs were compared: the
median of each one's milliseconds, and for each network the ratio to the engine it is fastest by, and to CoX3D-S (13)
by the same engine, both round by round, with quartiles. An engine that has no kernel for a network says so.
"""

from __future__ import annotations

import itertools
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from reference import randomise_batch_norm
from speed.pairs import arguments, timed

from co3d_bench.bench.backends import Ask, get_backend
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.measure.verify import compare
from co3d_bench.models.zoo import find_model

NETWORKS = ["movinet-a0-stream", "movinet-a1-stream", "movinet-a2-stream", "mobilenetv3-large", "cox3d-s-13"]
BESIDE = "cox3d-s-13"
ENGINES = ["native", "openvino", "onnxruntime", "eager"]
COMPARE_S = 3.0

Case = tuple[str, str]  # network, engine
Seconds = dict[Case, list[float]]


def ready(name: str, engines: list[str], threads: int) -> dict[Case, Callable[[], object]]:
    """A step of the network by each engine that can run it and answers as it does; the others are printed."""
    spec = find_model(name)
    torch.manual_seed(0)
    net = randomise_batch_norm(spec.build()).eval()
    frames = [torch.randn(1, *spec.input_shape) for _ in range(4)]
    found: dict[Case, Callable[[], object]] = {}
    for engine in engines:
        backend = get_backend(engine)
        try:
            runnable = backend.prepare(net, frames[0], Ask("fp32", threads))
        except UserError as error:
            print(f"{name} by {engine}: {error}", flush=True)
            continue
        outcome = compare(runnable, net, frames[0], backend.tolerance["fp32"], budget_s=COMPARE_S)
        if not outcome.passed:  # a wrong answer has no speed
            print(f"{name} by {engine}: wrong, {outcome.relative_error:.1e} off", flush=True)
            continue
        endless = itertools.cycle(frames)
        found[name, engine] = partial(lambda run, x: run.step(next(x)), runnable, endless)
    return found


def measured(cases: dict[Case, Callable[[], object]], rounds: int) -> Seconds:
    """Seconds of a step of each case, round by round."""
    seconds: Seconds = {case: [] for case in cases}
    names = list(cases)
    for index in range(rounds):
        first = index % len(names)
        for case in (*names[first:], *names[:first]):
            seconds[case].append(timed(cases[case]))
    return seconds


def ratio(over: list[float], under: list[float]) -> str:
    """The median of the rounds' ratios, with quartiles."""
    low, middle, high = statistics.quantiles([a / b for a, b in zip(over, under, strict=True)], n=4)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def print_table(seconds: Seconds) -> None:
    print(f"{'network':20} {'engine':12} {'ms':>7}  {'of its fastest engine':26} of {BESIDE} by the same engine")
    for name, engine in seconds:
        own = seconds[name, engine]
        rivals = [each for (network, _), each in seconds.items() if network == name]
        quickest = min(rivals, key=statistics.median)
        beside = ratio(own, seconds[BESIDE, engine]) if (BESIDE, engine) in seconds and name != BESIDE else ""
        against = "the fastest" if own is quickest else ratio(own, quickest)
        print(f"{name:20} {engine:12} {1e3 * statistics.median(own):7.2f}  {against:26} {beside}")


def main() -> None:
    options = arguments(__doc__, NETWORKS, pairs=25, threads=1, backends=ENGINES)
    with torch.inference_mode():
        cases: dict[Case, Callable[[], object]] = {}
        for name in options.models:
            cases |= ready(name, options.backends, options.threads)
        print_table(measured(cases, options.pairs))


if __name__ == "__main__":
    main()
