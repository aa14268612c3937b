"""The recorded step, with a stand-in for CUDA's recording: calls that are repeated on the same memory."""

from __future__ import annotations

import pytest
import torch

from co3d_bench.bench.backends import cudagraph
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.export.flat import flatten
from co3d_bench.bench.plan.plan import PlanFacts, plan
from co3d_bench.bench.plan.resolve import make_config
from co3d_bench.bench.record.record import Engine
from co3d_bench.models import continual as co


def network():
    torch.manual_seed(0)
    inner = co.Sequential(co.Conv3d(8, 4, 3, padding=1), co.Conv3d(4, 8, (5, 1, 1), padding=(2, 0, 0)))
    blocks = co.Sequential(
        co.Conv3d(3, 8, 3, padding=1),
        co.Residual(inner, co.Swish()),
        co.SpatialMean(),
        co.ClipPool(4),
        co.Projection(8, 5),
    )
    return co.FrameNetwork(blocks, (3, 6, 6)).eval()


def repeat(body):
    """As CUDA does it: called first to be warm, and what it wrote then is overwritten by the replays."""
    for _ in range(cudagraph.WARM_UPS):
        body()
    return body


def recorded(net, example):
    return cudagraph.Recorded(
        flatten(net, example, torch.float32), repeat, lambda: None, Engine(name="none", version="0")
    )


@torch.inference_mode()
def test_it_streams_as_step_does_from_fixed_memory():
    net = network()
    frames = torch.randn(25, 1, 3, 6, 6)
    runnable = recorded(net, frames[0])
    places = [tensor.data_ptr() for tensor in runnable.state_tensors()]
    for _ in range(2):
        runnable.reset()
        state = net.initial_state(1)
        for frame in frames:
            y, state = net.step(frame, state)
            torch.testing.assert_close(runnable.step(frame), y)
    assert [tensor.data_ptr() for tensor in runnable.state_tensors()] == places


@torch.inference_mode()
def test_clips_too():
    clip = torch.randn(1, 3, 30, 6, 6)
    net = network()
    runnable = recorded(type("Clip", (torch.nn.Module,), {"forward": lambda self, x: net(x)})(), torch.zeros_like(clip))
    torch.testing.assert_close(runnable.step(clip), net(clip))


def test_no_place_is_written_before_it_is_read():
    sources = (1, 2, 5, 3, 0)  # 0 <- 1 <- 2 <- new; 3 stays; 4 <- 0
    values = ["a", "b", "c", "d", "e", "new"]
    state = values[:5]
    for place, source in cudagraph.copy_order(sources):
        state[place] = values[source] if source >= len(state) else state[source]
    assert state == [values[source] for source in sources]


def test_places_that_swap_are_refused():
    with pytest.raises(UserError, match="swaps"):
        cudagraph.copy_order((1, 0))


def test_on_this_cpu_the_plan_leaves_it_out_and_says_why():
    config = make_config({"plan": {"models": ["x3d-xs"], "backends": ["eager", "cudagraph"]}})
    planned = plan(config, PlanFacts(auto_threads=1))
    assert [case.backend for case in planned.cases] == ["eager"]
    (left_out,) = planned.left_out
    assert left_out.why == "backend cudagraph runs on cuda, not on cpu"


def test_without_a_driver_it_is_missing(monkeypatch):
    def no_library(name):
        raise OSError

    monkeypatch.setattr(cudagraph.ctypes, "CDLL", no_library)
    assert "libcuda.so.1" in str(cudagraph.missing())
    with pytest.raises(UserError, match=r"libcuda\.so\.1"):
        cudagraph.prepare(network(), torch.randn(1, 3, 6, 6), cudagraph.Ask())
