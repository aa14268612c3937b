"""The network as a function of tensors: what it hands back and what moves up make the state that `step` gives."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from co3d_bench.bench.export.flat import FlatRunnable, flatten
from co3d_bench.bench.record.record import Engine
from co3d_bench.models import continual as co


def network():
    """Layers of every kind of state: frames kept, sums kept, a delayed residual, a pool."""
    torch.manual_seed(0)
    blocks = co.Sequential(
        co.Conv3d(3, 8, (5, 3, 3), padding=(2, 1, 1)),
        co.Residual(co.Sequential(co.Conv3d(8, 4, 3, padding=1), co.Conv3d(4, 8, 3, padding=1)), nn.ReLU()),
        co.SpatialMean(),
        co.ClipPool(4),
        co.Projection(8, 5),
    )
    return co.FrameNetwork(blocks, (3, 6, 6)).eval()


@pytest.mark.parametrize("batch", [1, 2])
def test_it_streams_as_step_does(batch):
    net = network()
    frames = torch.randn(20, batch, 3, 6, 6)
    made = flatten(net, frames[0], torch.float32)
    runnable = FlatRunnable(made, made.function, Engine(name="none", version="0"))
    layouts = [tensor.stride() for tensor in made.state]
    for _ in range(2):
        state = net.initial_state(batch)
        runnable.reset()
        for frame in frames:
            y, state = net.step(frame, state)
            assert torch.equal(runnable.step(frame), y)
            for ours, theirs in zip(runnable.state_tensors(), state, strict=True):
                assert torch.equal(ours, theirs)
        for tensor, layout in zip(runnable.state_tensors(), layouts, strict=True):
            assert all(a == b for size, a, b in zip(tensor.shape, tensor.stride(), layout, strict=True) if size > 1)


def test_only_what_is_new_is_handed_back():
    made = flatten(network(), torch.randn(1, 3, 6, 6), torch.float32)
    new = len(made.function(*made.inputs)) - 1
    # conv: 1 frame of 4; the residual's convolutions: 1 frame of 2 (4 -> 8), 2 sums of 2 (8 -> 4); delay: 1; pool: 1.
    assert len(made.state) == 4 + 2 + 2 + 4 - 2 + 1
    assert new < len(made.state)
    assert max(made.sources) == len(made.state) + new - 1
    pointers = [tensor.data_ptr() for tensor in made.state]
    assert len(set(pointers)) == len(pointers)


def test_a_clip_network_has_no_state():
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 2))
    x = torch.randn(1, 3, 2)
    made = flatten(net, x, torch.float32)
    runnable = FlatRunnable(made, made.function, Engine(name="none", version="0"))
    assert torch.equal(runnable.step(x), net(x))
    assert runnable.state_tensors() == ()
