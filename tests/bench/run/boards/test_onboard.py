"""The script of a board, as it lies there, on this machine."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from types import SimpleNamespace

import pytest
import torch as real_torch

from co3d_bench.bench.measure.loop import FEWEST
from co3d_bench.bench.record.cuda_facts import CudaFacts, CudaFlags, CudaMemory
from co3d_bench.bench.record.openmp import WAITING
from co3d_bench.bench.record.record import Timing
from co3d_bench.bench.run.boards.boards import SCRIPTS
from co3d_bench.devices.remote.board import AGENT

from ...fake_cuda import FakeCuda, fake_torch


@pytest.fixture
def onboard(tmp_path, monkeypatch):
    """Imported from a folder like that of a board, with all that lies beside it."""
    for file in (*AGENT, *SCRIPTS):
        shutil.copy(file, tmp_path)
        monkeypatch.delitem(sys.modules, file.stem, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("onboard")
    for file in (*AGENT, *SCRIPTS):
        sys.modules.pop(file.stem, None)


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


@pytest.fixture
def gpu(onboard, monkeypatch):
    """A stand-in for CUDA whose tensors stay on the CPU, which torch also knows as `cpu:0`."""
    cuda = FakeCuda()
    torch = SimpleNamespace(**{**vars(real_torch), "cuda": cuda, "version": SimpleNamespace(cuda="11.4")})
    torch.backends = fake_torch(cuda).backends
    torch.set_num_interop_threads = lambda count: None  # once in a process, says torch
    runner = SimpleNamespace(
        Program=lambda path, device: Program(cuda, path, device), example=lambda row, index: real_torch.ones(1, 2)
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "runner", runner)
    available = iter([9_000, 5_000] * 2)
    monkeypatch.setattr(onboard, "available_bytes", lambda: next(available))
    return cuda


JOB = {
    "artefact": "net.zip",
    "torch_device": "cpu:0",
    "unified_memory": True,
    "threads": real_torch.get_num_threads(),
    "seed": 0,
    "ring_length": 4,
    "fill": 0,
    "settings": {"runs": 6, "min_s": 0.0},
    "timeout_s": 60.0,
    "check": 3,
    "rows": [0],
    "energy": None,
}


def events_of(onboard, folder, **changes):
    events = []
    onboard.aten_json({**JOB, **changes}, folder, lambda event, **fields: events.append((event, fields)))
    return json.loads(json.dumps(events))


def test_its_threads_give_way_as_ours_do(onboard, gpu, tmp_path, monkeypatch):
    for name in ("OMP_WAIT_POLICY", *WAITING):
        monkeypatch.setenv(name, "")  # so that it is put back in the end
        monkeypatch.delenv(name)
    _, measured = events_of(onboard, tmp_path)[-1]
    assert WAITING.items() <= measured["environ"].items()
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    _, measured = events_of(onboard, tmp_path)[-1]
    assert measured["environ"]["GOMP_SPINCOUNT"] == "7"


def test_on_a_gpu_it_reports_the_devices_clock_copies_and_memory(onboard, gpu, tmp_path):
    *before, (event, measured) = events_of(onboard, tmp_path)
    assert event == "measured"
    facts = CudaFacts.model_validate(measured["cuda"])
    assert facts.device_s == pytest.approx([0.003] * 6)
    assert facts.flags == CudaFlags(cudnn_benchmark=True, cudnn_tf32=False, matmul_tf32=False)
    assert (facts.name, facts.capability, facts.cuda, facts.cudnn) == ("Xavier", "7.2", "11.4", "8600")
    assert facts.memory == CudaMemory(peak_allocated_bytes=1_000, peak_reserved_bytes=2_000, available_drop_bytes=4_000)
    assert gpu.calls == ["empty_cache", "reset_peak_memory_stats"]
    assert facts.to_device_s >= 0
    timing = Timing.model_validate(measured["timing"])
    assert timing.loop_overhead_s > 0
    assert None not in (timing.background_load_before, timing.background_load)
    assert [event for event, _ in before].count("answer") == 3
    assert measured["allocator"]


def test_memory_that_a_gpu_does_not_share_says_nothing_of_it(onboard, gpu, tmp_path):
    _, measured = events_of(onboard, tmp_path, unified_memory=False)[-1]
    assert measured["cuda"]["memory"]["available_drop_bytes"] is None


def test_where_its_time_is_over_it_keeps_what_it_has(onboard, gpu, tmp_path):
    """A few samples and one answer; energy would take longer than there is."""
    energy = {"blocks": 1, "block_s": 2.0, "after_s": 0.0, "needed_s": 6.6}
    settings = {"runs": 3000, "min_s": 0.0}
    events = events_of(onboard, tmp_path, timeout_s=1e-6, settings=settings, energy=energy)
    assert [event for event, _ in events if event != "phase"] == ["answer", "measured"]
    timing = Timing.model_validate(events[-1][1]["timing"])
    assert (len(timing.samples), timing.warmup_predictions) == (FEWEST, 1)
