"""R(2+1)D-18 and CoR(2+1)D-18: the published counts, and torchvision's names and layers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from co3d_bench.bench.measure.counting import count
from co3d_bench.models import continual as co
from co3d_bench.models.zoo import UnknownModelError, find_model
from co3d_bench.models.zoo.r2plus1d import FAMILY, build_clip

from ..reference import relative_error
from .networks import built, clip_of, parameters, shapes_of

PARAMETERS = 31_505_325
PIXELS = 16  # a small map keeps the whole networks quick
STAGES = ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2))  # channels in, channels, stride
INNER = ((144, 144), (230, 288), (460, 576), (921, 1152))  # of the first and the second block, as torchvision prints


pytestmark = pytest.mark.usefixtures("no_grad")


class PlainBlock(nn.Module):
    """The residual block of torchvision's models/video/resnet.py in torch's own layers."""

    def __init__(self, channels_in, channels, inner, stride):
        super().__init__()

        def separated(wide, step):
            return nn.Sequential(
                nn.Conv3d(wide, inner, (1, 3, 3), (1, step, step), (0, 1, 1), bias=False),
                nn.BatchNorm3d(inner),
                nn.ReLU(),
                nn.Conv3d(inner, channels, (3, 1, 1), (step, 1, 1), (1, 0, 0), bias=False),
            )

        self.conv1 = nn.Sequential(separated(channels_in, stride), nn.BatchNorm3d(channels), nn.ReLU())
        self.conv2 = nn.Sequential(separated(channels, 1), nn.BatchNorm3d(channels))
        self.downsample = nn.Sequential()
        if channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv3d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm3d(channels)
            )

    def forward(self, x):
        return torch.relu(self.conv2(self.conv1(x)) + self.downsample(x))


class Plain(nn.Module):
    """R(2+1)D-18 as torchvision has it, its names and its layers."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(3, 45, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
            nn.BatchNorm3d(45),
            nn.ReLU(),
            nn.Conv3d(45, 64, (3, 1, 1), 1, (1, 0, 0), bias=False),
            nn.BatchNorm3d(64),
            nn.ReLU(),
        )
        for number, ((channels_in, channels, stride), (first, second)) in enumerate(
            zip(STAGES, INNER, strict=True), start=1
        ):
            blocks = PlainBlock(channels_in, channels, first, stride), PlainBlock(channels, channels, second, 1)
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool3d((1, 1, 1))
        self.fc = nn.Linear(512, 400)

    def features(self, x):
        return self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))

    def forward(self, x):
        return self.fc(self.avgpool(self.features(x)).flatten(1))


def torchvisions(net):
    """Torchvision's network with the weights of ours, which must carry its names below `blocks.`."""
    plain = Plain().eval()
    plain.load_state_dict({name.removeprefix("blocks."): value for name, value in net.state_dict().items()})
    return plain


# Table 1 prints 31.51 M, 20.35 G and 40.71 G.
@pytest.mark.parametrize(
    ("name", "macs", "once"),
    [
        ("r2plus1d-18-8", 20_353_500_673, 20_353_500_673),
        ("r2plus1d-18-16", 40_706_796_146, 40_706_797_170),
    ],
)
def test_parameters_and_multiply_accumulates_are_those_of_table_1(name, macs, once):
    spec = find_model(name)
    net = shapes_of(spec.name)
    assert parameters(net) == PARAMETERS
    assert round(PARAMETERS / 1e6, 2) == spec.published.parameters_m
    counted = count(net, spec)
    assert (counted.macs, counted.macs_once) == (macs, once)
    assert round(macs / 1e9, 2) == spec.published.macs_g


def test_multiply_accumulates_of_a_frame():
    spec = find_model("cor2plus1d-18-8")
    net = shapes_of(spec.name)
    assert parameters(net) == PARAMETERS
    counted = count(net, spec)
    assert (counted.macs, counted.macs_once) == (4_917_175_405, 4_901_808_166)
    # By hand: every kernel once on the map of one frame, whose side halves with each stage but the first.
    convolutions = (45 * 3 * 49 + 64 * 45 * 3) * 56**2
    for stage, ((channels_in, channels, _), (first, second)) in enumerate(zip(STAGES, INNER, strict=True)):
        pixels = (56 >> stage) ** 2
        inside = 9 * channels_in * first + 3 * first * channels  # of the block's first convolution
        inside += 9 * channels * first + 3 * first * channels + 2 * (9 + 3) * channels * second
        convolutions += pixels * (inside + (channels_in * channels if stage else 0))
    assert counted.flops_torch == 2 * (convolutions + 512 * 400)


@pytest.mark.parametrize("name", ["r2plus1d-18-8", "r2plus1d-18-16"])
def test_the_clip_network_equals_torchvisions(name):
    net = built(name)
    plain = torchvisions(net)
    clip = clip_of(net.receptive_field, batch=2, pixels=PIXELS)
    assert relative_error(net(clip), plain(clip)) <= 1e-5


@pytest.mark.parametrize(
    ("pool", "receptive_field", "padding", "delay"), [(1, 109, 54, 54), (8, 116, 54, 61), (16, 124, 54, 69)]
)
def test_reach_in_time(pool, receptive_field, padding, delay):
    # The kernels in time: the stem's, then four a stage, each 3 long, in steps of the strides before it.
    steps = [1, *[1] * 4, 1, *[2] * 3, 2, *[4] * 3, 4, *[8] * 3]
    net = shapes_of(f"cor2plus1d-18-{pool}")
    assert (net.receptive_field, net.padding, net.delay) == (receptive_field, padding, delay)
    assert (receptive_field, padding) == (2 * sum(steps) + pool, sum(steps))
    assert shapes_of("r2plus1d-18-16").padding == padding


def test_the_frame_form_gives_what_the_regular_network_computes_far_from_its_ends():
    net = built("r2plus1d-18-8")
    plain = torchvisions(net)
    frames = co.convert(net, pool_frames=1, prove=False)
    clip = clip_of(8 * 17, pixels=PIXELS)  # its ninth answer rests on frames 10 to 118, so on no padding
    expected = plain.fc(plain.features(clip)[:, :, 8].mean((2, 3)))
    scores, _ = frames.prefill(clip[:, :, 10:119])
    assert relative_error(scores, expected) <= 1e-5


def test_the_last_average_of_a_clip_of_eight_can_be_made_longer():
    """Its strides leave one frame of eight: that nothing is averaged there does not mean that it was before."""
    with torch.device("meta"):
        networks = build_clip(8), Plain()
    for net in networks:
        assert co.convert(net, input_shape=(3, 8, PIXELS, PIXELS), pool_frames=12, prove=False).receptive_field == 120


def test_names_and_counterparts():
    assert [spec.name for spec in FAMILY.listed] == [
        "r2plus1d-18-8",
        "r2plus1d-18-16",
        "cor2plus1d-18-8",
        "cor2plus1d-18-16",
    ]
    assert all(find_model(spec.name).name == spec.name for spec in FAMILY.listed)
    longer = find_model("cor2plus1d-18-64")
    assert (longer.counterpart, longer.extends) == ("r2plus1d-18-16", "cor2plus1d-18-16")
    assert find_model("cor2plus1d-18-8").counterpart == "r2plus1d-18-8"
    for name in ("r2plus1d-18", "r2plus1d-18-32", "cor2plus1d-18-0"):
        with pytest.raises(UnknownModelError):
            find_model(name)
