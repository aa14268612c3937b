"""What is timed over there is timed as here: the same rules, on the same clock, to the digit."""

from __future__ import annotations

import itertools
import json
import os
import sys
from types import SimpleNamespace

import pytest
import torch as real_torch
from hypothesis import given, settings
from hypothesis import strategies as st

from co3d_bench.bench.measure import loop as measure
from co3d_bench.bench.measure import stable
from co3d_bench.bench.measure.probe import Disturbance
from co3d_bench.bench.record.cuda_facts import CudaFlags, CudaMemory
from co3d_bench.bench.record.openmp import WAITING
from co3d_bench.bench.record.record import Settings
from co3d_bench.bench.run.boards import aten, onboard

from ...fake_cuda import FakeCuda, fake_torch


class Clock:
    """A clock on which each step takes what the list says, the last for ever."""

    def __init__(self, steps_s):
        self.steps_s, self.now, self.calls = steps_s, 0.0, 0

    def __call__(self):
        return self.now

    def step(self, x):
        self.now += self.steps_s[min(self.calls, len(self.steps_s) - 1)]
        self.calls += 1


def nothing():
    return None


sys.modules["stable"] = stable  # which lies beside it over there

STEPS = st.lists(st.floats(0.001, 3.0), min_size=1, max_size=40)
RULE = measure.WarmUpRule()


@settings(deadline=None)
@given(STEPS, st.integers(0, 30))
def test_it_warms_up_as_here(steps_s, fill):
    here, there = Clock(steps_s), Clock(steps_s)
    ours = measure.warm_up(here.step, [0, 1], fill=fill, clock=here, synchronize=nothing)
    rule = {
        "window": RULE.window,
        "max_predictions": RULE.max_predictions,
        "max_seconds": RULE.max_seconds,
    }
    before, onboard.clock = onboard.clock, there
    try:
        theirs = onboard.warm_up(there.step, [0, 1], fill, rule, nothing)
    finally:
        onboard.clock = before
    assert (theirs["warmup_predictions"], theirs["warmup_stable"]) == (len(ours.latency_s), ours.stable)
    assert theirs["warmup_latency_s"] == list(ours.latency_s[-100:])
    assert theirs["warmup_s"] == ours.seconds


@settings(deadline=None)
@given(STEPS, st.integers(1, 30), st.sampled_from([0.0, 1.0, 7.5]))
def test_it_samples_as_here(steps_s, runs, min_s):
    here, there = Clock(steps_s), Clock(steps_s)
    asked = Settings(runs=runs, min_s=min_s)

    def counters():
        return (Disturbance(i + 100 * (i > 2), 0.0001 * i * i, 0.01 * i) for i in itertools.count())

    ours = measure.sample(
        here.step,
        [0, 1],
        runs,
        clock=here,
        cpu_clock=here,
        synchronize=nothing,
        probe=counters().__next__,
        min_s=min_s,
    )
    probes = ((c.involuntary_switches, c.steal_s, c.waited_s) for c in counters())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onboard, "clock", there)
        patch.setattr(onboard, "thread_cpu_s", there)
        patch.setattr(onboard, "Probe", lambda: probes.__next__)
        theirs, span = onboard.sample(
            there.step, [0, 1], SimpleNamespace(**asked.model_dump()), nothing, lambda done: None
        )
    assert span == [0.0, ours.wall_s]
    assert len(ours.samples) >= runs
    assert theirs["samples"] == ours.samples.model_dump()
    assert theirs["sampling_wall_s"] == ours.wall_s
    assert theirs["harness_cpu_share"] == ours.own_cpu_s / ours.wall_s


def test_it_takes_no_more_samples_than_here():
    assert onboard.MOST_SAMPLES == measure.MOST


def test_the_probe_counts_what_the_kernel_tells():
    probe = onboard.Probe()
    first = probe()
    second = probe()
    assert len(first) == 3
    assert all(later >= earlier for earlier, later in zip(first, second, strict=True))


def test_threads_give_way_unless_the_board_says_how_they_wait(monkeypatch):
    for name in ("OMP_WAIT_POLICY", *WAITING):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    onboard.give_way(WAITING)
    assert not WAITING.keys() & os.environ.keys()
    monkeypatch.setenv("GOMP_SPINCOUNT", "")  # so that it is put back in the end
    monkeypatch.setenv("KMP_BLOCKTIME", "")
    for name in ("OMP_WAIT_POLICY", *WAITING):
        monkeypatch.delenv(name)
    onboard.give_way(WAITING)
    assert WAITING.items() <= os.environ.items()


def test_numbers_of_one_output_are_found_among_all():
    text = """[
  { "name" : "new_state_0"
  , "dimensions" : "1x2"
  , "values" : [ 9, 9 ]
  }
, { "name" : "scores"
  , "dimensions" : "1x3"
  , "values" : [ 1.5, -2, 3e-05 ]
  }
]"""
    assert onboard.numbers(text, "scores") == "[ 1.5, -2, 3e-05 ]"
    assert onboard.numbers(text, "other") is None


class Program:
    """3 ms of the device's time a step."""

    def __init__(self, cuda, path, device):
        self.cuda, self.device = cuda, device
        self.graph = {"inputs": [{"shape": [1, 2], "dtype": "float32"}]}

    def step(self, x):
        self.cuda.launch(0.003)
        self.cuda.allocated, self.cuda.reserved = 1_000, 2_000
        return x * 2

    def reset(self):
        pass


def test_on_a_gpu_it_tells_the_devices_clock_copies_and_memory(monkeypatch, tmp_path):
    """With a stand-in for CUDA whose tensors stay on the CPU, which torch also knows as `cpu:0`."""
    cuda = FakeCuda()
    torch = SimpleNamespace(**{**vars(real_torch), "cuda": cuda, "version": SimpleNamespace(cuda="11.4")})
    torch.backends = fake_torch(cuda).backends
    torch.set_num_interop_threads = lambda count: None  # once in a process, says torch
    runner = SimpleNamespace(
        Program=lambda path, device: Program(cuda, path, device), example=lambda row, index: real_torch.ones(1, 2)
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "runner", runner)
    available = iter([9_000, 5_000])
    monkeypatch.setattr(onboard, "available_bytes", lambda: next(available))
    told = []
    job = {
        "artefact": "net.zip",
        "torch_device": "cpu:0",
        "threads": real_torch.get_num_threads(),
        "cudnn_benchmark": True,
        "allow_tf32": False,
        "seed": 0,
        "ring_length": 4,
        "fill": 0,
        "warm_up": {"window": RULE.window, "max_predictions": 20, "max_seconds": 5.0},
        "settings": Settings(runs=6).model_dump(),
        "check": 1,
        "rows": [0],
        "energy": None,
    }
    onboard.aten_json(job, tmp_path, lambda event, **fields: told.append((event, fields)))
    event, measured = told[-1]
    assert event == "measured"
    facts = aten._cuda(json.loads(json.dumps(measured["cuda"])), unified=True)
    assert facts.device_s == pytest.approx([0.003] * 6)
    assert facts.flags == CudaFlags(cudnn_benchmark=True, cudnn_tf32=False, matmul_tf32=False)
    assert (facts.name, facts.capability, facts.cuda, facts.cudnn) == ("Xavier", "7.2", "11.4", "8600")
    assert facts.memory == CudaMemory(peak_allocated_bytes=1_000, peak_reserved_bytes=2_000, available_drop_bytes=4_000)
    assert cuda.calls == ["empty_cache", "reset_peak_memory_stats"]
    assert facts.to_device_s >= 0
    apart = aten._cuda(measured["cuda"], unified=False)
    assert apart.memory.available_drop_bytes is None
    assert aten._cuda(None, unified=True) is None
