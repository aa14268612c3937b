"""Our own kernels beside other engines, beside the authors' modules, and beside what the machine allows.

    python tests/speed/native_table.py [--models cox3d-m-16 ...] [--threads 2 1] [--streams 1 2 4 8] [--seconds 6]
        [--out results/native-table.jsonl]
    python tests/speed/native_table.py --table [--out ...]     # only print what is there

For each network and number of threads one run: backend `native`, OpenVINO, ONNX Runtime and, where it can hold the
network, the network built from `continual-inference` modules, in one process, interleaved; float32, one stream or clip.
Then, for frame networks and the first of `--threads`, several streams in one call of `native`. What was run is a line
of `--out` and is not run again, so call it as often as there is time; a network takes about a minute on an idle
machine.

Printed are medians of the rounds' ratios with quartiles. The roof comes from rates that are measured thrice in the same
run, the best of each. Every call of `native` has a least time as in `co3d-bench profile`: its multiply-accumulates by
the rate of torch's matrix product, or its bytes by the rate of a copy, whichever is more. Its sum is the roof of the
libraries. Our own products are quicker than torch's, so that this is no limit to them: the roof of the processor has in
its place the rate at which its cores multiply and add numbers that are in registers.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from reference import randomise_batch_norm, relative_error, undilated
from speed.pairs import timed
from speed.step_vs_continual_inference import reference_stepper

from co3d_bench.bench.backends import Ask, get_backend
from co3d_bench.bench.backends.native.compiled import FLAGS, compiler, more_flags
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.measure.ceilings import best_s, measure_ceilings
from co3d_bench.bench.profile.operator_profile import Ceilings, bound_of
from co3d_bench.bench.profile.work import Work
from co3d_bench.models.spec import ModelSpec, is_frame_network
from co3d_bench.models.zoo import find_model

MODELS = (
    "cox3d-s-13", "cox3d-m-16", "cox3d-m-64", "cox3d-l-64", "x3d-s", "x3d-m", "coi3d-r50-8", "coslow-r50-8",
    "coslowfast-8x8-r50-32", "slowfast-8x8-r50", "i3d-r50", "cor2plus1d-18-16", "r2plus1d-18-16", "rcu-8",
)  # fmt: skip
ENGINES = ("native", "openvino", "onnxruntime")
AUTHORS = "authors"  # the network of their modules
COMPARED = 6  # frames; tests hold every engine to longer streams
FEWEST, MOST = 5, 40  # rounds
WARM_UP = 3
# As many chains of multiply-adds as hide how long one takes; long enough that the loop costs nothing.
PEAK = """
#include <thread>
#include <vector>
#if defined(__AVX512F__)
constexpr int V = 16;
#elif defined(__AVX__)
constexpr int V = 8;
#else
constexpr int V = 4;
#endif
typedef float vec __attribute__((vector_size(4 * V)));
constexpr int CHAINS = 12, TURNS = 500000;
static void turn(float *out) {
    // Each chain begins elsewhere and depends on itself, so that no multiply-add can be left out.
    vec a = out[0] - vec{}, b = out[1] - vec{}, sum[CHAINS];
    for (int j = 0; j < CHAINS; ++j) sum[j] = a + (float)j;
    for (int i = 0; i < TURNS; ++i)
#pragma GCC unroll 12
        for (int j = 0; j < CHAINS; ++j) sum[j] = sum[j] * a + b;
    for (int j = 1; j < CHAINS; ++j) sum[0] += sum[j];
    out[2] = sum[0][0];
}
extern "C" double multiply_adds(int threads) {
    std::vector<std::thread> others;
    std::vector<float> out(64 * threads, 0.5f);
    for (int i = 1; i < threads; ++i) others.emplace_back(turn, &out[64 * i]);
    turn(&out[0]);
    for (auto &other : others) other.join();
    return (double)threads * CHAINS * TURNS * V;
}
"""

Row = dict[str, Any]


def build_peak(folder: Path) -> Callable[[int], float]:
    """Compiled as the kernels are: does its multiply-adds in so many threads and returns how many they were."""
    source, library = folder / "peak.cpp", folder / "peak.so"
    source.write_text(PEAK)
    subprocess.run([compiler(), *FLAGS, *more_flags(), str(source), "-o", str(library)], check=True)
    function = ctypes.CDLL(str(library)).multiply_adds
    function.restype = ctypes.c_double
    return function


class Limits:
    """What the machine did at best, so far."""

    def __init__(self, peak: Callable[[int], float]) -> None:
        self._peak = peak
        self.ceilings: Ceilings | None = None
        self.multiply_adds_per_s = 0.0

    def look(self, threads: int) -> None:
        new = measure_ceilings(time.perf_counter)
        old = self.ceilings or new
        best = {name: max(getattr(new, name), getattr(old, name)) for name in ("gemm_macs_per_s", "copy_bytes_per_s")}
        self.ceilings = new.model_copy(update=best)
        seconds = best_s(lambda: self._peak(threads), clock=time.perf_counter, budget_s=0.2)
        self.multiply_adds_per_s = max(self.multiply_adds_per_s, self._peak(threads) / seconds)

    def row(self, work: Sequence[Work]) -> Row:
        """The least seconds of those calls, and the rates."""
        assert self.ceilings
        each = [bound_of(self.ceilings, 0, one.macs, one.moved_bytes)[1] or 0.0 for one in work]
        macs = sum(one.macs for one in work)
        return {
            "roof_s": sum(each),
            "peak_s": macs / self.multiply_adds_per_s,
            "macs": macs,
            "gemm_macs_per_s": self.ceilings.gemm_macs_per_s,
            "copy_bytes_per_s": self.ceilings.copy_bytes_per_s,
            "multiply_adds_per_s": self.multiply_adds_per_s,
        }


def network(spec: ModelSpec) -> torch.nn.Module:
    torch.manual_seed(0)
    return randomise_batch_norm(spec.build()).eval()


def inputs_of(spec: ModelSpec, batch: int) -> list[torch.Tensor]:
    return [torch.randn(batch, *spec.input_shape) for _ in range(4)]


def difference(runnable: Any, net: Any, inputs: Sequence[torch.Tensor]) -> float:
    """How far the engine's answers to a few inputs are from the network's."""
    if not is_frame_network(net):
        return relative_error(runnable.step(inputs[0]), net(inputs[0]))
    runnable.reset()
    state, worst = net.initial_state(len(inputs[0])), 0.0
    for x in inputs:
        y, state = net.step(x, state)
        worst = max(worst, relative_error(runnable.step(x), y))
    return worst


def engines_of(name: str, threads: int) -> tuple[dict[str, Callable[[], object]], list[Work]]:
    """A call of each engine that runs the network and answers as it does, and the work of native's calls."""
    spec = find_model(name)
    net, inputs = network(spec), inputs_of(spec, 1)
    found: dict[str, Callable[[], object]] = {}
    work: list[Work] = []
    for engine in ENGINES:
        backend = get_backend(engine)
        try:
            runnable: Any = backend.prepare(net, inputs[0], Ask("fp32", threads))
        except (UserError, RuntimeError) as error:
            print(f"{name} by {engine}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            continue
        error = difference(runnable, net, inputs[:1] * COMPARED)
        if error > backend.tolerance["fp32"]:  # a wrong answer has no speed
            print(f"{name} by {engine}: wrong, {error:.1e} off", file=sys.stderr, flush=True)
            continue
        if engine == "native":
            work = [call.work for call in runnable.traced_steps(inputs[:1], time.perf_counter).steps[0]]
        found[engine] = partial(lambda run, x: run.step(next(x)), runnable, itertools.cycle(inputs))
    if is_frame_network(net):
        try:
            found[AUTHORS] = reference_stepper(randomise_batch_norm(undilated(name)).eval(), inputs)
            found[AUTHORS]()
        except Exception as error:  # noqa: BLE001 - whatever their library lacks
            found.pop(AUTHORS, None)
            reason = str(error).partition("\n")[0] or type(error).__name__
            print(f"{name} by {AUTHORS}: {reason}", file=sys.stderr, flush=True)
    return found, work


def streams_of(name: str, counts: Iterable[int], threads: int) -> dict[str, Callable[[], object]]:
    """A call of `native` for each number of streams."""
    spec = find_model(name)
    net, found = network(spec), {}
    for count in counts:
        inputs = inputs_of(spec, count)
        runnable = get_backend("native").prepare(net, inputs[0], Ask("fp32", threads))
        found[str(count)] = partial(lambda run, x: run.step(next(x)), runnable, itertools.cycle(inputs))
    return found


def measured(
    calls: dict[str, Callable[[], object]], seconds: float, between: Callable[[], object] = lambda: None
) -> dict[str, list[float]]:
    """Seconds of a call of each, round by round; `between` is called before, in the middle and behind."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for name in names * WARM_UP:
        calls[name]()
    between()
    start, looked = time.perf_counter(), False
    for index in range(MOST):
        gone = (time.perf_counter() - start) / seconds
        if gone > 1 and index >= FEWEST:
            break
        if not looked and (gone > 0.5 or index == MOST // 2):
            between()
            looked = True
        for name in (*names[index % len(names) :], *names[: index % len(names)]):
            found[name].append(timed(calls[name]))
    between()
    return found


def run(name: str, threads: int, options: argparse.Namespace, peak: Callable[[int], float]) -> Iterator[Row]:
    """The rows of a network with so many threads which the file does not have."""
    torch.set_num_threads(threads)
    row = {"model": name, "threads": threads, "at": datetime.now(timezone.utc).isoformat(timespec="seconds")}
    have = {key_of(each) for each in rows_in(options.out)}
    if key_of({**row, "kind": "engines"}) not in have:
        calls, work = engines_of(name, threads)
        limits = Limits(peak)
        found = measured(calls, options.seconds, lambda: limits.look(threads))
        yield {**row, "kind": "engines", "seconds": found, "limits": limits.row(work)}
        del calls
        gc.collect()
    if (
        threads == options.threads[0]
        and find_model(name).form == "frame"
        and key_of({**row, "kind": "streams"}) not in have
    ):
        yield {
            **row,
            "kind": "streams",
            "seconds": measured(streams_of(name, options.streams, threads), options.seconds),
        }
        gc.collect()


def key_of(row: Row) -> tuple[str, int, str]:
    return row["model"], row["threads"], row["kind"]


def rows_in(file: Path) -> list[Row]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def ratio(over: Iterable[float], under: Iterable[float], digits: int = 2) -> str:
    """The median of the rounds' ratios, with quartiles."""
    low, middle, high = statistics.quantiles([a / b for a, b in zip(over, under, strict=True)], n=4)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def table(rows: list[Row], options: argparse.Namespace) -> Iterator[str]:
    """As Markdown, in the order of the options."""
    found = {key_of(row): row for row in rows}
    cases = [(name, threads) for threads in options.threads for name in options.models]
    heads = ("network", "threads", "`native`, ms", "OpenVINO", "ONNX Runtime", "authors", "roof, %", "multiply-adds, %")
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for case in cases:
        if row := found.get((*case, "engines")):
            yield engines_line(row)
    counts = [str(count) for count in options.streams]
    yield f"\n| network | threads | {' | '.join(f'{count} streams' for count in counts)} |"
    yield "|---" * (2 + len(counts)) + "|"
    for case in cases:
        if (row := found.get((*case, "streams"))) and set(counts) <= set(row["seconds"]):
            each = {count: [s / int(count) for s in row["seconds"][count]] for count in counts}
            ms = [f"{1e3 * statistics.median(each[count]):.2f}" for count in counts]
            cells = [
                ms[0],
                *(f"{m}, {ratio(each[c], each[counts[0]])}" for m, c in zip(ms[1:], counts[1:], strict=True)),
            ]
            yield f"| `{case[0]}` | {case[1]} | {' | '.join(cells)} |"
    yield from rates(rows)


def engines_line(row: Row) -> str:
    seconds, limits = row["seconds"], row["limits"]
    own = seconds["native"]
    rivals = [ratio(seconds[name], own) if name in seconds else "" for name in (*ENGINES[1:], AUTHORS)]
    shares = [ratio(itertools.repeat(100 * limits[name], len(own)), own, 0) for name in ("roof_s", "peak_s")]
    cells = [f"`{row['model']}`", str(row["threads"]), f"{1e3 * statistics.median(own):.2f}", *rivals, *shares]
    return f"| {' | '.join(cells)} |"


def rates(rows: list[Row]) -> Iterator[str]:
    """The least and the most of the runs' rates, for each number of threads."""
    for threads in sorted({row["threads"] for row in rows}):
        limits = [row["limits"] for row in rows if row["threads"] == threads and "limits" in row]
        texts = []
        for name, what, unit in (
            ("gemm_macs_per_s", "matrix product", "GMAC/s"),
            ("copy_bytes_per_s", "copy", "GB/s"),
            ("multiply_adds_per_s", "multiply-adds in registers", "GMAC/s"),
        ):
            values = [each[name] / 1e9 for each in limits] or [0.0]
            texts.append(f"{what} {min(values):.0f} to {max(values):.0f} {unit}")
        yield f"\n{threads} threads: {', '.join(texts)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", "--model", nargs="+", default=MODELS)
    parser.add_argument("--threads", nargs="+", type=int, default=[2, 1])
    parser.add_argument("--streams", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--seconds", type=float, default=6.0, help="of measuring, for each line")
    parser.add_argument(
        "--out", type=Path, default=Path("results/native-table.jsonl"), help="file of what was measured"
    )
    parser.add_argument("--table", action="store_true", help="only print what the file has")
    options = parser.parse_args()
    if not options.table:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
            peak = build_peak(Path(folder))
            for name, threads in itertools.product(options.models, options.threads):
                for row in run(name, threads, options, peak):
                    with options.out.open("a") as file:
                        print(json.dumps(row), file=file)
                    print(f"{name}, {threads} threads: {row['kind']} measured", file=sys.stderr, flush=True)
    print("\n".join(table(rows_in(options.out), options)))


if __name__ == "__main__":
    main()
