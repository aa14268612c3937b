"""SlowFast and CoSlowFast: stated facts, and the clip form against plain layers."""

from __future__ import annotations

import pytest
import torch

from co3d_bench.models.zoo import find_model

from ..reference import plain_clip_network, relative_error
from .networks import built, clip_of, parameters, shapes_of

pytestmark = pytest.mark.usefixtures("no_grad")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("slowfast-8x8-r50", 34_566_488),
        ("slowfast-4x16-r50", 34_480_216),
        ("coslowfast-8x8-r50-32", 34_566_488),
    ],
)
def test_parameters(name, expected):
    assert parameters(shapes_of(name)) == expected


def test_the_misprint_of_the_paper_is_noted():
    published = find_model("slowfast-8x8-r50").published
    assert published.parameters_m == 66.25
    assert "34.57 M" in published.note


@pytest.mark.parametrize("name", ["slowfast-8x8-r50", "slowfast-4x16-r50"])
def test_the_clip_network_equals_plain_torch_layers(name):
    net = built(name)
    clip = clip_of(32, pixels=32)
    assert relative_error(net(clip), plain_clip_network(net.blocks).eval()(clip)) <= 1e-5


def test_the_slow_pathway_of_a_clip_sees_the_first_and_the_last_frame():
    net = shapes_of("slowfast-8x8-r50")
    frames = torch.arange(32.0).view(1, 1, 32, 1, 1)
    assert net.blocks.subsample(frames).flatten().tolist() == [0, 4, 8, 13, 17, 22, 26, 31]
