"""Training frame networks (section 3.8): statistics, and a network that learns which way something moves."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from co3d_bench.models import continual as co

from ..reference import relative_error

PIXELS = 12
FRAMES = 8


@pytest.mark.parametrize(("clip_momentum", "timesteps"), [(0.1, 16), (0.1, 4), (0.5, 8), (0.01, 64), (1.0, 5)])
def test_the_step_momentum_spans_as_many_frames_as_the_clips_had(clip_momentum, timesteps):
    momentum = co.step_momentum(clip_momentum, timesteps)
    assert 2 / momentum - 1 == pytest.approx(timesteps * (2 / clip_momentum - 1), rel=1e-12)
    assert co.step_momentum(clip_momentum, 1) == pytest.approx(clip_momentum, rel=1e-12)


def test_the_papers_formula_in_numbers():
    assert co.step_momentum(0.1, 16) == 2 / 305
    assert co.step_momentum(0.1, 4) == 2 / 77


@pytest.mark.parametrize(("clip_momentum", "timesteps"), [(0.1, 16), (0.1, 4), (0.02, 64)])
def test_after_the_frames_of_a_clip_as_much_is_forgotten_as_after_the_clip(clip_momentum, timesteps):
    """Fed with frames of the same statistics, running means meet; the formula leaves a share of 2 / (3 N^3)."""
    by_steps, by_clips = (co.BatchNorm3d(3, momentum=clip_momentum).double().train() for _ in range(2))
    co.set_step_momentum(by_steps, timesteps)
    frame = 5 + torch.randn(4, 3, 6, 6, dtype=torch.double)
    for _ in range(timesteps):
        by_steps(frame)
    by_clips(frame.unsqueeze(2).expand(-1, -1, timesteps, -1, -1))
    mean = frame.mean((0, 2, 3))
    left = [(1 - norm.running_mean / mean) for norm in (by_steps, by_clips)]  # of the zeros it started from
    assert torch.allclose(left[1], torch.tensor(1 - clip_momentum, dtype=torch.double), rtol=1e-12)
    assert torch.allclose(left[0], torch.tensor((1 - by_steps.momentum) ** timesteps, dtype=torch.double), rtol=1e-12)
    span = 2 / clip_momentum - 1
    share = (left[0] / left[1] - 1).abs().max().item()
    assert share <= 1.05 * 2 / (3 * span**3)


@pytest.mark.parametrize(("clip_momentum", "timesteps"), [(0.0, 4), (1.5, 4), (-0.1, 4), (0.1, 0)])
def test_impossible_averages_are_refused(clip_momentum, timesteps):
    with pytest.raises(ValueError, match=r"no share of a moving average|at least 1 frame"):
        co.step_momentum(clip_momentum, timesteps)


def test_a_batch_norm_without_momentum_is_named():
    net = nn.Sequential(nn.Conv3d(1, 2, 1), nn.BatchNorm3d(2, momentum=None))
    with pytest.raises(ValueError, match="1 has no momentum"):
        co.set_step_momentum(net, 4)
    co.set_step_momentum(net, 4, clip_momentum=0.1)
    assert net[1].momentum == 2 / 77


class Small(nn.Module):
    """A regular 3D CNN, trained with padding in time."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv3d(1, 8, 3, (1, 2, 2), 1, bias=False)
        self.bn1 = nn.BatchNorm3d(8)
        self.conv2 = nn.Conv3d(8, 8, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(8)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = x + self.relu(self.bn2(self.conv2(x)))
        return self.fc(x.mean((2, 3, 4)))


def frame_network():
    torch.manual_seed(0)
    return co.convert(Small(), input_shape=(1, FRAMES, PIXELS, PIXELS), pool_frames=3, prove=False).train()


def moving_bars(count, frames, seed):
    """Clips (count, 1, frames, PIXELS, PIXELS) of a bar that moves a pixel a frame, and which way: 0 left, 1 right."""
    generator = torch.Generator().manual_seed(seed)
    ways = torch.randint(0, 2, (count,), generator=generator)
    starts = torch.randint(0, PIXELS, (count,), generator=generator)
    at = (starts[:, None] + (2 * ways[:, None] - 1) * torch.arange(frames)) % PIXELS
    clips = F.one_hot(at, PIXELS).float()[:, None, :, None, :].expand(-1, -1, -1, PIXELS, -1)
    return clips + 0.1 * torch.randn(clips.shape, generator=generator), ways


def loss_unrolled(net, clips, ways):
    return F.cross_entropy(net(clips), ways)


def loss_in_steps(net, clips, ways):
    """Steps through the transient without statistics; every prediction after it counts."""
    state = net.initial_state(len(clips))
    losses = []
    with co.transient(net):
        for frame in clips[:, :, : net.delay].unbind(2):
            _, state = net.step(frame, state)
    for frame in clips[:, :, net.delay :].unbind(2):
        scores, state = net.step(frame, state)
        losses.append(F.cross_entropy(scores, ways))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("loss", [loss_unrolled, loss_in_steps])
def test_a_frame_network_learns_which_way_a_bar_moves(loss):
    net = frame_network()
    if loss is loss_in_steps:
        co.set_step_momentum(net, FRAMES)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    frames = net.receptive_field + 2
    for seed in range(60):
        optimizer.zero_grad()
        loss(net, *moving_bars(16, frames, seed)).backward()
        optimizer.step()
    net.eval()
    clips, ways = moving_bars(64, frames, seed=1000)
    with torch.no_grad():
        state = net.initial_state(len(clips))
        scores = None
        for frame in clips.unbind(2):
            scores, state = net.step(frame, state)
        assert (scores.argmax(1) == ways).float().mean() >= 0.95
        assert relative_error(scores, net(clips)) <= 1e-5


def statistics(net):
    return {name: buffer.clone() for name, buffer in net.named_buffers() if "running" in name or "num_batches" in name}


def test_the_transient_leaves_no_trace_in_the_statistics():
    net = frame_network()
    clips, _ = moving_bars(4, net.receptive_field, seed=0)
    before = statistics(net)
    state = net.initial_state(len(clips))
    with co.transient(net):
        for frame in clips[:, :, : net.delay].unbind(2):
            scores, state = net.step(frame, state)
    after = statistics(net)
    assert len(before) == 6
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert scores.requires_grad  # it is trained all the same
    net.step(clips[:, :, net.delay], state)
    assert all(not torch.equal(before[name], tensor) for name, tensor in statistics(net).items())


def test_in_the_transient_features_are_normalised_by_the_batch_and_the_mode_comes_back_after_an_error():
    norm = co.BatchNorm3d(3).train()
    frame = 7 + torch.randn(4, 3, 6, 6)
    with co.transient(norm):
        assert norm(frame).mean().abs() <= 1e-5
    with pytest.raises(KeyError), co.transient(norm):
        raise KeyError
    assert norm.track_running_stats
    assert math.isclose(norm.running_mean.abs().sum().item(), 0.0)
    untracked = nn.BatchNorm3d(3, track_running_stats=False)
    with co.transient(untracked):
        pass
    assert not untracked.track_running_stats
