"""I3D, Slow, C2D and their frame forms: stated facts, and equal to networks of other people's layers."""

from __future__ import annotations

import pytest
import torch

from co3d_bench.models import continual as co

from ..reference import plain_clip_network, randomise_batch_norm, relative_error, undilated
from .networks import built, by_continual_inference, clip_of, empty_state, parameters, shapes_of, step_through

pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("i3d-r50", 28_043_472),
        ("slow-8x8-r50", 32_454_096),
        ("c2d-r50", 24_327_632),
        ("coi3d-r50-8", 28_043_472),
        ("coslow-r50-64", 32_454_096),
    ],
)
def test_parameters(name, expected):
    assert parameters(shapes_of(name)) == expected


@pytest.mark.parametrize(
    ("name", "receptive_field", "padding", "delay"),
    [
        # I3D: (5 - 1) + 3 x 2 + 1 (pool) + 2 x (2 x 2 + 3 x 2 + 1 x 2) + (8 - 1), and 1; padding halves of the same
        ("coi3d-r50-8", 43, 17, 25),
        ("coi3d-r50-64", 99, 17, 81),
        # Slow: (6 + 3) x 2 + 7 + 1
        ("coslow-r50-8", 26, 9, 16),
        ("coslow-r50-64", 82, 9, 72),
        ("coc2d-r50-1", 1, 0, 0),
    ],
)
def test_reach_in_time(name, receptive_field, padding, delay):
    net = shapes_of(name)
    assert (net.receptive_field, net.padding, net.delay) == (receptive_field, padding, delay)


@pytest.mark.parametrize("name", ["coi3d-r50-2", "coslow-r50-2"])
def test_frame_by_frame_equals_the_network_built_from_continual_inference(name):
    net = randomise_batch_norm(undilated(name)).eval()
    clip = clip_of(net.receptive_field, pixels=32)
    stepped, _ = step_through(net, clip, empty_state(net, clip))
    assert relative_error(stepped, by_continual_inference(net, clip)) <= 1e-5


@pytest.mark.parametrize("name", ["i3d-r50", "slow-8x8-r50", "c2d-r50"])
def test_the_clip_network_equals_plain_torch_layers(name):
    net = built(name)
    clip = clip_of(8, pixels=32)
    assert relative_error(net(clip), plain_clip_network(net.blocks).eval()(clip)) <= 1e-5


def test_an_average_over_frames_in_a_row_is_that_of_the_regular_networks_two_phases():
    """I3D keeps every second frame behind its first stage; CoI3D (8) answers with the mean of both choices.

    Its clip form with the regular network's own average, 4 frames 2 apart, is one phase; (8) is the mean of the phases.
    """
    clip_network = built("i3d-r50")
    own = co.convert(clip_network, prove=False)
    in_a_row = co.convert(clip_network, pool_frames=8, prove=False)
    assert (own.receptive_field, in_a_row.receptive_field) == (42, 43)
    clip = clip_of(43, pixels=32)
    phases = own(clip[:, :, :42]) + own(clip[:, :, 1:])
    assert relative_error(in_a_row(clip), phases / 2) <= 1e-5


def test_a_c2d_answers_for_each_frame_alone():
    net = built("coc2d-r50-1")
    assert net.initial_state(1) == ()
    clip = clip_of(3)
    stepped, state = step_through(net, clip, ())
    assert state == ()
    assert torch.equal(stepped, net.step(clip[:, :, 2], ())[0])
