"""Which small piece of work tells best how fast the machine is for networks: the choice behind `bench/pace.py`.

    python tests/speed/pace_work.py [--seconds 300] [--models x3d-xs cox3d-s-13 cox3d-m-16 x3d-s]

For so long, networks and pieces of work are timed in turn. Medians over ten seconds each are one point. Points are kept
apart by the pace itself: those within a tenth of where it mostly is, and all others, if there are five. Printed for
each network: how far its points spread as they are (standard deviation in per cent), how far once each is divided by
that of a piece of work ("quickest": that of the pace, but the quickest of its readings), and the power with which it
follows the pace that `bench/pace.py` reads.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable

import torch
from torch.nn.functional import batch_norm, conv2d, conv3d

from co3d_bench.bench.allocator import keep_freed_memory
from co3d_bench.bench.pace import READINGS, Pace
from co3d_bench.bench.resample import MAX_PACE, middle_of_most
from co3d_bench.models.spec import is_frame_network
from co3d_bench.models.zoo import find_model

POINT_S = 10.0
ROUND_S = 0.02  # each network in turn for so long, or once
FEWEST_POINTS = 5

Work = Callable[[], object]


def depthwise_in_l2() -> Work:
    maps, kernels = torch.ones(1, 54, 40, 40), torch.ones(54, 1, 3, 3)
    return lambda: [conv2d(maps, kernels, padding=1, groups=54) for _ in range(3)]


def products() -> Work:
    a, out = torch.ones(128, 128), torch.empty(128, 128)
    return lambda: [torch.mm(a, a, out=out) for _ in range(8)]


def products_of_one_thread() -> Work:
    threads, work = torch.get_num_threads(), products()

    def alone() -> None:
        torch.set_num_threads(1)
        work()
        torch.set_num_threads(threads)

    return alone


def depthwise_beyond_l2() -> Work:
    maps, kernels = torch.ones(1, 54, 80, 80), torch.ones(54, 1, 3, 3)
    return lambda: conv2d(maps, kernels, padding=1, groups=54)


def sums() -> Work:
    a, out = torch.ones(1, 96, 80, 80), torch.empty(1, 96, 80, 80)
    return lambda: torch.add(a, a, out=out)


def block() -> Work:
    """A residual block of X3D's second stage."""
    x, norm = torch.randn(1, 48, 4, 20, 20), (torch.zeros(108), torch.ones(108), torch.ones(108), torch.zeros(108))
    expand, depthwise = torch.randn(108, 48, 1, 1, 1), torch.randn(108, 1, 3, 3, 3)
    project = torch.randn(48, 108, 1, 1, 1)

    def call() -> torch.Tensor:
        y = batch_norm(conv3d(x, expand), *norm).relu_()
        y = batch_norm(conv3d(y, depthwise, groups=108, padding=1), *norm)
        return x + conv3d(y * torch.sigmoid(y), project)

    return call


WORKS: dict[str, Callable[[], Work]] = {
    "products": products,
    "products, one thread": products_of_one_thread,
    "depthwise in L2": depthwise_in_l2,
    "depthwise beyond L2": depthwise_beyond_l2,
    "sums": sums,
    "block": block,
}


def network(name: str) -> Work:
    """One prediction of a network, warm."""
    spec = find_model(name)
    net, x = spec.build().eval(), torch.randn(1, *spec.input_shape)
    if not is_frame_network(net):
        return lambda: net(x)
    state = net.initial_state(batch_size=1)

    def step() -> None:
        nonlocal state
        _, state = net.step(x, state)

    return step


def seconds(work: Work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def point(pace: Pace, works: dict[str, Work], networks: dict[str, Work]) -> dict[str, float]:
    """Medians of everything over some seconds; every work as often as the pace."""
    found: dict[str, list[float]] = defaultdict(list)
    end = time.perf_counter() + POINT_S
    while time.perf_counter() < end:
        for name, call in networks.items():
            readings = [seconds(pace.work) for _ in range(READINGS)]
            found["pace"].append(statistics.median(readings))
            found["quickest"].append(min(readings))
            for piece, work in works.items():
                found[piece].append(statistics.median(seconds(work) for _ in range(READINGS)))
            until = time.perf_counter() + ROUND_S
            found[name].append(seconds(call))
            while time.perf_counter() < until:
                found[name].append(seconds(call))
    return {name: statistics.median(values) for name, values in found.items()}


def spread(values: list[float]) -> float:
    """Standard deviation in per cent."""
    return 100 * statistics.stdev(map(math.log, values))


def show(title: str, points: list[dict[str, float]], models: list[str]) -> None:
    works = ["pace", "quickest", *WORKS]
    print(f"\n{title}: {len(points)} points of {POINT_S:g} s\n")
    print(f"| | as it is | {' | '.join(f'/ {work}' for work in works)} | power of the pace |")
    print("|---" * (len(works) + 3) + "|")
    for model in models:
        each = [f"{spread([p[model] / p[work] for p in points]):.1f}" for work in works]
        logs = [[math.log(p[name]) for p in points] for name in ("pace", model)]
        power = statistics.linear_regression(*logs).slope
        print(f"| {model} | {spread([p[model] for p in points]):.1f} | {' | '.join(each)} | {power:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--models", nargs="+", default=["x3d-xs", "cox3d-s-13", "cox3d-m-16", "x3d-s"])
    options = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    with torch.inference_mode():
        pace, works = Pace(), {name: make() for name, make in WORKS.items()}
        networks = {name: network(name) for name in options.models}
        point(pace, works, networks)  # warm
        points = [point(pace, works, networks) for _ in range(math.ceil(options.seconds / POINT_S))]
    usual = middle_of_most([p["pace"] for p in points])
    near = [p for p in points if usual / MAX_PACE <= p["pace"] <= usual * MAX_PACE]
    far = [p for p in points if p not in near]
    for title, group in (("where the machine mostly was", near), ("else", far)):
        if len(group) >= FEWEST_POINTS:
            show(title, group, options.models)


if __name__ == "__main__":
    main()
