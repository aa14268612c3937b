"""RCU: the published counts, and a network that remembers, ever less, all it has seen."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from co3d_bench.bench.measure.counting import count
from co3d_bench.models.zoo import find_model

from ..reference import relative_error
from .networks import built, clip_of, empty_state, parameters, step_through

PIXELS = 64
STAGES = (64, 128, 256, 512)


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


def test_parameters_are_those_of_resnet_18_and_its_hidden_convolutions():
    net = find_model("rcu-8").build()
    resnet_18 = 11_689_512 - 513_000 + 512 * 400 + 400  # torchvision's, with 400 classes instead of 1000
    hidden = 4 * sum(channels**2 for channels in STAGES)
    assert parameters(net) == resnet_18 + hidden == 12_774_352
    assert find_model("rcu-8").published.parameters_m == pytest.approx(12.774352, rel=0.003)


def test_multiply_accumulates_of_a_frame():
    spec = find_model("rcu-8")
    counted = count(spec.build(), spec)
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
    net = find_model("rcu-8").build()
    assert (net.receptive_field, net.padding, net.delay, net.unbounded) == (8, 0, 7, True)
    assert find_model("rcu-64").build().receptive_field == 64
    assert not find_model("cox3d-s-13").build().unbounded


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


def test_steps_chunks_and_the_clip_equal_the_definition_in_plain_torch():
    net = built("rcu-8")
    clip = clip_of(11, batch=2, pixels=PIXELS)
    expected = plain(net.state_dict(), clip)
    stepped, state = step_through(net, clip, empty_state(net, clip))
    assert relative_error(stepped, expected) <= 1e-5
    assert relative_error(net(clip), expected) <= 1e-5
    prefilled, prefilled_state = net.prefill(clip)
    assert relative_error(prefilled, expected) <= 1e-5
    for mine, theirs in zip(prefilled_state, state, strict=True):
        assert relative_error(mine, theirs) <= 1e-4


def test_what_lies_before_the_receptive_field_counts_ever_less():
    net = built("rcu-8")
    clip, other = clip_of(60, pixels=PIXELS), clip_of(60, pixels=PIXELS, seed=2)
    differences = []
    for known in (8, 12, 16, 24, 60 - 8):
        mixed = torch.cat((other[:, :, : 60 - known], clip[:, :, 60 - known :]), 2)
        differences.append(relative_error(net(mixed), net(clip)))
    assert differences[0] > 1e-3  # the field of 8 frames is not all that counts
    assert all(later < 0.7 * earlier for earlier, later in itertools.pairwise(differences))


def test_replicate_is_where_a_still_picture_comes_to_rest():
    net = built("rcu-8")
    still = clip_of(1, pixels=PIXELS).expand(-1, -1, 60, -1, -1)
    at_once, _ = net.step(still[:, :, 0], net.initial_state(fill="replicate", frame=still[:, :, 0]))
    assert relative_error(at_once, net(still)) <= 1e-5


def test_untrained_weights_keep_the_signal():
    torch.manual_seed(0)
    net = find_model("rcu-8").build().eval()
    clip = clip_of(60, pixels=32)
    _, early = step_through(net, clip[:, :, :20], empty_state(net, clip))
    _, late = step_through(net, clip[:, :, 20:], early)
    for one, other in zip(early, late, strict=True):
        assert 0.01 < other.std() < 10
        assert other.std() == pytest.approx(one.std().item(), rel=0.3)


def test_a_step_does_not_change_the_state_it_was_given():
    net = built("rcu-8")
    clip = clip_of(3, pixels=PIXELS)
    _, state = step_through(net, clip, empty_state(net, clip))
    held = [tensor.clone() for tensor in state]
    net.step(clip[:, :, 1], state)
    assert all(torch.equal(now, before) for now, before in zip(state, held, strict=True))


def test_names():
    assert find_model("rcu-8").extends is None
    assert find_model("rcu-32").extends == "rcu-8"
    assert find_model("rcu-32").published is None
