"""Against a stand-in for torch.cuda: no card is at hand."""

import dataclasses
import time
from types import SimpleNamespace

import pytest
import tiny_zoo
import torch as real_torch
from fake_cuda import FakeCuda, fake_torch
from small_networks import clip_network

from co3d_bench.bench.backends import Ask, get_backend
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.measure import accelerator
from co3d_bench.bench.measure.cuda import Cuda
from co3d_bench.bench.measure.gpu import COPIES, DeviceClock, device_facts, memory_of, set_flags, time_copies
from co3d_bench.bench.measure.job import Job
from co3d_bench.bench.measure.search import search_batches
from co3d_bench.bench.measure.worker import measure_case
from co3d_bench.bench.record.case import Case
from co3d_bench.bench.record.cuda_facts import CudaFacts, CudaFlags, CudaMemory
from co3d_bench.bench.record.record import Settings
from co3d_bench.bench.run.child import Listener, Outcome
from co3d_bench.bench.run.outcome import to_record
from co3d_bench.devices.profile import list_profiles
from co3d_bench.models import continual as co


def flags_of(torch):
    return CudaFlags(**device_facts(torch)["flags"])


def test_switches_are_set_whatever_they_were():
    torch = fake_torch(FakeCuda())
    set_flags(torch)
    assert torch.backends.cuda.matmul.allow_tf32 is torch.backends.cudnn.allow_tf32 is False
    facts = CudaFacts(**device_facts(torch))
    assert facts.flags == CudaFlags(cudnn_benchmark=True, cudnn_tf32=False, matmul_tf32=False)
    assert (facts.name, facts.capability, facts.cuda, facts.cudnn) == ("Xavier", "7.2", "11.4", "8600")
    set_flags(torch, tf32=True, benchmark=False)
    assert flags_of(torch) == CudaFlags(cudnn_benchmark=False, cudnn_tf32=True, matmul_tf32=True)


def test_the_real_torch_has_these_switches():
    backends = real_torch.backends
    before = (backends.cudnn.benchmark, backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32)
    try:
        set_flags(real_torch)
        assert (backends.cudnn.benchmark, backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32) == (
            *(True, False, False),
        )
    finally:
        backends.cudnn.benchmark, backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32 = before


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


def test_memory_is_that_of_one_prediction_and_on_a_shared_one_what_others_lost():
    cuda = FakeCuda()
    cuda.allocated, cuda.reserved = 10_000, 20_000  # of a warm-up that tried algorithms

    def predict():
        cuda.allocated, cuda.reserved = 100, 200

    def found(left, before=None, **options):
        return CudaMemory(**memory_of(cuda, predict, lambda: left, before, **options))

    memory = found(4_000, 5_000)
    assert cuda.calls == ["empty_cache", "reset_peak_memory_stats"]
    assert (memory.peak_allocated_bytes, memory.peak_reserved_bytes) == (100, 200)
    assert memory.available_drop_bytes == 1_000
    assert found(6_000, 5_000).available_drop_bytes == 0  # somebody else gave some back
    assert found(None, 5_000).available_drop_bytes is found(4_000).available_drop_bytes is None
    assert found(4_000, in_torch=False).model_dump(exclude_none=True) == {}


def test_copies_are_waited_for():
    cuda = FakeCuda()
    places = []

    def on(seconds):
        return SimpleNamespace(to=lambda to_device: (places.append(to_device), cuda.launch(seconds)))

    there, back = time_copies(cuda, "cuda", [on(0.002), on(0.004)], [on(0.0005)], lambda: cuda.now)
    assert there == pytest.approx([0.003, 0.005] * (COPIES // 2))  # with 1 ms of launching
    assert back == pytest.approx([0.0015] * COPIES)
    assert places == ["cuda"] * COPIES + ["cpu"] * COPIES


def test_a_torch_that_sees_no_device_says_what_to_do():
    torch = fake_torch(FakeCuda())
    torch.cuda.is_available = lambda: False
    with pytest.raises(UserError, match=r"torch 2\.1\.0 sees no CUDA device; install a build of torch for CUDA"):
        Cuda(torch)


class Card(FakeCuda):
    """A device on which every call of a network takes 3 ms by its own clock, and memory as a test sets it."""

    def __init__(self):
        super().__init__()
        self.flags = fake_torch(self)

    def accelerator(self, job):
        return Watching(self.flags, tf32=job.case.precision == "tf32", unified=True, device="cpu")


class Watching(Cuda):
    """Queues 3 ms of work for each timed call."""

    def with_device_clock(self, step):
        cuda = self._torch.cuda

        def launched(x):
            y = step(x)
            cuda.launch(0.003)
            cuda.allocated, cuda.reserved = 1_000, 2_000
            return y

        return super().with_device_clock(launched)


@pytest.fixture
def card(monkeypatch):
    card = Card()
    monkeypatch.setattr(real_torch, "set_num_interop_threads", lambda count: None)  # once in a process, says torch
    monkeypatch.setitem(accelerator.ACCELERATORS, "cuda", card.accelerator)
    return card


def job(**options):
    case = Case(device="xavier", threads=1, **options)
    settings = Settings(runs=5, timeout_s=60.0)
    (xavier,) = (profile for profile in list_profiles() if profile.name == "xavier")
    return Job(run_id="1", case=case, settings=settings, torch_device="cuda", device=xavier)


def measure(**options):
    """A case measured in this process, as the record that a run makes of it."""
    listener = Listener(lambda event: None, time.process_time)
    asked = job(model="tiny-clip", **options)
    last = measure_case(asked, lambda event: listener.feed(event.line()), tiny_zoo.find_model)
    listener.feed(last.line())
    outcome = Outcome(returncode=0, final=listener.final, measurement=listener.measurement)
    return to_record(asked, tiny_zoo.find_model("tiny-clip"), outcome, 0, 1.0)


def test_a_case_on_a_device_is_timed_by_both_clocks_and_verified(card):
    record = measure()
    assert record.error is None
    assert record.verification.passed
    cuda = record.cuda
    assert (cuda.name, cuda.capability, cuda.cuda, cuda.cudnn) == ("Xavier", "7.2", "11.4", "8600")
    assert cuda.flags == CudaFlags(cudnn_benchmark=True, cudnn_tf32=False, matmul_tf32=False)
    assert cuda.device_s == pytest.approx([0.003] * len(record.timing.samples))
    assert cuda.to_device_s > 0
    assert cuda.to_host_s > 0
    assert cuda.memory.available_drop_bytes >= 0
    assert record.counters.peak_allocated_bytes == cuda.memory.peak_allocated_bytes
    assert record.counters.macs > 0
    assert record.environment.machine.gpu == "Xavier"
    assert (record.environment.versions["cuda"], record.environment.versions["cudnn"]) == ("11.4", "8600")
    assert type(record).model_validate_json(record.model_dump_json()) == record


def test_what_works_on_a_stream_of_its_own_has_no_time_by_events(card, monkeypatch):
    own = dataclasses.replace(get_backend("eager"), own_stream=True, in_torch=False)
    monkeypatch.setattr("co3d_bench.bench.measure.worker.get_backend", lambda name: own)
    record = measure()
    assert (record.ok, record.cuda.device_s) == (True, [])
    assert record.cuda.memory.peak_allocated_bytes is record.counters.peak_allocated_bytes is None


def test_tf32_is_asked_for_by_its_name(card):
    record = measure(precision="tf32")
    assert record.cuda.flags == CudaFlags(cudnn_benchmark=True, cudnn_tf32=True, matmul_tf32=True)
    assert record.verification.tolerance == get_backend("eager").tolerance["tf32"]


def test_a_search_ends_where_the_device_is_full(card):
    asked = job(model="tiny-clip")
    free = iter([8 << 30, 8 << 30, 7 << 30, 4 << 30])  # before all, before the trials, after those of batch 1 and 2
    card.mem_get_info = lambda: (next(free), 16 << 30)
    found = search_batches(asked, tiny_zoo.find_model("tiny-clip"), lambda event: None)
    assert [(trial.batch, trial.peak_device_bytes) for trial in found.trials] == [(1, 1 << 30), (2, 4 << 30)]
    assert found.memory_bytes == int(0.9 * (8 << 30))
    assert found.stopped == "4 would need 8.59 GB of 7.73"


@pytest.mark.parametrize("name", ["eager", "fused"])
def test_engines_of_pytorch_bring_network_and_inputs_to_the_device(name, monkeypatch):
    """On `meta` nothing is computed, but a network and an input must be on one device. It cannot be recorded there."""
    monkeypatch.setattr("co3d_bench.bench.backends.fused._recorded", lambda module, inputs: module(*inputs) and module)
    net = co.convert(clip_network(), prove=False)
    frame = real_torch.zeros(1, 3, 16, 16)
    runnable = get_backend(name).prepare(net, frame, Ask(device="meta"))
    answers = [runnable.step(frame) for _ in range(2)]
    assert {answer.device.type for answer in answers} == {"meta"}
    assert {tensor.device.type for tensor in runnable.state_tensors()} == {"meta"}
    assert next(net.parameters()).device.type == "cpu"
