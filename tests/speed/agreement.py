"""Whether runs that call themselves steady agree: fresh runs of the same networks, one after the other.

    python tests/speed/agreement.py [--models x3d-xs cox3d-s-13] [--runs 10] [--beside N] [--timeout S] [--rival]
                                    [--keep FOLDER]

Each run is what `co3d-bench run` does by default; its figure is that of the process that stands for it. Stores are
thrown away, or kept in a folder, where the same command finds them again: then it judges those, by the rules as they
are by now, and runs only what is missing. A machine on which nothing was measured before has no usual pace yet: let
some runs go before. With `--beside 1` a process burns one core meanwhile; a call may then take seconds, so give it a
`--timeout`, at half of which sampling ends. With `--rival` pytorch-benchmark (mean of 100) measures the same network in
a fresh process of its own after each run; it wants an older ptflops than ours, so install it without its wants:
pip install --no-deps pytorch-benchmark==0.3.6 gputil tqdm pyyaml. Printed: each run, then largest / smallest of the
medians, told at one pace of the machine, as `compare` tells them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

from co3d_bench.bench.config import Override, load_config
from co3d_bench.bench.one_pace import at_one_pace
from co3d_bench.bench.processes import middle
from co3d_bench.bench.record import Record
from co3d_bench.bench.run import run
from co3d_bench.bench.stats import median_latency_s, summarise, verdict
from co3d_bench.bench.store import read_records, records_file

# pytorch-benchmark as its README uses it; it prints to both streams, so the figure is the last line. The state of a
# frame network is kept in the module that it calls.
RIVAL = """
import json, sys, torch
from pytorch_benchmark import benchmark
from co3d_bench.models.spec import is_frame_network
from co3d_bench.models.zoo import find_model
spec = find_model(sys.argv[1])
torch.manual_seed(0)
net = spec.build().eval()
class Stepper(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net
        self.state = net.initial_state(batch_size=1)
    def forward(self, frame):
        scores, self.state = self.net.step(frame, self.state)
        return scores
model = Stepper() if is_frame_network(net) else net
found = benchmark(model, torch.randn(1, *spec.input_shape), num_runs=100, print_fn=lambda *a: None)
timing = found["timing"]["batch_size_1"]["on_device_inference"]["metrics"]  # on a CPU there is nothing else
print(json.dumps(timing["seconds_per_batch_mean"]))
"""


@contextmanager
def burning(count: int):
    """So many processes that keep a core busy each."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def measured(model: str, timeout_s: float | None, folder: Path) -> list[Record]:
    """The processes of a run: those of the folder, where they are there."""
    if records_file(folder).exists():
        return read_records(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as unfinished:
        given = {"plan.models": Override("--models", [model]), "run.out": Override("--out", unfinished)}
        if timeout_s is not None:
            given["run.timeout_s"] = Override("--timeout", timeout_s)
        found = run(load_config(None, given))
        records_file(unfinished).rename(records_file(folder))
    return found


def rival_s(model: str) -> float:
    done = subprocess.run([sys.executable, "-c", RIVAL, model], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"pytorch-benchmark: {done.stderr.strip().splitlines()[-1]}")
    return float(json.loads(done.stdout.strip().splitlines()[-1]))


def line_of(record: Record) -> str:
    """What a run says of a network."""
    if record.timing is None:
        raise SystemExit(f"{record.key}: {record.error and record.error.message}")
    summary, found = summarise(record.timing.samples), verdict(record)
    line = f"{1e3 * summary.median_s:.2f} ms (x {summary.pace_factor:.3f} for the pace), {found.kind}"
    return "; ".join((f"{line}, {summary.clean_count} of {summary.count} clean", *found.reasons, *record.notes[-1:]))


def show(model: str, runs: list[list[Record]]) -> None:
    """How far they agree, told at one pace."""
    told = iter(at_one_pace(process for run in runs for process in run))
    told = [list(itertools.islice(told, len(run))) for run in runs]
    shown = [middle(run) for run in told]
    steady = [median_s(record) for record in shown if verdict(record).kind == "steady"]
    print(f"{model}: steady: {spread(steady)}; all: {spread([median_s(record) for record in shown])}")
    single = [process for run in told for process in run if process.timing]
    alone = [median_s(process) for process in single if verdict(process).kind == "steady"]
    print(f"{model}: steady single processes: {spread(alone)}; all: {spread([median_s(each) for each in single])}")
    raw = [
        statistics.median(summarise(each.timing.samples).all_median_s for each in run if each.timing) for run in told
    ]
    print(f"{model}: all runs as measured, the median of their processes: {spread(raw)}")


def median_s(record: Record) -> float:
    assert record.timing
    return median_latency_s(record.timing.samples)


def spread(values: list[float]) -> str:
    if not values:
        return "none"
    low, high = 1e3 * min(values), 1e3 * max(values)
    return f"{len(values)}, {low:.2f} to {high:.2f} ms, largest / smallest {high / low:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["x3d-xs", "cox3d-s-13"])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--beside", type=int, default=0, help="processes that burn a core each meanwhile")
    parser.add_argument("--timeout", type=float, help="seconds a case may take")
    parser.add_argument("--rival", action="store_true", help="pytorch-benchmark as well")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the stores are kept, and looked for")
    options = parser.parse_args()
    runs, theirs = defaultdict(list), defaultdict(list)
    with burning(options.beside), tempfile.TemporaryDirectory() as thrown_away:
        stores = options.keep or Path(thrown_away)
        for number in range(options.runs):
            for model in options.models:
                processes = measured(model, options.timeout, stores / f"{number + 1}-{model}")
                print(f"{number + 1} {model:12} {line_of(middle(processes))}", flush=True)
                runs[model].append(processes)
                if options.rival:
                    theirs[model].append(rival_s(model))
    for model, each in runs.items():
        show(model, each)
        if theirs[model]:
            mean = statistics.mean(theirs[model])
            print(f"{model}: pytorch-benchmark: {spread(theirs[model])}, mean {1e3 * mean:.2f} ms")


if __name__ == "__main__":
    main()
