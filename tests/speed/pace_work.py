"""Which small piece of work tells best how fast the machine is for networks: the choice behind `bench/pace.py`.

    python tests/speed/pace_work.py [--processes 12] [--models x3d-xs cox3d-s-13 cox3d-m-16 x3d-s]

Fresh processes, one network each and the networks in turn, as `run` measures them: each piece of work between two calls
of the network, so that it finds the caches as the pace finds them in a run. A process's medians are one point. Printed
for each network: how far its points spread as they are (standard deviation in per cent), how far once each is divided
by that of a piece of work ("first reading", "last reading": of the pace, one of its readings alone), and the power with
which it follows the pace that `bench/pace.py` reads.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable

import torch
from torch.nn.functional import conv2d

from co3d_bench.bench.allocator import keep_freed_memory
from co3d_bench.bench.pace import READINGS, Pace
from co3d_bench.bench.pace_work import BLOCKS, NETWORK
from co3d_bench.models.spec import is_frame_network
from co3d_bench.models.zoo import find_model

WARM_S = 2.0
POINT_S = 12.0
CALLS_S = 0.12  # of the network between two rounds through the pieces of work

Work = Callable[[], object]


def depthwise_in_l2() -> Work:
    maps, kernels = torch.ones(1, 54, 40, 40), torch.ones(54, 1, 3, 3)
    return lambda: [conv2d(maps, kernels, padding=1, groups=54) for _ in range(3)]


def products() -> Work:
    a, out = torch.ones(128, 128), torch.empty(128, 128)
    return lambda: [torch.mm(a, a, out=out) for _ in range(8)]


def sums() -> Work:
    a, out = torch.ones(1, 96, 80, 80), torch.empty(1, 96, 80, 80)
    return lambda: torch.add(a, a, out=out)


WORKS: dict[str, Callable[[], Work]] = {
    "blocks": BLOCKS.make,
    "products": products,
    "depthwise in L2": depthwise_in_l2,
    "sums": sums,
}
PACE = ("pace", "first reading", "last reading")


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


def for_seconds(length_s: float, work: Work) -> None:
    end = time.perf_counter() + length_s
    while time.perf_counter() < end:
        work()


@torch.inference_mode()
def point(model: str) -> dict[str, float]:
    """In this process: the median seconds of a network, of the pace and of every other piece of work."""
    pace, works, call = Pace(NETWORK), {name: make() for name, make in WORKS.items()}, network(model)
    found: dict[str, list[float]] = defaultdict(list)

    def a_round() -> None:
        readings = [seconds(pace.work) for _ in range(READINGS)]
        for name, figure in zip(PACE, (statistics.fmean(readings), readings[0], readings[-1]), strict=True):
            found[name].append(figure)
        for name, work in works.items():
            call()
            found[name].append(statistics.fmean(seconds(work) for _ in range(READINGS)))
        call()  # finds the caches full of something else, and does not count
        for_seconds(CALLS_S, lambda: found["network"].append(seconds(call)))

    for_seconds(WARM_S, call)
    for_seconds(POINT_S, a_round)
    return {name: statistics.median(values) for name, values in found.items()}


def fresh(model: str) -> dict[str, float]:
    """A point of a process of its own."""
    command = [sys.executable, __file__, "--point", model]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def spread(values: list[float]) -> float:
    """Standard deviation in per cent."""
    return 100 * statistics.stdev(map(math.log, values))


def row(model: str, points: list[dict[str, float]]) -> str:
    each = [f"{spread([p['network'] / p[work] for p in points]):.1f}" for work in (*PACE, *WORKS)]
    logs = [[math.log(p[name]) for p in points] for name in ("pace", "network")]
    power = statistics.linear_regression(*logs).slope
    return f"| {model} | {spread([p['network'] for p in points]):.1f} | {' | '.join(each)} | {power:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=12, help="of each network")
    parser.add_argument("--models", nargs="+", default=["x3d-xs", "cox3d-s-13", "cox3d-m-16", "x3d-s"])
    parser.add_argument("--point", metavar="MODEL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        keep_freed_memory()
        torch.manual_seed(0)
        print(json.dumps(point(options.point)))
        return
    points: dict[str, list[dict[str, float]]] = {model: [] for model in options.models}
    for number in range(options.processes):
        for model, those in points.items():
            those.append(fresh(model))
        print(f"{number + 1} of {options.processes}", file=sys.stderr, flush=True)
    print(f"| | as it is | {' | '.join(f'/ {work}' for work in (*PACE, *WORKS))} | power of the pace |")
    print("|---" * (len(PACE) + len(WORKS) + 3) + "|")
    for model, those in points.items():
        print(row(model, those))


if __name__ == "__main__":
    main()
