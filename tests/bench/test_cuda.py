"""Against a stand-in for torch.cuda: no card is at hand."""

from types import SimpleNamespace

import pytest

from co3d_bench.bench.cuda import (
    DeviceClock,
    read_facts,
    read_memory,
    set_flags,
    start_memory,
    time_copies,
)
from co3d_bench.bench.cuda_facts import CudaFlags
from co3d_bench.devices.root import Local


class FakeCuda:
    """Work is queued and done when somebody waits for it; the device's clock runs only while it works."""

    def __init__(self):
        self.now = 0.0  # of the host
        self.device_now = 0.0
        self.queue = []
        self.allocated = self.reserved = 0
        self.resets = 0

    def launch(self, seconds):
        self.now += 0.001  # what a launch costs the host
        self.queue.append(seconds)

    def synchronize(self):
        for job in self.queue:
            if callable(job):
                job()
            else:
                self.device_now += job
                self.now += job
        self.queue.clear()

    def Event(self, enable_timing):
        assert enable_timing
        event = SimpleNamespace(time=None)

        def mark():
            event.time = self.device_now

        def elapsed_time(later):
            assert None not in (event.time, later.time), "asked before the device was waited for"
            return (later.time - event.time) * 1e3

        event.record = lambda: self.queue.append(mark)
        event.elapsed_time = elapsed_time
        return event

    def reset_peak_memory_stats(self):
        self.resets += 1
        self.allocated = self.reserved = 0

    def max_memory_allocated(self):
        return self.allocated

    def max_memory_reserved(self):
        return self.reserved

    def get_device_name(self):
        return "Xavier"

    def get_device_capability(self):
        return (7, 2)


def fake_torch(cuda):
    return SimpleNamespace(
        cuda=cuda,
        version=SimpleNamespace(cuda="11.4"),
        backends=SimpleNamespace(
            cuda=SimpleNamespace(matmul=SimpleNamespace(allow_tf32=True)),
            cudnn=SimpleNamespace(allow_tf32=True, benchmark=False, version=lambda: 8600),
        ),
    )


def test_switches_are_set_whatever_they_were():
    torch = fake_torch(FakeCuda())
    flags = set_flags(torch)
    assert flags == CudaFlags(cudnn_benchmark=True, cudnn_tf32=False, matmul_tf32=False)
    assert torch.backends.cuda.matmul.allow_tf32 is torch.backends.cudnn.allow_tf32 is False
    assert set_flags(torch, tf32=True, benchmark=False) == CudaFlags(
        cudnn_benchmark=False, cudnn_tf32=True, matmul_tf32=True
    )
    facts = read_facts(torch, flags)
    assert (facts.name, facts.capability, facts.cuda, facts.cudnn) == ("Xavier", "7.2", "11.4", "8600")


def test_the_real_torch_has_these_switches():
    import torch

    before = (torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32)
    try:
        assert set_flags(torch) == CudaFlags(cudnn_benchmark=True, cudnn_tf32=False, matmul_tf32=False)
    finally:
        torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def test_the_device_takes_less_than_the_user_waits():
    cuda = FakeCuda()
    step = DeviceClock(cuda, lambda x: [cuda.launch(x / 2), cuda.launch(x / 2)])
    waited = []
    for x in (0.010, 0.020):
        begin = cuda.now
        step(x)
        cuda.synchronize()
        waited.append(cuda.now - begin)
    assert step.seconds() == pytest.approx([0.010, 0.020])
    assert waited == pytest.approx([0.012, 0.022])


def test_memory_of_a_board_whose_gpu_shares_it(tmp_path):
    (tmp_path / "proc").mkdir()
    meminfo = tmp_path / "proc/meminfo"
    root, cuda = Local(tmp_path), FakeCuda()
    meminfo.write_text("MemTotal: 8000000 kB\nMemAvailable: 5000000 kB\n")
    before = start_memory(cuda, root)
    assert (before, cuda.resets) == (5_000_000 * 1024, 1)
    cuda.allocated, cuda.reserved = 100, 200
    meminfo.write_text("MemTotal: 8000000 kB\nMemAvailable: 4000000 kB\n")
    found = read_memory(cuda, before, True, root)
    assert (found.peak_allocated_bytes, found.peak_reserved_bytes) == (100, 200)
    assert found.available_drop_bytes == 1_000_000 * 1024
    meminfo.write_text("MemTotal: 8000000 kB\nMemAvailable: 6000000 kB\n")  # somebody else gave some back
    assert read_memory(cuda, before, True, root).available_drop_bytes == 0
    assert read_memory(cuda, before, False, root).available_drop_bytes is None


def test_copies_are_waited_for():
    cuda = FakeCuda()
    places = []

    def on(seconds):
        return SimpleNamespace(to=lambda place: (places.append(place), cuda.launch(seconds)))

    there, back = time_copies(cuda, [on(0.002), on(0.004)], on(0.0005), lambda: cuda.now, copies=4)
    assert there == pytest.approx(0.004)  # the median of 2, 4, 2, 4 ms, and 1 ms of launching
    assert back == pytest.approx(0.0015)
    assert places == ["cuda"] * 4 + ["cpu"] * 4
