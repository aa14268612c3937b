"""RCU: the published counts, and a network that remembers, ever less, all it has seen."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from co3d_bench.bench.measure.counting import count
from co3d_bench.models.zoo import find_model

from ..reference import relative_error
from .networks import built, clip_of, empty_state, parameters, shapes_of, step_through

PIXELS = 32
STAGES = (64, 128, 256, 512)


pytestmark = pytest.mark.usefixtures("no_grad")


def test_parameters_are_those_of_resnet_18_and_its_hidden_convolutions():
    net = shapes_of("rcu-8")
    resnet_18 = 11_689_512 - 513_000 + 512 * 400 + 400  # torchvision's, with 400 classes instead of 1000
    hidden = 4 * sum(channels**2 for channels in STAGES)
    assert parameters(net) == resnet_18 + hidden == 12_774_352
    assert find_model("rcu-8").published.parameters_m == pytest.approx(12.774352, rel=0.003)


def test_multiply_accumulates_of_a_frame():
    spec = find_model("rcu-8")
    counted = count(shapes_of("rcu-8"), spec)
    assert counted.macs == counted.macs_once == 542_423_952
    # By hand: the stem, then a first convolution, three more and four hidden ones on each stage's map.
    products = 3 * 64 * 49 * 56**2 + 512 * 400
    channels_in = 64
    for channels, side in zip(STAGES, (28, 14, 7, 4), strict=True):
        shortcut = channels_in * channels if channels_in != channels else 0
        products += side**2 * (9 * channels * (channels_in + 3 * channels) + 4 * channels**2 + shortcut)
        channels_in = channels
    assert counted.flops_torch == 2 * products
    assert "4.34 G" in spec.published.note
    assert round(8 * counted.macs / 1e9, 2) == 4.34


def test_reach_in_time():
    net = shapes_of("rcu-8")
    assert (net.receptive_field, net.padding, net.delay, net.unbounded) == (8, 0, 7, True)
    assert shapes_of("rcu-64").receptive_field == 64
    assert not shapes_of("cox3d-s-13").unbounded


def plain(weights, clip):
    """Scores of the clip's last frame, written from the definition with torch's functions and the network's weights.

    From a state of zeros; the average is over the last 8 frames.
    """

    def norm(x, name):
        return F.batch_norm(
            x, *(weights[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        )

    def conv(x, name, stride=1):
        weight = weights[f"{name}.weight"].squeeze(2)
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    hidden = {}

    def recurrent(x, name):
        h = hidden.get(name, torch.zeros_like(x))
        hidden[name] = (conv(h, f"{name}.hidden") + x) / 2
        return hidden[name]

    pooled = []
    for frame in clip.unbind(2):
        x = F.relu(norm(conv(frame, "blocks.0.conv", 2), "blocks.0.norm"))
        x = F.max_pool2d(x, 3, 2, 1)
        for stage in range(4):
            for index in range(2):
                name = f"blocks.{stage + 1}.res_blocks.{index}"
                stride = 2 if stage and not index else 1
                shortcut = norm(conv(x, f"{name}.branch1_conv", 2), f"{name}.branch1_norm") if stride == 2 else x
                y = recurrent(conv(x, f"{name}.branch2.conv_a", stride), f"{name}.branch2.recurrent_a")
                y = F.relu(norm(y, f"{name}.branch2.norm_a"))
                y = recurrent(conv(y, f"{name}.branch2.conv_b"), f"{name}.branch2.recurrent_b")
                x = F.relu(norm(y, f"{name}.branch2.norm_b") + shortcut)
        pooled.append(x.mean((2, 3)))
    return F.linear(torch.stack(pooled[-8:]).mean(0), weights["blocks.5.proj.weight"], weights["blocks.5.proj.bias"])


def test_steps_and_the_clip_equal_the_definition_in_plain_torch():
    net = built("rcu-8")
    clip = clip_of(11, batch=2, pixels=PIXELS)
    expected = plain(net.state_dict(), clip)
    scores, _ = net.steps(clip)
    assert relative_error(scores[..., -1], expected) <= 1e-5
    assert relative_error(net(clip), expected) <= 1e-5


def test_what_lies_before_the_receptive_field_counts_ever_less():
    net = built("rcu-8")
    clip, other = clip_of(40, pixels=PIXELS), clip_of(40, pixels=PIXELS, seed=2)
    differences = []
    for known in (8, 12, 16, 24):
        mixed = torch.cat((other[:, :, : 40 - known], clip[:, :, 40 - known :]), 2)
        differences.append(relative_error(net(mixed), net(clip)))
    assert differences[0] > 1e-3  # the field of 8 frames is not all that counts
    assert all(later < 0.7 * earlier for earlier, later in itertools.pairwise(differences))


def test_untrained_weights_keep_the_signal():
    torch.manual_seed(0)
    net = find_model("rcu-8").build().eval()
    clip = clip_of(60, pixels=32)
    _, early = step_through(net, clip[:, :, :20], empty_state(net, clip))
    _, late = step_through(net, clip[:, :, 20:], early)
    for one, other in zip(early, late, strict=True):
        assert 0.01 < other.std() < 10
        assert other.std() == pytest.approx(one.std().item(), rel=0.3)


def test_names():
    assert find_model("rcu-8").extends is None
    assert find_model("rcu-32").extends == "rcu-8"
    assert find_model("rcu-32").published is None
