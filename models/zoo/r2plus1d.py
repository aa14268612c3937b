"""R(2+1)D-18 (Tran et al., CVPR 2018, arxiv.org/abs/1711.11248), and CoR(2+1)D-18, what `convert` makes of it.

A ResNet-18 in which each 3 x 3 x 3 convolution is one in space, batch norm, ReLU and one in time. Settings and names
are those of torchvision's r2plus1d_18 (pytorch/vision, torchvision/models/video/resnet.py), below `blocks.`: a stem
that does not pool, and stages 2 to 4 that halve the frames as well as the feature map.

A frame network skips no frame: behind the three strides in time its kernels look 2, 4 and 8 frames apart. Its last
average is over frames in a row.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING

from .. import continual as co
from ..pairs import Pair, family
from ..parts import clip_mean
from ..published import published
from ..spec import ModelSpec, Preprocessing

if TYPE_CHECKING:
    from torch import nn

CLASSES = 400
PIXELS = 112
CLIPS = (8, 16)  # frames of a clip in Table 1, and the native pool lengths of the frame form
STEM_CHANNELS = (45, 64)  # between the stem's two convolutions, and behind them
STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))  # (channels, stride in time and space)
BLOCKS = 2  # of each stage
THINNED = 8  # all strides in time together

# torchvision's R2Plus1D_18_Weights.KINETICS400_V1: resized to 128 x 171, 15 frames a second
PREPROCESSING = Preprocessing(
    (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989), short_side=128, frame_interval=2
)


def between(channels_in: int, channels: int) -> int:
    """Channels between the two parts of a convolution, so that they have as many weights as a 3 x 3 x 3 one."""
    return channels_in * channels * 27 // (9 * channels_in + 3 * channels)


def conv_2_plus_1(channels_in: int, inner: int, channels: int, stride: int) -> co.Sequential:
    """1 x 3 x 3, then 3 x 1 x 1."""
    return co.Sequential(
        co.Conv3d(channels_in, inner, (1, 3, 3), stride=(1, stride, stride), padding=(0, 1, 1), bias=False),
        co.BatchNorm3d(inner),
        co.ReLU(),
        co.Conv3d(inner, channels, (3, 1, 1), stride=(stride, 1, 1), padding=(1, 0, 0), bias=False),
    )


def block(channels_in: int, channels: int, stride: int) -> nn.Module:
    """Two convolutions and a shortcut: (B, C, T, H, W) -> (B, channels, T / stride, H / stride, W / stride)."""
    from ..regular import BasicBlock

    inner = between(channels_in, channels)
    projects = channels_in != channels or stride != 1
    return BasicBlock(
        co.Sequential(conv_2_plus_1(channels_in, inner, channels, stride), co.BatchNorm3d(channels), co.ReLU()),
        co.Sequential(conv_2_plus_1(channels, inner, channels, 1), co.BatchNorm3d(channels)),
        co.Sequential(co.Conv3d(channels_in, channels, 1, stride=stride, bias=False), co.BatchNorm3d(channels))
        if projects
        else None,
    )


def build_clip(frames: int, *, classes: int = CLASSES) -> co.ClipNetwork:
    """R(2+1)D-18 for clips of that many frames, a multiple of 8."""
    inner, channels = STEM_CHANNELS
    stem = co.Sequential(
        co.Conv3d(3, inner, (1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False),
        co.BatchNorm3d(inner),
        co.ReLU(),
        co.Conv3d(inner, channels, (3, 1, 1), padding=(1, 0, 0), bias=False),
        co.BatchNorm3d(channels),
        co.ReLU(),
    )
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=stem)
    for number, (wider, stride) in enumerate(STAGES, start=1):
        first = block(channels, wider, stride)
        layers[f"layer{number}"] = co.Sequential(first, *(block(wider, wider, 1) for _ in range(BLOCKS - 1)))
        channels = wider
    layers["avgpool"] = clip_mean(frames // THINNED)
    layers["fc"] = co.Projection(channels, classes)
    blocks = co.Sequential(layers)
    co.initialise(blocks)
    return co.ClipNetwork(blocks, (3, frames, PIXELS, PIXELS))


def _pair(frames: int) -> Pair:
    clip = ModelSpec(
        name=f"r2plus1d-18-{frames}",
        title=f"R(2+1)D-18 ({frames})",
        family="r2plus1d",
        form="clip",
        input_shape=(3, frames, PIXELS, PIXELS),
        classes=CLASSES,
        build=partial(build_clip, frames),
        preprocessing=PREPROCESSING,
        published=published("r2plus1d-18", frames, PREPROCESSING),
    )
    return Pair(clip, "cor2plus1d-18", "CoR(2+1)D-18", listed_pools=(frames,))


FAMILY = family("r2plus1d", [_pair(frames) for frames in CLIPS], pattern="cor2plus1d-18-POOL", order=40)
