"""What `convert` refuses: the message names the layer or the line of code, and says why."""

from __future__ import annotations

import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from co3d_bench.models import continual as co

from .regular import HEADS, Head, Regular, ResNet, converted, ready


def refusal(message):
    """The pattern of `where: why` with the place in the author's code, and what kind of refusal it is."""
    where, why = re.match(r"((?:Calls: \w+)|[^:]*): (.*)", message).groups()
    return rf"{where} at \S+\.py:\d+: (has no frame form|not supported yet): {why}"


class Calls(nn.Module):
    """A network whose `forward` is one line, with a few layers to call."""

    def __init__(self, line):
        super().__init__()
        self.line = line
        self.conv = nn.Conv3d(3, 8, 1)
        self.strided = nn.Conv3d(3, 8, 1, (2, 1, 1))
        self.lstm = nn.LSTM(8, 8)
        self.fc = nn.Linear(8, 4)
        self.gain = nn.Parameter(torch.ones(8, 1, 1, 1))
        self.softmax = nn.Softmax(dim=-1)

    def forward(self, x):
        return self.line(self, x)


class OwnLeaf(nn.Conv3d):
    """A convolution with a `forward` of its own."""

    def forward(self, x):
        return F.conv3d(x, self.weight.square(), self.bias)


class TwoInputs(nn.Module):
    def forward(self, x, audio):
        return x + audio


REFUSED = {
    "recurrent": (
        lambda self, x: self.lstm(self.conv(x).mean((3, 4)).permute(2, 0, 1))[0],
        r"lstm \(LSTM\): is recurrent",
    ),
    "branch on numbers": (
        lambda self, x: self.conv(x) if x.sum() > 0 else x,
        r"Calls: its forward cannot be traced.*control flow",
    ),
    "joined in time": (
        lambda self, x: torch.cat((self.conv(x), self.conv(x)), 2),
        r"Calls: cat: joins along dimension 2 of \(B, C, T, H, W\), which is time",
    ),
    "two outputs": (lambda self, x: (self.conv(x), x), "Calls: does not return one tensor of scores"),
    "classifier on a map": (
        lambda self, x: self.fc(self.conv(x)),
        r"Calls: fails on a tensor of shape \(2, 3, 16, 24, 24\): ",
    ),
    "classifier on a flat map": (
        lambda self, x: nn.Linear(8 * 16 * 576, 4)(self.conv(x).flatten(1)) if False else self.fc(x.flatten(1)),
        r"Calls: fails on a tensor of shape \(2, 3, 16, 24, 24\): ",
    ),
    "unknown function": (
        lambda self, x: self.conv(x).cumsum(2),
        r"Calls: cumsum: runs over dimension 2 of \(B, C, T, H, W\), which is time",
    ),
    "different rates": (
        lambda self, x: self.conv(x) + self.strided(x),
        r"Calls: fails on a tensor of shape \(2, 3, 16, 24, 24\): ",
    ),
    "average over everything": (
        lambda self, x: self.conv(x).mean(),
        r"Calls: mean: runs over dimension 0 of \(B, C, T, H, W\), which is the batch",
    ),
    "convolution on other dimensions": (
        lambda self, x: self.conv(x.permute(0, 1, 3, 2, 4)),
        r"conv \(Conv3d\): receives \(B, C, H, T, W\), but takes \(B, C, T, H, W\)",
    ),
    "time into channels": (
        lambda self, x: self.conv(x).view(-1, 8 * 16, 1, 24, 24),
        r"Calls: returns \(B, CT, 1, H, W\), in which frames or clips and other dimensions are one",
    ),
    "flat batch": (lambda self, x: self.conv(x).flatten(), r"Calls: returns \(BCTHW\), in which"),
    "vector on a map": (
        lambda self, x: self.conv(x) * self.fc(self.conv(x).mean((2, 3, 4))),
        r"Calls: fails on a tensor of shape \(2, 3, 16, 24, 24\): ",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_forward_without_a_frame_form_is_refused_with_line_and_reason(case):
    line, message = REFUSED[case]
    with pytest.raises(co.ConversionError, match=refusal(message)):
        converted(Calls(line))


LAYERS = {
    "(GroupNorm): normalises by statistics over the whole clip": nn.GroupNorm(1, 3),
    "(InstanceNorm3d): normalises by statistics over the whole clip": nn.InstanceNorm3d(3),
    "(LayerNorm): runs over dimension 2 of (B, C, T, H, W), which is time": nn.LayerNorm((16, 24, 24)),
    "(BatchNorm3d): normalises by each clip's own statistics": nn.BatchNorm3d(3, track_running_stats=False),
    "(GRU): is recurrent": nn.GRU(3, 3),
    "(MultiheadAttention): attends to all frames at once": nn.MultiheadAttention(3, 1),
    "(ConvTranspose3d): makes several frames of one": nn.ConvTranspose3d(3, 3, 2),
    "(Conv2d): receives (B, C, T, H, W), but takes pictures": nn.Conv2d(3, 3, 1),
    "(BatchNorm2d): fails on a tensor of shape (2, 3, 16, 24, 24): expected 4D input": nn.BatchNorm2d(3),
    "(BatchNorm1d): fails on a tensor of shape (2, 3, 16, 24, 24): expected 2D or 3D input": nn.BatchNorm1d(3),
    "(AdaptiveMaxPool3d): takes the maximum of a whole clip": nn.AdaptiveMaxPool3d(1),
    "(Upsample): makes 2 frames of 16; resize height and width alone": nn.Upsample(2),
    "(AdaptiveAvgPool3d): output size (2, 2, 2)": nn.AdaptiveAvgPool3d((2, 2, 2)),
    "(MaxPool3d): returns indices": nn.MaxPool3d(2, return_indices=True),
    "(MaxPool3d): dilation (1, 2, 2) in space": nn.MaxPool3d(2, dilation=(1, 2, 2)),
    "(AvgPool3d): divisor_override": nn.AvgPool3d(2, divisor_override=3),
    "(Conv3d): padding_mode='replicate' has no frame form": nn.Conv3d(3, 3, 3, padding=1, padding_mode="replicate"),
    "(Conv3d): temporal padding 3 is larger": nn.Conv3d(3, 3, 3, padding=3),
    "(Conv3d): padding='same' pads this kernel more at one end": nn.Conv3d(3, 3, (2, 1, 1), padding="same"),
    "(TwoInputs): takes a second input, 'audio'": TwoInputs(),
    ": conv3d: convolves over time as a function; use the layer nn.Conv3d": OwnLeaf(3, 3, 3),
}


@pytest.mark.parametrize("message", LAYERS)
def test_a_layer_without_a_frame_form_is_named(message):
    net = nn.Sequential(nn.Sequential(nn.Identity(), LAYERS[message]), nn.AdaptiveAvgPool3d(1))
    with pytest.raises(co.ConversionError) as caught:
        converted(net)
    kind, _, why = message.rpartition(": ") if message.startswith(":") else message.partition(": ")
    where = re.escape(f"0.1 {kind}" if message.startswith("(") else f"0.1{kind}")
    assert re.match(
        rf"{where}( at \S+:\d+)?: (has no frame form|not supported yet): {re.escape(why)}", str(caught.value)
    )
    assert "\n" not in str(caught.value)


def test_a_library_that_takes_tensors_apart_is_refused():
    def rearrange(tensor, pattern):  # as einops does: it looks up what library the tensor is from, and its shape
        if not isinstance(tensor, torch.Tensor):
            raise RuntimeError(f"Tensor type unknown to einops {type(tensor)}")

    with pytest.raises(
        co.ConversionError, match=refusal("Calls: its forward cannot be traced: .*einops.*real tensors")
    ):
        converted(Calls(lambda self, x: rearrange(self.conv(x), "b c t h w -> b c (t h w)")))


def test_a_clip_whose_length_is_not_known_is_asked_for():
    net = Regular(ResNet(), Head(HEADS["mean over all"]().spelling)).eval()
    with pytest.raises(co.ConversionError, match=r"mean at .*length is not known: pass input_shape="):
        co.convert(net)
    with pytest.raises(
        co.ConversionError, match=r"\(AdaptiveAvgPool3d\): not supported yet: averages over the whole clip"
    ):
        co.convert(nn.Sequential(nn.AdaptiveAvgPool3d(1)))
    with pytest.raises(co.ConversionError, match=r"input_shape: \(3, 24, 24\) is not"):
        co.convert(net, input_shape=(3, 24, 24))


def test_wrong_choices_are_refused():
    features = ready(ResNet())
    with pytest.raises(co.ConversionError, match="pool_frames: the network has no average over its clip"):
        converted(features, pool_frames=4)
    with pytest.raises(co.ConversionError, match="pool_frames: 0 frames cannot be averaged"):
        converted(features, pool_frames=0)
    with pytest.raises(co.ConversionError, match="squeeze: 'video': attention averages over the 'frame' or the 'clip'"):
        converted(features, squeeze="video")
