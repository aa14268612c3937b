"""What holds for every family: its steps are its clip form, one by one or many at once, and change nothing."""

from __future__ import annotations

import pytest
import torch

from co3d_bench.models.zoo import families, find_model

from ..reference import relative_error
from .networks import built, clip_of, empty_state, step_through_all

PIXELS = 16  # a small map keeps whole networks quick; every layer, stride and delay is there all the same
NETWORKS = (
    *("cox3d-s-4", "coi3d-r50-3", "coslow-r50-3", "coc2d-r50-2"),
    *("coslowfast-8x8-r50-2", "cor2plus1d-18-3", "rcu-3", "tsm-mobilenetv2-3", "demo-cox3d-3"),
    *("movinet-a0-stream", "mobilenetv3-large"),
)


pytestmark = pytest.mark.usefixtures("no_grad")


def test_every_family_is_here():
    assert {family.name for family in families()} == {
        family.name for family in families() for name in NETWORKS if family.find(name)
    }


@pytest.mark.parametrize("name", NETWORKS)
def test_steps_one_by_one_or_many_at_once_equal_the_clip_without_temporal_padding(name):
    net = built(name)
    clip = clip_of(max((net.receptive_field or 0) + 1, 8), batch=2, pixels=PIXELS)
    start = empty_state(net, clip)
    stepped, state = step_through_all(net, clip, start)
    first, between = net.steps(clip[:, :, :5], start)
    second, after = net.steps(clip[:, :, 5:], between)
    together = torch.cat((first, second), -1)
    assert together.shape == stepped.shape == (2, find_model(name).classes, clip.shape[2])
    for frame in range(clip.shape[2]):
        assert relative_error(together[..., frame], stepped[..., frame]) <= 1e-5
    expected = stepped[..., -1]
    assert relative_error(net(clip), expected) <= 1e-5
    assert relative_error(net.prefill(clip[:, :, 5:], between)[0], expected) <= 1e-5
    assert len(after) == len(state)
    for mine, theirs in zip(after, state, strict=True):
        assert mine.shape == theirs.shape
        assert relative_error(mine, theirs) <= 1e-4  # single features may cancel to almost nothing


@pytest.mark.parametrize("name", ["cox3d-s-4", "coi3d-r50-3", "rcu-3", "tsm-mobilenetv2-3", "movinet-a0-stream"])
def test_a_step_changes_neither_its_frame_nor_its_state(name):
    net = built(name)
    clip = clip_of(3, pixels=PIXELS)
    _, state = step_through_all(net, clip[:, :, :2], empty_state(net, clip))
    frame = clip[:, :, 2].contiguous(memory_format=torch.channels_last)
    held = [tensor.clone() for tensor in (frame, *state)]
    first, _ = net.step(frame, state)
    assert all(torch.equal(now, before) for now, before in zip((frame, *state), held, strict=True))
    assert torch.equal(first, net.step(frame, state)[0])


@pytest.mark.parametrize("name", ["cox3d-s-4", "rcu-3", "tsm-mobilenetv2-3"])
def test_replicate_shows_the_steady_prediction_of_a_still_picture_at_once(name):
    net = built(name)
    frame = clip_of(1, pixels=PIXELS)[:, :, 0]
    at_once, _ = net.step(frame, net.initial_state(fill="replicate", frame=frame))
    frames = 60 if net.unbounded else net.receptive_field
    assert relative_error(at_once, net(frame.unsqueeze(2).expand(-1, -1, frames, -1, -1))) <= 1e-5
