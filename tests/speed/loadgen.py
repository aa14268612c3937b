"""A network driven by MLPerf's LoadGen as a single stream: its percentiles beside ours from its own log.

    pip install mlcommons-loadgen
    python tests/speed/loadgen.py cox3d-s-13 --backend eager

Every query is one prediction. LoadGen writes each query's latency to its trace; the percentiles that `stats/camera.py`
computes from those must be the ones that LoadGen prints. Exit code 1 where they are not.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from co3d_bench.bench.backends import Ask, get_backend
from co3d_bench.bench.measure.input import random_inputs
from co3d_bench.bench.measure.passes import load
from co3d_bench.bench.stats.camera import FrameTimes
from co3d_bench.models.zoo import find_model

PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9)


def drive(model: str, backend: str, threads: int, seconds: float, queries: int, folder: Path) -> None:
    """Let LoadGen ask for predictions; its logs go to that folder."""
    import mlperf_loadgen as loadgen  # pyright: ignore[reportMissingImports]

    torch.set_num_threads(threads)
    spec = find_model(model)
    ring = random_inputs(spec, 1, 0).ring
    with torch.inference_mode():
        runnable = get_backend(backend).prepare(load(spec).net, ring[0], Ask(threads=threads))
        for x in ring:
            runnable.step(x)

        def answer(samples: list) -> None:
            with torch.inference_mode():
                for sample in samples:
                    runnable.step(ring[sample.index])
                    runnable.synchronize()
                    loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(sample.id, 0, 0)])

        settings, logs, output = loadgen.TestSettings(), loadgen.LogSettings(), loadgen.LogOutputSettings()
        settings.scenario = loadgen.TestScenario.SingleStream
        settings.mode = loadgen.TestMode.PerformanceOnly
        settings.min_duration_ms, settings.min_query_count = round(1000 * seconds), queries
        output.outdir, logs.log_output, logs.enable_trace = str(folder), output, True
        system = loadgen.ConstructSUT(answer, lambda: None)
        samples = loadgen.ConstructQSL(len(ring), len(ring), lambda _: None, lambda _: None)
        loadgen.StartTestWithLogSettings(system, samples, settings, logs)
        loadgen.DestroyQSL(samples)
        loadgen.DestroySUT(system)


def latencies_s(trace: Path) -> list[float]:
    """Of each query, from LoadGen's trace."""
    found = re.findall(r'"complete_ns":(\d+)', trace.read_text())
    return [int(each) / 1e9 for each in found]


def printed_s(summary: str) -> dict[float, float]:
    """The percentiles that LoadGen prints."""
    found = re.findall(r"^([\d.]+) percentile latency \(ns\)\s*: (\d+)", summary, flags=re.MULTILINE)
    return {float(percent): int(value) / 1e9 for percent, value in found}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--backend", default="eager")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--queries", type=int, default=700)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drive(options.model, options.backend, options.threads, options.seconds, options.queries, folder)
        taken = np.array(latencies_s(folder / "mlperf_log_trace.json"))
        theirs = printed_s((folder / "mlperf_log_summary.txt").read_text())
    ours = FrameTimes(np.zeros(len(taken)), taken, float(taken.sum()), 1.0)
    print(f"{options.model} by {options.backend}, {options.threads} thread, {len(taken)} queries")
    wrong = 0
    for percent in PERCENTS:
        value, said = ours.percentile_s(percent), theirs.get(percent)
        same = value is None or (said is not None and abs(value - said) < 1e-9)
        wrong += not same
        text = "too few queries" if value is None else f"{1e3 * value:.6f} ms"
        print(f"p{percent:g}: ours {text}, LoadGen {1e3 * (said or 0):.6f} ms{'' if same else '  NOT EQUAL'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
