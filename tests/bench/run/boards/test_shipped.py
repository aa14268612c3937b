"""The files of ours that run on boards: each by itself, in Python 3.6, from one folder."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys

import pytest

from co3d_bench.bench.measure.loop import FEWEST, WINDOW
from co3d_bench.bench.record.record import Timing
from co3d_bench.bench.run.boards.boards import SCRIPTS
from co3d_bench.devices.remote.board import AGENT

from ....devices.boards import old_python

SHIPPED = (*AGENT, *SCRIPTS)
OLD = old_python("3.6")
old = pytest.mark.skipif(not OLD, reason="there is no python3.6 here")
each_file = pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """As it is on a board."""
    folder = tmp_path_factory.mktemp("board")
    for file in SHIPPED:
        shutil.copy(file, folder)
    return folder


def output(python, *arguments, folder=None):
    done = subprocess.run([python, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@each_file
def test_it_needs_no_newer_python_than_3_6(file):
    output(sys.executable, "-c", "import vermin; vermin.main()", "--target=3.6-", "--eval-annotations", str(file))


@each_file
def test_it_imports_the_standard_library_and_what_lies_beside_it(file):
    nodes = list(ast.walk(ast.parse(file.read_text())))
    imported = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {(node.module or ".").split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    others = {"onboard.py": {"torch", *(each.stem for each in SHIPPED)}, "runner.py": {"torch"}, "agent.py": {"guard"}}
    assert imported <= {*sys.stdlib_module_names, *others.get(file.name, ())}


@old
def test_python_3_6_compiles_all(folder):
    output(OLD, "-m", "py_compile", *(file.name for file in SHIPPED), folder=folder)


# A case as `onboard.py` takes one, without torch: with steps of a second each, by a clock of its own; then for real.
CASE = """
import gc, json, sys, time
sys.path.insert(0, ".")
import onboard
from allocator import keep_freed_memory
from garbage import paused_collector
from loop import Calls, Instruments, SamplingRule, WarmUpRule, loop_overhead_s, sample, timing_fields, warm_up
from probe import Disturbance, KernelProbe, UseProbe, background_load, peak_rss_bytes, thread_seconds

now = [0.0]

def second(x):
    now[0] += 1.0

def computed(x):
    return sum(i * i for i in range(20000))

def timing(step, instruments, rule):
    calls = Calls(step, [0, 1], lambda: None)
    warmed = warm_up(calls, instruments.clock, WarmUpRule(fill=3))
    with paused_collector():
        return timing_fields(warmed, sample(calls, instruments, rule))

clock = lambda: now[0]
use = UseProbe(time.process_time)
used = use()
real = Instruments(time.perf_counter, thread_seconds, KernelProbe())
print(json.dumps({
    "timed": timing(second, Instruments(clock, clock, lambda: Disturbance(1, 0.5, now[0] / 8)), SamplingRule(9, 0, 18)),
    "computed": timing(computed, real, SamplingRule(20)),
    "collecting": gc.isenabled(), "allocator": keep_freed_memory({}), "rss": peak_rss_bytes(),
    "load": background_load(used, use()), "overhead_s": loop_overhead_s(real), "engines": sorted(onboard.ENGINES),
}))
"""


@pytest.mark.parametrize("python", [pytest.param(OLD, marks=old), sys.executable], ids=["3.6", "ours"])
def test_a_case_runs_there_and_a_slow_one_keeps_its_samples(python, folder):
    there = json.loads(output(python, "-c", CASE, folder=folder))
    timed, computed = (Timing(load_s=0, first_prediction_s=0, **there[name]) for name in ("timed", "computed"))
    assert (timed.warmup_predictions, timed.warmup_s, timed.warmup_stable) == (WINDOW, float(WINDOW), True)
    # It was 16 s then, and from 18 s on nothing is begun but the first few.
    assert timed.samples.latency_s == [1.0] * FEWEST
    assert timed.samples.waited_s == [0.125] * FEWEST
    assert (timed.sampling_wall_s, timed.harness_cpu_share) == (float(FEWEST), 0.0)
    assert len(computed.samples.latency_s) == len(computed.samples.involuntary_switches) == 20
    assert min(computed.samples.latency_s) > 1e-5
    assert 0 < there["overhead_s"] < 1e-2
    assert there["rss"] > 1 << 20
    assert (there["collecting"], there["engines"]) == (True, ["aten-json", "native", "trtexec"])
