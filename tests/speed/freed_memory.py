"""What it costs that the C library gives freed memory back to the kernel, by interleaved fresh processes of a network.

    python tests/speed/freed_memory.py [--models x3d-xs x3d-m cox3d-m-16] [--pairs 5] [--runs 50] [--threads 2]

Of each kind of process: the median of the medians, the smallest and the largest, and page faults a call.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import statistics
import subprocess
import sys
import time

KINDS = ("given back", "kept")


def one_process(model: str, kind: str, runs: int, threads: int) -> None:
    """Times `runs` calls, and says as JSON what they took."""
    if kind == "kept":
        from co3d_bench.bench.measure.allocator import KEPT, keep_freed_memory

        if keep_freed_memory({}) != KEPT:
            raise SystemExit("the C library here has no mallopt")
    import torch
    from pairs import prepared

    runnable, inputs = prepared(model, threads)
    endless = itertools.cycle(inputs)
    with torch.inference_mode():
        for _ in range(20):
            runnable.step(next(endless))
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        latency_s = []
        for _ in range(runs):
            start = time.perf_counter()
            runnable.step(next(endless))
            latency_s.append(time.perf_counter() - start)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    print(json.dumps({"median_s": statistics.median(latency_s), "faults": faults / runs}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["x3d-xs", "x3d-m", "cox3d-m-16"])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", nargs=2, metavar=("MODEL", "KIND"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one_process(*options.one, options.runs, options.threads)
        return
    for model in options.models:
        found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
        for number in range(options.pairs):
            for kind in KINDS[:: 1 if number % 2 else -1]:
                command = [sys.executable, __file__, "--one", model, kind]
                command += ["--runs", str(options.runs), "--threads", str(options.threads)]
                output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                found[kind].append(json.loads(output))
        for kind, each in found.items():
            medians = sorted(1e3 * one["median_s"] for one in each)
            print(
                f"{model:12} {kind:10} {statistics.median(medians):7.2f} ms ({medians[0]:.2f} to {medians[-1]:.2f}), "
                f"{statistics.median(one['faults'] for one in each):.0f} page faults a call",
                flush=True,
            )


if __name__ == "__main__":
    main()
