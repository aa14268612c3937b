"""The files of ours that run on boards: each by itself, in Python 3.6, from one folder."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys

import pytest

from co3d_bench.bench.measure.loop import FEWEST, Calls, Instruments, SamplingRule, WarmUpRule, sample, warm_up
from co3d_bench.bench.measure.probe import Disturbance
from co3d_bench.bench.record.record import Timing
from co3d_bench.bench.run.boards.boards import SCRIPTS
from co3d_bench.devices.remote.board import AGENT

from ....devices.boards import old_python

SHIPPED = (AGENT, *SCRIPTS)
OLD = old_python("3.6")
old = pytest.mark.skipif(not OLD, reason="there is no python3.6 here")


def names(file):
    return file.name


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """As it is on a board."""
    folder = tmp_path_factory.mktemp("board")
    for file in SHIPPED:
        shutil.copy(file, folder)
    return folder


@pytest.mark.parametrize("file", SHIPPED, ids=names)
def test_it_needs_no_newer_python_than_3_6(file):
    command = [sys.executable, "-c", "import vermin; vermin.main()", "--target=3.6-", "--eval-annotations", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", SHIPPED, ids=names)
def test_it_imports_the_standard_library_and_what_lies_beside_it(file):
    nodes = list(ast.walk(ast.parse(file.read_text())))
    imported = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {(node.module or ".").split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    beside = {each.stem for each in SHIPPED} | {"torch"} if file.name == "onboard.py" else set()
    of_torch = {"torch"} if file.name == "runner.py" else set()
    assert imported <= set(sys.stdlib_module_names) | beside | of_torch


@old
@pytest.mark.parametrize("file", SHIPPED, ids=names)
def test_python_3_6_compiles_it(file, folder):
    command = [OLD, "-c", "import sys; compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')", file.name]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# A case as `onboard.py` takes one, without torch: its step is told how long it takes, or computes for real.
CASE = """
import gc, json, sys, time
sys.path.insert(0, ".")
import onboard
from allocator import keep_freed_memory
from garbage import held_back
from loop import Calls, Instruments, SamplingRule, WarmUpRule, loop_overhead_s, sample, timing_fields, warm_up
from probe import Disturbance, KernelProbe, UseProbe, background_load, peak_rss_bytes, thread_seconds

now, steps = [0.0], json.loads(sys.argv[1])

def told(x):
    now[0] += steps.pop(0)

def computed(x):
    return sum(i * i for i in range(20000))

def series(calls, instruments, rule, sampling):
    warmed = warm_up(calls, instruments.clock, rule)
    with held_back():
        return timing_fields(warmed, sample(calls, instruments, sampling))

clock = lambda: now[0]
use = UseProbe(time.process_time)
used = use()
real = Instruments(time.perf_counter, thread_seconds, KernelProbe())
print(json.dumps({
    "told": series(
        Calls(told, [0, 1], lambda: None), Instruments(clock, clock, lambda: Disturbance(1, 0.5, now[0])),
        WarmUpRule(fill=3), SamplingRule(10, until=float(sys.argv[2]))),
    "computed": series(Calls(computed, [0], lambda: None), real, WarmUpRule(), SamplingRule(20)),
    "collecting": gc.isenabled(), "allocator": keep_freed_memory({}), "rss": peak_rss_bytes(),
    "load": background_load(used, use()), "overhead_s": loop_overhead_s(real), "engines": sorted(onboard.ENGINES),
}))
"""


@pytest.mark.parametrize("python", [pytest.param(OLD, marks=old), sys.executable], ids=["3.6", "ours"])
def test_a_case_is_timed_there_as_here_to_the_digit(python, folder):
    """As many samples as there was time for, too: a slow board keeps them."""
    steps = [1.0 + 0.5 * 0.8**n for n in range(60)]
    command = [python, "-c", CASE, json.dumps(steps), "26.0"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    there = json.loads(done.stdout)
    told, computed = (Timing(load_s=0, first_prediction_s=0, **there[name]) for name in ("told", "computed"))

    now, left = [0.0], list(steps)

    def step(x):
        now[0] += left.pop(0)

    def clock():
        return now[0]

    calls = Calls(step, [0, 1], lambda: None)
    warmed = warm_up(calls, clock, WarmUpRule(fill=3))
    probe = lambda: Disturbance(1, 0.5, now[0])  # noqa: E731 - as over there
    ours = sample(calls, Instruments(clock, clock, probe), SamplingRule(10, until=26.0))
    assert (told.warmup_predictions, told.warmup_stable) == (len(warmed.latency_s), warmed.stable)
    assert tuple(told.warmup_latency_s) == warmed.latency_s
    assert told.samples.latency_s == ours.latency_s
    assert told.samples.waited_s == ours.waited_s
    assert told.sampling_wall_s == ours.wall_s
    assert len(ours.latency_s) == FEWEST  # it was late when the warm-up was over

    assert len(computed.samples.latency_s) == len(computed.samples.involuntary_switches) == 20
    assert min(computed.samples.latency_s) > 1e-5
    assert 0 < there["overhead_s"] < 1e-2
    assert there["rss"] > 1 << 20
    assert (there["collecting"], there["engines"]) == (True, ["aten-json", "trtexec"])
