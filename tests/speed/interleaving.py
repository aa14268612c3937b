"""What a pair of processes gains from taking turns: equal code in two fresh processes, sampled in five ways.

    python tests/speed/interleaving.py [--models x3d-xs cox3d-s-13] [--pairs 12] [--samples 36] [--threads 2] [--tail 0]

Where the two are measured one after the other, whatever the machine does meanwhile is in their ratio. Here both are
alive, and only one of them computes at a time: the whole series of one and then of the other; calls interleaved; and
the same, but judged by calls beside each other instead of by two medians. Behind a call, threads that wait for work
spin on for some milliseconds into the other's call, which finds the caches full of other data too. So there are two
more ways: the turn goes over once they rest; and two calls a turn, of which the first does not count, as the gate does
it. With `--tail 0.05` the head works on, in one thread, for 5 % of each of its calls.
Which process is started first, and goes first, alternates from pair to pair. Printed for each pair: by how much they
differ; then how far that scatters (the truth is what `--tail` says). Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from co3d_bench.bench.stats.compare.estimate import call_by_call

WARM_UP = 25
LOOK_EVERY_S = 0.0005


@dataclass(frozen=True)
class Way:
    """How the samples of a process are taken: so many calls a turn, the first of them perhaps only to get warm; whether
    its threads come to rest before the turn goes over; and whether each call is held to the one beside it."""

    calls: int
    uncounted: int = 0
    rest: bool = False
    beside: bool = False


def one_process(model: str, threads: int, tail: float) -> None:
    """Gets ready and says so; then each line of standard input asks for so many calls, answered by their latencies."""
    from co3d_bench.bench.measure.allocator import keep_freed_memory

    keep_freed_memory()
    import torch
    from pairs import prepared

    runnable, inputs = prepared(model, threads)
    endless = itertools.cycle(inputs)
    with torch.inference_mode():
        for _ in range(WARM_UP):
            runnable.step(next(endless))
        print("ready", flush=True)
        for line in sys.stdin:
            latency_s = []
            count, rest = line.split()
            for _ in range(int(count)):
                start = time.perf_counter()
                runnable.step(next(endless))
                until = start + (time.perf_counter() - start) * (1 + tail)
                while time.perf_counter() < until:
                    pass
                latency_s.append(time.perf_counter() - start)
            while rest == "rest" and others_run():
                time.sleep(LOOK_EVERY_S)
            print(json.dumps(latency_s), flush=True)


def others_run() -> bool:
    """Whether a thread of this process other than this one runs, or wants to."""
    own = str(threading.get_native_id())
    return any(state(task) == "R" for task in Path("/proc/self/task").iterdir() if task.name != own)


def state(task: Path) -> str | None:
    """The letter that Linux has for what a thread does; None where it ended."""
    try:
        return (task / "stat").read_text().rpartition(") ")[2][0]
    except OSError:
        return None


class Process:
    """A fresh process that has warmed up and waits."""

    def __init__(self, model: str, threads: int, tail: float) -> None:
        words = [sys.executable, __file__, "--one", model, "--threads", str(threads), "--tail", str(tail)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()

    def calls(self, way: Way) -> list[float]:
        """Seconds of those of a turn that count."""
        assert self._process.stdin
        self._process.stdin.write(f"{way.calls} {'rest' if way.rest else 'on'}\n")
        self._process.stdin.flush()
        return json.loads(self._answer())[way.uncounted :]

    def end(self) -> None:
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a process ended with exit code {self._process.wait()}")
        return line


def difference(first: Process, second: Process, way: Way, samples: int) -> float:
    """ln of second / first."""
    found: dict[Process, list[float]] = {first: [], second: []}
    for _ in range(samples // (way.calls - way.uncounted)):
        for process in (first, second):
            found[process] += process.calls(way)
    if way.beside:
        return math.log(call_by_call(found[first], found[second]))
    return math.log(statistics.median(found[second]) / statistics.median(found[first]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["x3d-xs", "cox3d-s-13"])
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--samples", type=int, default=36, help="that count, of each process in each way")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tail", type=float, default=0.0, help="share of a call that the head works on for")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one_process(options.one, options.threads, options.tail)
        return
    ways = {
        "one after the other": Way(options.samples),
        "call by call": Way(1),
        "calls beside each other": Way(1, beside=True),
        "once its threads rest": Way(1, rest=True, beside=True),
        "two calls, one counts": Way(2, 1, beside=True),
    }
    for model in options.models:
        differences: dict[str, list[float]] = {name: [] for name in ways}
        for pair in range(options.pairs):
            head_first = pair % 2 == 1
            tails = (options.tail, 0.0) if head_first else (0.0, options.tail)
            first, second = (Process(model, options.threads, tail) for tail in tails)
            for name, way in ways.items():
                found = difference(first, second, way, options.samples)
                differences[name].append(-found if head_first else found)
            for process in (first, second):
                process.end()
            shown = ", ".join(f"{name} {found[-1]:+.1%}" for name, found in differences.items())
            print(f"{model} {pair + 1} of {options.pairs}: {shown}", flush=True)
        for name, found in differences.items():
            low, _, high = statistics.quantiles(found, n=4)
            spread = f"standard deviation {statistics.stdev(found):.1%}, quartiles {low:+.1%} to {high:+.1%}"
            print(f"{model}: {name}: mean {statistics.mean(found):+.1%}, {spread}")


if __name__ == "__main__":
    main()
