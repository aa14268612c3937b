"""Whether this checkout runs networks as fast as another one: ratios of times, interleaved.

    git worktree add /tmp/before main
    python tests/speed/two_checkouts.py /tmp/before [--models cox3d-s-13 ...] [--backends eager native]

A replicate is one fresh process of each checkout, with the same networks and inputs. They take turns in short blocks of
calls, who goes first flips, and the one that waits sleeps. A turn's ratio is that of the median times of a call, this
checkout's to the other's; a replicate's is the median of its turns. Printed are the median of the replicates and its
95 % interval by ranks (from six on).

`--cpu-time` counts processor time in place of the clock's, for a machine that others use too; with `--threads 1`, since
threads that wait for each other use it as well.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parents[2]
MODELS = ("cox3d-s-13", "cox3d-m-64", "x3d-s")
CALLS = 3  # of a block, at least
BLOCK_S = 0.1  # of calls, behind one that does not count: it finds the caches full of the other process's data
WARM_UP_S = 0.5


class Side:
    """A process of one checkout."""

    def __init__(self, checkout: Path, folder: Path, options: argparse.Namespace) -> None:
        folder.mkdir()
        (folder / "co3d_bench").symlink_to(checkout.resolve(), target_is_directory=True)
        # Threads that wait give their core away soon, to the other side.
        environment = {**os.environ, "PYTHONPATH": str(folder), "GOMP_SPINCOUNT": "1000"}
        command = [sys.executable, str(Path(__file__).resolve()), "--worker", str(options.threads), options.clock]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder
        )

    def ask(self, *words: str) -> None:
        assert self.process.stdin is not None
        print(*words, file=self.process.stdin, flush=True)

    def answer(self) -> list[float]:
        assert self.process.stdout is not None
        if not (line := self.process.stdout.readline()):
            raise SystemExit(f"a worker ended early, with exit code {self.process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        self.process.communicate()


def work(threads: int, clock: Callable[[], float]) -> None:
    """The worker: `load MODEL BACKEND`, then `block` as often as asked for."""
    import importlib

    import torch

    from co3d_bench.bench.backends import Ask
    from co3d_bench.models.zoo import find_model

    torch.set_num_threads(threads)
    runnable, x = None, torch.empty(0)
    with torch.inference_mode():
        for line in sys.stdin:
            if line.startswith("load"):
                _, model, backend = line.split()
                torch.manual_seed(0)
                spec = find_model(model)
                net = spec.build().eval()
                x = torch.randn(1, *spec.input_shape)
                engine = importlib.import_module(f"co3d_bench.bench.backends.{backend}").BACKEND
                runnable = engine.prepare(net, x, Ask("fp32", threads))
                calls = _block(runnable, x, WARM_UP_S, clock)
            else:
                calls = _block(runnable, x, BLOCK_S, clock)
            print(json.dumps(calls), flush=True)


def _block(runnable, x, seconds: float, clock: Callable[[], float]) -> list[float]:
    runnable.step(x)
    found, end = [], clock() + seconds
    while len(found) < CALLS or clock() < end:
        start = clock()
        runnable.step(x)
        found.append(clock() - start)
    return found


def replicate(options: argparse.Namespace) -> dict[str, list[tuple[float, float]]]:
    """Case -> turn by turn, seconds of a call of this checkout and of the other one, in one fresh process each."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        this = Side(HERE, Path(folder) / "this", options)
        other = Side(options.other, Path(folder) / "other", options)
        for case in (f"{model} {backend}" for backend in options.backends for model in options.models):
            for side in (this, other):
                side.ask("load", case)
            for side in (this, other):
                side.answer()
            found[case] = []
            for turn in range(options.turns):
                times: dict[Side, float] = {}
                for side in (this, other) if turn % 2 else (other, this):
                    side.ask("block")
                    times[side] = statistics.median(side.answer())
                found[case].append((times[this], times[other]))
        for side in (this, other):
            side.close()
    return found


def interval(values: list[float]) -> tuple[float, float]:
    """95 % or more for the median, by ranks; the range where there are fewer than six."""
    ordered, count = sorted(values), len(values)
    outside, rank = 2**-count, 0  # of the median, below the lowest value
    while count >= 6 and (wider := outside + math.comb(count, rank + 1) * 2**-count) <= 0.025:
        outside, rank = wider, rank + 1
    return ordered[rank], ordered[count - 1 - rank]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="the root of the other checkout")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--backends", nargs="+", default=("eager", "native"))
    parser.add_argument("--replicates", type=int, default=8)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu-time", dest="clock", action="store_const", const="process_time", default="perf_counter")
    options = parser.parse_args()
    ratios: dict[str, list[float]] = {}
    times: dict[str, list[tuple[float, float]]] = {}
    for number in range(options.replicates):
        for case, turns in replicate(options).items():
            ratios.setdefault(case, []).append(statistics.median(this_s / other_s for this_s, other_s in turns))
            times.setdefault(case, []).extend(turns)
        so_far = ", ".join(f"{case} {found[-1]:.3f}" for case, found in ratios.items())
        print(f"{number + 1} of {options.replicates}: {so_far}", file=sys.stderr, flush=True)
    print("| case | this checkout / the other | 95 % interval | medians: this, other |\n|---|---|---|---|")
    for case, found in ratios.items():
        low, high = interval(found)
        this_s, other_s = (statistics.median(side) for side in zip(*times[case], strict=True))
        print(
            f"| {case} | {statistics.median(found):.3f} | {low:.3f} to {high:.3f} "
            f"| {1000 * this_s:.2f} ms, {1000 * other_s:.2f} ms |"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(int(sys.argv[2]), getattr(time, sys.argv[3]))
    else:
        main()
