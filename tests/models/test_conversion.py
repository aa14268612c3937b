"""`convert` on networks it has never seen: equal in steps and as a clip, and to the regular network inside a clip."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from co3d_bench.models import continual as co
from co3d_bench.models.zoo import find_model

from ..reference import randomise_batch_norm, relative_error
from .networks import empty_state, step_through
from .regular import CHANNELS, CLASSES, FEATURES, HEADS, SHAPE, Block, Regular, ResNet, converted, ready

VIDEO = 96  # frames, so that there is an inside that no padding reaches


@pytest.fixture(autouse=True)
def _no_grad():
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def assert_steps_equal_clips(frame_net, spare=2):
    clip = torch.randn(2, 3, frame_net.receptive_field + spare, *SHAPE[2:])
    expected = frame_net(clip)
    stepped, state = step_through(frame_net, clip, empty_state(frame_net, clip))
    together, state_after = frame_net.steps(clip)
    assert relative_error(stepped, expected) <= 1e-5
    assert relative_error(together[..., -1], expected) <= 1e-5
    for mine, theirs in zip(state_after, state, strict=True):
        assert mine.shape == theirs.shape
        assert (mine - theirs).abs().max() <= 1e-5
    return expected


def assert_inside_equal(regular, frame_net, clip, rate=1):
    """The regular network's feature i is the frame network's at the step `i x rate + delay`, where no padding is seen.

    Returns how many features were compared.
    """
    reach = frame_net.blocks.temporal
    expected, ours = regular(clip), frame_net.blocks(clip)
    frames = clip.shape[2]
    inside = [
        index
        for index in range(expected.shape[2])
        if index * rate >= reach.padding and index * rate + reach.delay < frames
    ]
    at = [index * rate + reach.delay - (reach.receptive_field - 1) for index in inside]
    assert ours.shape[2] == frames - (reach.receptive_field - 1)
    assert inside
    assert relative_error(ours[:, :, at], expected[:, :, inside]) <= 1e-5
    return len(inside)


@pytest.mark.parametrize("squeeze", ["frame", "clip"])
@pytest.mark.parametrize("features", FEATURES)
def test_steps_equal_the_clip_form(features, squeeze):
    head = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(CHANNELS, CLASSES))
    net = ready(Regular(FEATURES[features](), head))
    scores = assert_steps_equal_clips(converted(net, squeeze=squeeze))
    assert scores.shape == (2, CLASSES)


@pytest.mark.parametrize("head", HEADS)
def test_every_spelling_of_a_head(head):
    net = ready(Regular(ResNet(), HEADS[head]()))
    frame_net = converted(net)
    assert_steps_equal_clips(frame_net)
    # Four averaged features, 4 frames apart: the average covers 12 frames more than one feature.
    features = converted(net.features).blocks
    assert frame_net.receptive_field == features.temporal.receptive_field + 12
    clip = torch.randn(1, 3, frame_net.receptive_field, *SHAPE[2:])
    assert relative_error(frame_net(clip), net.head(features(clip)[:, :, ::4]).flatten(1)) <= 1e-5


@pytest.mark.parametrize("features", [name for name in FEATURES if "attention" not in name])
def test_features_inside_a_clip_are_those_of_the_regular_network(features):
    net = ready(FEATURES[features]())
    frame_net = co.convert(net, input_shape=(3, VIDEO, 24, 24), prove=False)
    rate = {"ResNet": 4, "ResNet without temporal strides": 1, "Inception": 2}[features]
    assert assert_inside_equal(net, frame_net, torch.randn(1, 3, VIDEO, 24, 24), rate) >= 9


def test_features_of_x3d_inside_a_clip_are_those_of_the_regular_network():
    def without_clip_averages(net):
        """Up to the head; attention averages over one frame in both, since it alone differs between clip and frames."""
        for module in net.modules():
            if isinstance(module, co.SqueezeExcitation):
                module.set_pool(co.SpatialMean())
        return co.Sequential(*list(net.blocks)[:-1])

    torch.manual_seed(0)
    net = randomise_batch_norm(find_model("x3d-s").build()).eval()
    regular = without_clip_averages(net)
    ours = without_clip_averages(co.convert(net, prove=False))
    frame_net = co.FrameNetwork(ours)
    assert assert_inside_equal(regular, frame_net, torch.randn(1, 3, 62, 32, 32)) == 6


def test_attention_over_the_clip_is_that_of_the_regular_network_whose_clip_ends_there():
    net = ready(FEATURES["attention by convolutions"]())
    gate = nn.Sequential(nn.Conv3d(3, CHANNELS, 1), net.gate)
    frame_net = co.convert(gate.eval(), input_shape=(3, 8, 24, 24), squeeze="clip", prove=False)
    clip = torch.randn(1, 3, 8, 24, 24)
    assert frame_net.receptive_field == 8
    assert frame_net.delay == 0
    assert relative_error(frame_net.blocks(clip)[:, :, -1], gate(clip)[:, :, -1]) <= 1e-5


KERNELS = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.floats(0, 1))


@settings(max_examples=60, deadline=None)
@given(
    layers=st.lists(st.tuples(st.sampled_from(("conv", "depthwise", "max", "avg")), KERNELS), min_size=1, max_size=4)
)
def test_any_chain_of_strides_paddings_and_dilations_is_the_regular_one_inside(layers):
    chain = []
    for kind, (kernel, stride, dilation, share) in layers:
        span = dilation * (kernel - 1)
        padding = int(share * span)
        options = {"stride": (stride, 1, 1)}
        if kind in ("conv", "depthwise"):
            options |= {"dilation": (dilation, 1, 1), "groups": 2 if kind == "depthwise" else 1}
            chain.append(nn.Conv3d(2, 2, (kernel, 3, 3), padding=(padding, 1, 1), **options))
        elif kind == "max":
            padding = min(padding, kernel // 2)
            chain.append(nn.MaxPool3d((kernel, 1, 1), padding=(padding, 0, 0), dilation=(dilation, 1, 1), **options))
        else:
            padding = min(padding, kernel // 2)
            chain.append(nn.AvgPool3d((kernel, 1, 1), padding=(padding, 0, 0), **options))
    net = nn.Sequential(*chain).double()
    frame_net = co.convert(net, input_shape=(2, 1000, 4, 4), prove=False)
    reach = frame_net.blocks.temporal
    rate = math.prod(stride for _, (_, stride, _, _) in layers)
    clip = torch.randn(1, 2, 2 * reach.receptive_field + 2 * rate, 4, 4, dtype=torch.double)
    assert_inside_equal(net, frame_net, clip, rate)


def test_names_weights_and_modes_are_kept_and_the_module_is_not_changed():
    net = ready(Regular(ResNet(), HEADS["dropout and softmax"]()))
    net.features.layers[1].eval()
    net.features.layers[0].train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    text = str(net)
    frame_net = converted(net)
    theirs = frame_net.blocks.state_dict()
    assert set(theirs) == set(before)  # also of the norm, which this head does not call
    for name in before:
        assert torch.equal(theirs[name], before[name])
        assert torch.equal(net.state_dict()[name], before[name])
        assert theirs[name].data_ptr() != net.state_dict()[name].data_ptr()
    assert str(net) == text
    frame_net.blocks.load_state_dict(before, strict=True)
    modes = {name: module.training for name, module in frame_net.blocks.named_modules()}
    for name, module in net.named_modules():
        if name in modes and list(module.parameters(recurse=False)):
            assert modes[name] == module.training
    assert modes["features.layers.0.conv1"]
    assert not modes["features.layers.1.conv1"]
    assert not any(module.training for module in converted(net.eval()).modules())
    assert all(module.training for module in converted(net.train()).modules())


def test_the_pool_covers_as_many_frames_as_asked_for_one_after_the_other():
    net = ready(Regular(ResNet(), HEADS["pool and flatten"]()))
    features = converted(net.features).blocks
    reach = features.temporal.receptive_field
    for frames in (1, 5, 20):
        frame_net = converted(net, pool_frames=frames)
        assert frame_net.receptive_field == reach + frames - 1
        assert frame_net.padding == features.temporal.padding
        clip = torch.randn(1, 3, frame_net.receptive_field, *SHAPE[2:])
        assert relative_error(frame_net(clip), net.head(features(clip))) <= 1e-5
        assert_steps_equal_clips(frame_net)
    long_pool = co.convert(net, pool_frames=5, input_shape=(3, 64, 24, 24), prove=False)
    assert long_pool.receptive_field == reach + 4  # whatever the clip's length


def test_a_clip_of_a_length_that_pools_round_up_is_averaged_over_all_of_it():
    net = nn.Sequential(
        nn.MaxPool3d((2, 1, 1), (2, 1, 1), ceil_mode=True), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, 2)
    ).eval()
    for frames, pooled in ((7, 4), (8, 4), (9, 5)):
        assert net[0](torch.zeros(1, 3, frames, 4, 4)).shape[2] == pooled
        assert co.convert(net, input_shape=(3, frames, 4, 4), prove=False).receptive_field == 2 + 2 * (pooled - 1)


class Overwriting(nn.Module):
    """Whoever reads `x` after an in-place call sees what that made of it, by whatever name it goes."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 4, (3, 1, 1), padding=(1, 0, 0))
        self.other = nn.Conv3d(4, 4, (3, 1, 1), padding=(1, 0, 0))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.conv(x)
        same = x.contiguous()
        kept = x.clone()
        F.leaky_relu(x, 0.5, True)
        y = self.other(same)
        same += 1
        self.relu(x)
        x.mul_(2)
        return (y + x - same / 3 + kept * 0.5 - 1).add_(2 * kept)


def test_in_place_calls_reach_all_later_readers():
    net = Overwriting().eval()
    frame_net = co.convert(net, input_shape=(3, VIDEO, 4, 4), prove=False)
    assert_inside_equal(net, frame_net, torch.randn(1, 3, VIDEO, 4, 4))


class Aliases(nn.Module):
    """The activation may overwrite what it reads only if nobody else does, also not under another name."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 4, (3, 1, 1), padding=(1, 0, 0))
        self.other = nn.Conv3d(4, 4, (3, 1, 1), padding=(1, 0, 0))
        self.act = nn.ReLU()

    def forward(self, x):
        x = self.conv(x)
        return self.act(x.contiguous()) + self.other(x)


def test_an_activation_overwrites_nothing_that_is_read_under_another_name():
    net = Aliases().eval()
    assert_inside_equal(net, co.convert(net, prove=False), torch.randn(1, 3, VIDEO, 4, 4))


class Shared(nn.Module):
    """The same layers in several places."""

    def __init__(self, stride=1):
        super().__init__()
        self.stem = nn.Conv3d(3, 4, 1)
        self.conv = nn.Conv3d(4, 4, 3, padding=1)
        self.bn = nn.BatchNorm3d(4)
        act = nn.PReLU()
        self.chain = nn.Sequential(nn.Conv3d(4, 4, (3, 1, 1)), act, nn.Conv3d(4, 4, (3, 1, 1), (stride, 1, 1)), act)

    def forward(self, x):
        x = self.stem(x)
        for _ in range(3):
            x = x + self.bn(self.conv(x))
        return self.chain(self.chain(x))


def test_a_layer_in_several_positions_keeps_one_set_of_weights_and_a_state_for_each():
    net = ready(Shared())
    frame_net = co.convert(net, input_shape=(3, VIDEO, 8, 8), prove=False)
    assert_inside_equal(net, frame_net, torch.randn(1, 3, VIDEO, 8, 8))
    assert set(frame_net.blocks.state_dict()) == set(net.state_dict())
    assert sum(p.numel() for p in frame_net.parameters()) == sum(p.numel() for p in net.parameters())
    conv = nn.Conv3d(3, 3, 3, padding=1)
    relu = nn.ReLU(inplace=True)
    chain = nn.Sequential(conv, relu, conv, relu).eval()
    frame_chain = co.convert(chain, prove=False)
    assert frame_chain.receptive_field == 5
    assert list(frame_chain.blocks.state_dict()) == list(chain.state_dict())
    assert_inside_equal(chain, frame_chain, torch.randn(1, 3, VIDEO, 8, 8))
    with pytest.raises(co.ConversionError, match=r"chain\.0 \(Conv3d\) at .*: is used twice, with a temporal stride"):
        co.convert(ready(Shared(stride=2)), input_shape=(3, VIDEO, 8, 8), prove=False)


class OddNames(nn.Module):
    """Layers that are called like methods and attributes of ours, and like the calls around them."""

    def __init__(self):
        super().__init__()
        self.temporal = nn.Conv3d(3, 4, (3, 1, 1))
        self.nodes = nn.ModuleDict({"state_count": nn.Conv3d(4, 4, 1)})
        self.max_pool3d = nn.Conv3d(4, 4, 1)
        self.add_delay1 = nn.Conv3d(4, 4, 1)
        self.initial_state = nn.Sequential()
        self.initial_state.add_module("spatial", nn.Conv3d(4, 4, 1))
        self.initial_state.add_module("temporal", nn.Conv3d(4, 4, (3, 1, 1), padding=(1, 0, 0)))

    def forward(self, x):
        x = F.max_pool3d(self.temporal(x), 1)
        x = self.max_pool3d(self.nodes["state_count"](x))
        return self.initial_state(x) + self.add_delay1(x)


def test_layers_may_be_called_like_anything_of_ours():
    net = OddNames().eval()
    frame_net = co.convert(net, prove=False)
    assert set(frame_net.blocks.state_dict()) == set(net.state_dict())
    assert_inside_equal(net, frame_net, torch.randn(1, 3, VIDEO, 8, 8))
    chain = nn.Sequential(net.initial_state)
    assert set(co.convert(nn.Sequential(nn.Conv3d(3, 4, 1), chain), prove=False).blocks.state_dict()) == {
        *("0.weight", "0.bias", "1.0.spatial.weight", "1.0.spatial.bias"),
        *("1.0.temporal.weight", "1.0.temporal.bias"),
    }


class Optional(nn.Module):
    """Arguments with defaults, a decorated `forward`, and sizes that only shapes are made of."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 4, 3, padding=1)
        self.fc = nn.Linear(4, 2)

    @torch.no_grad()
    def forward(self, x, boxes=None, *, scale=2, **others):
        if boxes is not None:
            x = x * boxes
        batch = x.shape[0]
        x = self.conv(x).mean((2, 3, 4), keepdim=True) * scale
        return self.fc(x.view(batch, x.size(1) // 1))


def test_other_arguments_keep_their_defaults():
    net = Optional().eval()
    frame_net = converted(net)
    assert_steps_equal_clips(frame_net)
    clip = torch.randn(1, 3, frame_net.receptive_field, 24, 24)
    unpadded = Optional().eval()
    unpadded.load_state_dict(net.state_dict())
    unpadded.conv.padding = (0, 1, 1)
    assert relative_error(frame_net(clip), unpadded(clip)) <= 1e-5


TRAINED = {
    **FEATURES,
    "what gradients remember": lambda: nn.Sequential(
        nn.Conv3d(3, 4, 3), nn.Sigmoid(), nn.ReLU(), nn.MaxPool3d(3), nn.ReLU(inplace=True), nn.ReLU6()
    ),
}


@pytest.mark.parametrize("name", TRAINED)
@torch.enable_grad()
def test_gradients_in_steps_are_those_of_the_clip(name):
    net = TRAINED[name]().double().eval()
    frame_net = converted(net)
    clip = torch.randn(2, 3, frame_net.receptive_field, *SHAPE[2:], dtype=torch.double)
    gradients = []
    for scores in (frame_net(clip), step_through(frame_net, clip, empty_state(frame_net, clip))[0]):
        frame_net.zero_grad()
        scores.square().mean().backward()
        gradients.append([p.grad.clone() for p in frame_net.parameters() if p.grad is not None])
    assert any(gradient.abs().sum() > 0 for gradient in gradients[0])
    for by_clip, by_steps in zip(*gradients, strict=True):
        assert torch.allclose(by_clip, by_steps, rtol=1e-6, atol=1e-9)


def test_whatever_the_clip_length_where_nothing_averages_over_it():
    net = nn.Sequential(Block(3, 6), Block(6, 8, (2, 2, 2)))
    assert co.convert(ready(net), prove=False).receptive_field == 1 + 4 + 2 + 4
