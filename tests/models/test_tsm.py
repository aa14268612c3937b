"""Online TSM: MobileNetV2's counts, the authors' shift buffers, and frame by frame equal to shifted pictures."""

from __future__ import annotations

import re

import pytest
from torch import nn

from co3d_bench.bench.measure.counting import count
from co3d_bench.models import continual as co
from co3d_bench.models.zoo import UnknownModelError, find_model
from co3d_bench.models.zoo.tsm import FAMILY

from ..reference import relative_error
from .networks import built, clip_of, empty_state, parameters, shapes_of, step_through

PIXELS = 64
SHIFTED = (3, 5, 6, 8, 9, 10, 12, 13, 15, 16)  # of the demo's `features`, counted with the stem
BUFFERS = [(3, 56), (4, 28), (4, 28), (8, 14), (8, 14), (8, 14), (12, 14), (12, 14), (20, 7), (20, 7)]


pytestmark = pytest.mark.usefixtures("no_grad")


def test_parameters_are_those_of_mobilenet_v2():
    without_classifier = 2_223_872  # torchvision's 3,504,872 less 1280 x 1000 + 1000
    for spec in FAMILY.listed:
        assert parameters(shapes_of(spec.name)) == without_classifier + 1280 * 400 + 400 == 2_736_272


@pytest.mark.parametrize(("name", "macs"), [("tsm-mobilenetv2", 319_531_408), ("tsm-mobilenetv2-8", 319_541_648)])
def test_multiply_accumulates_are_those_of_mobilenet_v2_on_one_picture(name, macs):
    spec = find_model(name)
    counted = count(shapes_of(name), spec)
    assert counted.macs == counted.macs_once == macs
    imagenet = 300_774_272  # of torchvision's, convolutions and classifier: 0.3 G
    assert counted.flops_torch == 2 * (imagenet - 600 * 1280)


@pytest.mark.parametrize(
    ("name", "receptive_field", "delay"),
    [("tsm-mobilenetv2", 11, 0), ("tsm-mobilenetv2-8", 18, 7), ("tsm-mobilenetv2-64", 74, 63)],
)
def test_reach_in_time(name, receptive_field, delay):
    net = shapes_of(name)
    assert (net.receptive_field, net.padding, net.delay) == (receptive_field, len(SHIFTED), delay)


def test_the_state_is_the_shift_buffers_of_the_authors_demo():
    state = shapes_of("tsm-mobilenetv2").initial_state(1)
    assert [tuple(kept.shape) for kept in state] == [(1, channels, side, side) for channels, side in BUFFERS]


class Picture(nn.Module):
    """A block of a MobileNetV2 for pictures, in torch's own layers; frames of one video stand in the batch."""

    def __init__(self, channels_in, channels, stride, expand, shifts):
        super().__init__()
        inner = channels_in * expand
        widen = [nn.Conv2d(channels_in, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU6()]
        self.conv = nn.Sequential(
            *(widen if expand > 1 else []),
            nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU6(),
            nn.Conv2d(inner, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shifts = shifts

    def forward(self, x):
        if not self.shifts:
            return self.conv(x)
        fold = x.shape[1] // 8
        shifted = x.clone()
        shifted[1:, :fold] = x[:-1, :fold]
        shifted[0, :fold] = 0
        return x + self.conv(shifted)


class Plain(nn.Module):
    """The demo's network with its names, on all frames of one video at once: (T, 3, H, W) -> (T, 400)."""

    def __init__(self):
        super().__init__()

        def full(channels_in, channels, kernel, stride):
            conv = nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU6())

        widths = [16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320]
        features = [full(3, 32, 3, 2)]
        for number, (before, after) in enumerate(zip([32, *widths], widths, strict=False), start=1):
            stride = 2 if number in (2, 4, 7, 14) else 1
            features.append(Picture(before, after, stride, 1 if number == 1 else 6, number in SHIFTED))
        self.features = nn.Sequential(*features, full(320, 1280, 1, 1))
        self.classifier = nn.Linear(1280, 400)

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


def plain_of(net):
    """The same weights, under the demo's names."""
    plain = Plain().eval()
    held = {}
    for name, value in net.state_dict().items():
        theirs = re.sub(r"^blocks\.|branch2\.", "", name)
        held[theirs] = value.squeeze(2) if value.dim() == 5 else value
    plain.load_state_dict(held)
    return plain


def test_every_step_equals_the_shifted_pictures_from_the_first_frame_on():
    net = built("tsm-mobilenetv2")
    clip = clip_of(14, pixels=PIXELS)
    expected = plain_of(net)(clip[0].transpose(0, 1))
    state = empty_state(net, clip)
    for frame, scores in zip(clip.unbind(2), expected, strict=True):
        y, state = net.step(frame, state)
        assert relative_error(y[0], scores) <= 1e-5
    assert relative_error(net(clip)[0], expected[-1]) <= 1e-5


def test_the_regular_form_fills_in_zeros():
    net = built("tsm-mobilenetv2")
    for layer in net.modules():
        if isinstance(layer, co.Shift):
            layer.pad_time = True
    clip = clip_of(14, pixels=PIXELS)
    expected = plain_of(net)(clip[0].transpose(0, 1))
    assert relative_error(net.blocks(clip)[0].flatten(1).T, expected) <= 1e-5


def test_the_pool_averages_the_scores_of_the_last_frames():
    net = built("tsm-mobilenetv2-8")
    clip = clip_of(20, pixels=PIXELS)
    expected = plain_of(net)(clip[0].transpose(0, 1))[-8:].mean(0)
    stepped, _ = step_through(net, clip, empty_state(net, clip))
    assert relative_error(stepped[0], expected) <= 1e-5
    assert relative_error(net(clip[:, :, -18:])[0], expected) <= 1e-5


def test_names():
    assert [spec.name for spec in FAMILY.listed] == ["tsm-mobilenetv2", "tsm-mobilenetv2-8"]
    assert find_model("tsm-mobilenetv2").extends is None
    assert find_model("tsm-mobilenetv2-64").extends == "tsm-mobilenetv2"
    for name in ("tsm-mobilenetv2-1", "tsm-mobilenetv2-0"):
        with pytest.raises(UnknownModelError):
            find_model(name)
