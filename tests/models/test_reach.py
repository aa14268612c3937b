"""Reach in time of every listed frame network, found by trying: which frames move a prediction, and how late it is."""

from __future__ import annotations

import pytest
import torch

from co3d_bench.models import continual as co
from co3d_bench.models.zoo import list_models

from ..reference import relative_error
from .networks import built, clip_of

PIXELS = 16  # a small map keeps the whole networks quick; every layer is there all the same
BESIDE = 3  # frames before the receptive field
NETWORKS = {spec.name: spec for spec in list_models() if spec.form == "frame"}
# A longer last average changes nothing below it, and CoX3D M and L are more of what S is made of.
MORE_OF_THE_SAME = ("cox3d-m-16", "cox3d-l-16", "cor2plus1d-18-16", "movinet-a1-stream", "movinet-a2-stream")
DISTINCT = [
    name for name, spec in NETWORKS.items() if name not in MORE_OF_THE_SAME and (not spec.extends or "tsm" in name)
]
PAIRS = [name for name in DISTINCT if NETWORKS[name].counterpart]


def frames_that_move(net, frames):
    """Of a clip that long, the frames on which the prediction at its end depends."""
    clip = clip_of(frames, pixels=PIXELS).requires_grad_()
    scores = net(clip)
    scores.backward(torch.randn(scores.shape, generator=torch.Generator().manual_seed(2)))
    gradient = clip.grad.abs().amax((0, 1, 3, 4))
    assert gradient.isfinite().all()
    return (gradient > 0).nonzero().flatten().tolist()


@pytest.mark.parametrize("name", DISTINCT)
def test_a_prediction_depends_on_the_receptive_field_and_on_nothing_else(name):
    net = built(name).requires_grad_(False)
    frames = net.blocks.temporal.receptive_field + BESIDE
    first = 0 if net.unbounded or net.receptive_field is None else BESIDE
    assert frames_that_move(net, frames) == list(range(first, frames))


@pytest.mark.parametrize("name", [name for name in NETWORKS if name.startswith(("coslow-r50-8", "rcu", "tsm"))])
def test_a_frame_moves_as_many_steps_as_the_receptive_field_from_its_own_on(name):
    net = built(name)
    steps, at = net.receptive_field + BESIDE + 1, 2
    clip = clip_of(steps, pixels=PIXELS)
    both = torch.cat((clip, clip))
    both[1, :, at] += 1
    state = net.initial_state(frame=torch.zeros_like(both[:, :, 0]))
    moved = []
    with torch.no_grad():
        for index, frame in enumerate(both.unbind(2)):
            (one, other), state = net.step(frame, state)
            if not torch.equal(one, other):
                moved.append(index)
    after = steps if net.unbounded else at + net.receptive_field
    assert moved == list(range(at, after))


def features(net, clip):
    """What the network averages over time at its end, one tensor for each pathway."""
    seen = []

    def look(x):
        seen.append(x)
        return x.mean(2, keepdim=True)

    for module in net.modules():
        if isinstance(module, co.ClipPool):
            module.forward = look
    net.blocks(clip)
    return seen


@pytest.mark.parametrize("name", PAIRS)
@torch.no_grad()
def test_a_frame_network_is_as_late_as_its_delay(name):
    """Its features at step t are the regular network's for the frame t - delay, wherever no padding is seen."""
    ours, regular = built(name), built(NETWORKS[name].counterpart)
    regular.load_state_dict(ours.state_dict())
    for module in regular.modules():
        if isinstance(module, co.SqueezeExcitation):
            module.set_pool(co.SpatialMean())  # an average over the clip has no place in time
        if isinstance(module, co.Subsample):
            module.to_the_end = False  # spread over the clip, its frames lie between those of the video
    pool = next(module for module in ours.modules() if isinstance(module, co.ClipPool)).temporal
    delay = ours.delay - pool.delay
    frames = ours.receptive_field - pool.receptive_field + 17
    clip = clip_of(frames, pixels=PIXELS)
    found = []
    for late, early in zip(features(ours, clip), features(regular, clip), strict=True):
        rate = -(-frames // early.shape[2])
        inside = -(-ours.padding // rate)  # the first feature that sees no padding
        missing = frames - late.shape[2]
        errors = {
            step - inside * rate: relative_error(late[:, :, step - missing], early[:, :, inside])
            for step in range(missing, frames)
        }
        found.append([wait for wait, error in errors.items() if error <= 1e-5])
        assert len(found[-1]) == 1
    assert max(found) == [delay]  # a quicker pathway is delayed where it meets the slower one
