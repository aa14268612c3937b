"""Long streams: nothing drifts, no step works more for a longer pool, and what can be handed on is not copied."""

from __future__ import annotations

import copy
import sys

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from co3d_bench.models import continual as co

from .networks import built

STEPS = 100_000
POOL = 8
SHAPE = (2, 16, 4, 4)  # of a clip: channels, frames, height, width


@pytest.fixture(autouse=True)
def _no_grad():
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def small_network(pool_frames):
    """Convolutions and a shortcut behind a temporal stride, and a long average."""
    branch = co.Sequential(co.Conv3d(4, 4, 3, padding=1, groups=4, bias=False), co.BatchNorm3d(4))
    net = nn.Sequential(
        nn.Conv3d(2, 4, (3, 1, 1), stride=(2, 1, 1), padding=(1, 0, 0)),
        nn.ReLU(),
        co.Residual(branch, nn.ReLU()),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )
    return co.convert(net.eval(), input_shape=SHAPE, pool_frames=pool_frames, prove=False)


def test_after_100_000_steps_nothing_has_drifted():
    """Each output is made of the last frames alone, by the same sums: to the last bit as if the stream began there."""
    layer = co.Sequential(
        co.Conv3d(2, 1, (3, 1, 1), pad_time=False),  # keeps sums of outputs
        co.Conv3d(1, 2, (2, 1, 1), dilation=(2, 1, 1), pad_time=False),  # keeps inputs
        co.ClipPool(POOL),
    )
    reach = layer.temporal.receptive_field
    torch.manual_seed(0)
    frames = [1000 * torch.randn(1, 2, 1, 1) for _ in range(512)]  # so that lost digits would show
    start = state = layer.initial_state(frames[0], "zeros")
    y = None
    for step in range(STEPS):
        y, state = layer.step(frames[step % 512], state)
    last = [frames[step % 512] for step in range(STEPS - reach, STEPS)]
    fresh, fresh_state = None, start
    for frame in last:
        fresh, fresh_state = layer.step(frame, fresh_state)
    assert torch.equal(y, fresh)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(state, fresh_state, strict=True))
    clip = torch.stack(last, 2).double()
    exact = copy.deepcopy(layer).double()(clip)[:, :, -1]
    # A float sum of as many numbers is off by at most that share of the sum of their sizes.
    sizes = copy.deepcopy(layer).double()
    for weight in sizes.parameters():
        weight.abs_()
    assert ((y - exact).abs() <= reach * torch.finfo(torch.float32).eps * sizes(clip.abs())[:, :, -1]).all()


def test_a_listed_network_forgets_all_but_its_receptive_field():
    net = built("cox3d-s-2")
    clip = torch.randn(1, 3, net.receptive_field + 15, 16, 16)
    state = late = net.initial_state(frame=clip[:, :, 0] * 0)
    scores = late_scores = None
    for index, frame in enumerate(clip.unbind(2)):
        scores, state = net.step(frame, state)
        if index >= 15:
            late_scores, late = net.step(frame, late)
    assert torch.equal(scores, late_scores)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(state, late, strict=True))


class Calls(TorchDispatchMode):
    """The operators that torch runs."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def calls_of_a_step(net):
    """The operators of one step, and how many Python and C functions it called."""
    frame = torch.randn(1, 2, 4, 4)
    _, state = net.step(frame, net.initial_state())
    with Calls() as calls:
        net.step(frame, state)
    python = 0

    def count(frame, event, argument):
        nonlocal python
        python += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        net.step(frame, state)
    finally:
        sys.setprofile(None)
    return calls.names, python


def test_a_longer_pool_adds_no_call():
    short, long = (small_network(pool) for pool in (8, 64))
    assert long.receptive_field == short.receptive_field + 56
    assert calls_of_a_step(long) == calls_of_a_step(short)


LAYERS = {
    "inputs": (co.Conv3d(2, 8, (3, 1, 1), dilation=(2, 1, 1), pad_time=False), 4, 1),
    "sums of outputs": (co.Conv3d(8, 2, (3, 1, 1), pad_time=False), 2, 2),
    "sums of outputs, 3 frames apart": (co.Conv3d(8, 2, (3, 1, 1), dilation=(3, 1, 1), pad_time=False), 6, 2),
    "delay": (co.Delay(5), 5, 1),
    "residual": (co.Residual(co.Sequential(co.Conv3d(2, 2, (7, 1, 1), pad_time=False)), nn.Identity()), 12, 2),
    "pool": (co.ClipPool(9), 1, 1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_step_makes_anew_only_what_changed(name):
    """Tensors in the state, and how many of them are not those of the state before."""
    layer, tensors, new = LAYERS[name]
    channels = next((module.in_channels for module in layer.modules() if isinstance(module, nn.Conv3d)), 2)
    frames = [torch.randn(1, channels, 4, 4) for _ in range(20)]
    state = before = layer.initial_state(frames[0], "zeros")
    for frame in frames:
        before, (_, state) = state, layer.step(frame, state)
    assert len(state) == tensors
    assert len(made_anew(before, state)) == new


def made_anew(before, after):
    """The tensors of a state whose memory the state before did not hold."""
    held = {tensor.untyped_storage().data_ptr() for tensor in before}
    return [tensor for tensor in after if tensor.untyped_storage().data_ptr() not in held]


def test_what_a_step_of_cox3d_m_copies_is_a_small_share_of_its_state():
    net = built("cox3d-m-64")
    frame = torch.randn(1, 3, 32, 32)
    state = before = net.initial_state(frame=frame)
    for _ in range(4):
        before, (_, state) = state, net.step(frame, state)
    made = made_anew(before, state)
    pools = [tensor for tensor in made if tensor.dim() == 5]
    assert [tuple(tensor.shape) for tensor in pools] == [(1, 63, 432, 1, 1)]
    assert sum(tensor.numel() for tensor in pools) * 4 == 108_864  # bytes, at any size of the frame
    # Of each convolution and each shortcut one frame is new, and handed on until it is as old as they reach.
    blocks = 3 + 5 + 11 + 7
    assert len(state) == 4 + (2 + 1) * blocks + 1
    assert len(made) == 1 + (1 + 1) * blocks + 4 + 1  # the four strided ones keep sums of outputs, both with a new term
