"""X3D (Feichtenhofer, CVPR 2020, arxiv.org/abs/2004.04730) and CoX3D (the paper, section 4).

One definition, of the X3D; a CoX3D is what `convert` makes of it: no padding in time, attention over one
frame (section 3.4), a last average over a chosen number of frames (section 4.2). Parameters carry PyTorchVideo's
names, so its checkpoints load as they are.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from .. import continual as co
from ..pairs import Pair, family
from ..parts import round_to_eight
from ..published import published
from ..spec import ModelSpec, Preprocessing

if TYPE_CHECKING:
    from torch import nn

CLASSES = 400
STEM_CHANNELS = 24
STAGES = ((24, 1), (48, 2), (96, 5), (192, 3))  # (channels, blocks before the depth factor)
BOTTLENECK = 2.25
SE_RATIO = 1 / 16
HEAD_CHANNELS = 2048


@dataclass(frozen=True)
class Size:
    """One size of the family: how deep, how wide, and on what input."""

    name: str
    depth_factor: float
    frames: int  # of a clip; the native pool length of the frame form
    pixels: int
    short_side: int
    frame_interval: int
    stem_channels: int = STEM_CHANNELS
    stages: tuple[tuple[int, int], ...] = STAGES
    head_channels: int = HEAD_CHANNELS


SIZES = (
    Size("xs", 2.2, frames=4, pixels=160, short_side=182, frame_interval=12),
    Size("s", 2.2, frames=13, pixels=160, short_side=182, frame_interval=6),
    Size("m", 2.2, frames=16, pixels=224, short_side=256, frame_interval=5),
    Size("l", 5.0, frames=16, pixels=312, short_side=356, frame_interval=5),
)
LISTED_POOLS = {
    "s": (13, 64),
    "m": (16, 64),
    "l": (16, 64),
}  # the rows of Table 1; any other length is found too


def bottleneck(channels_in: int, channels: int, stride: int, squeeze: bool) -> co.Sequential:
    """1x1x1 up, 3x3x3 depthwise, attention in every second block, 1x1x1 down."""
    inner = int(BOTTLENECK * channels)
    norm_b: list[nn.Module] = [co.BatchNorm3d(inner)]
    if squeeze:
        reduced = round_to_eight(inner * SE_RATIO)
        norm_b.append(co.SqueezeExcitation(inner, reduced))
    return co.Sequential(
        OrderedDict(
            conv_a=co.Conv3d(channels_in, inner, 1, bias=False),
            norm_a=co.BatchNorm3d(inner),
            act_a=co.ReLU(),
            conv_b=co.Conv3d(inner, inner, 3, stride=(1, stride, stride), padding=1, groups=inner, bias=False),
            norm_b=co.Sequential(*norm_b),
            act_b=co.Swish(),
            conv_c=co.Conv3d(inner, channels, 1, bias=False),
            norm_c=co.BatchNorm3d(channels),
        )
    )


def residual(channels_in: int, channels: int, index: int, norm_first: bool) -> co.Residual:
    """Block `index` of a stage; the first one halves the feature map and so projects its shortcut."""
    first = index == 0
    has_norm = first and (channels_in != channels or norm_first)
    return co.Residual(
        branch2=bottleneck(channels_in, channels, 2 if first else 1, index % 2 == 0),
        activation=co.ReLU(),
        branch1_conv=co.Conv3d(channels_in, channels, 1, stride=(1, 2, 2), bias=False) if first else None,
        branch1_norm=co.BatchNorm3d(channels) if has_norm else None,
    )


def build_clip(size: Size, *, norm_first: bool = True, classes: int = CLASSES) -> co.ClipNetwork:
    """X3D: stem, stages and head, as PyTorchVideo numbers them.

    `norm_first=False` leaves out the first shortcut's batch norm, as PyTorchVideo's checkpoints do.
    """
    channels_in = size.stem_channels
    conv_t = co.Conv3d(3, channels_in, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1), bias=False)
    conv_xy = co.Conv3d(channels_in, channels_in, (5, 1, 1), padding=(2, 0, 0), groups=channels_in, bias=False)
    stem = co.Sequential(
        OrderedDict(
            conv=co.Sequential(OrderedDict(conv_t=conv_t, conv_xy=conv_xy)),
            norm=co.BatchNorm3d(channels_in),
            activation=co.ReLU(),
        )
    )
    stages = []
    for channels, blocks in size.stages:
        chain = []
        for index in range(math.ceil(blocks * size.depth_factor)):
            chain.append(residual(channels_in, channels, index, norm_first))
            channels_in = channels
        stages.append(co.Sequential(OrderedDict(res_blocks=co.Sequential(*chain))))
    inner = int(BOTTLENECK * channels_in)
    head = co.Sequential(
        OrderedDict(
            pool=co.Sequential(
                OrderedDict(
                    pre_conv=co.Conv3d(channels_in, inner, 1, bias=False),
                    pre_norm=co.BatchNorm3d(inner),
                    pre_act=co.ReLU(),
                    space=co.SpatialMean(),
                    time=co.ClipPool(size.frames),
                    post_conv=co.Conv3d(inner, size.head_channels, 1, bias=False),
                    post_act=co.ReLU(),
                )
            ),
            dropout=co.Dropout(0.5),
            proj=co.Projection(size.head_channels, classes),
        )
    )
    blocks = co.Sequential(stem, *stages, head)
    co.initialise(blocks)
    return co.ClipNetwork(blocks, (3, size.frames, size.pixels, size.pixels))


def _clip(size: Size) -> ModelSpec:
    preprocessing = Preprocessing((0.45, 0.45, 0.45), (0.225, 0.225, 0.225), size.short_side, size.frame_interval)
    return ModelSpec(
        name=f"x3d-{size.name}",
        title=f"X3D-{size.name.upper()}",
        family="x3d",
        form="clip",
        input_shape=(3, size.frames, size.pixels, size.pixels),
        classes=CLASSES,
        build=partial(build_clip, size),
        preprocessing=preprocessing,
        published=published(f"x3d-{size.name}", size.frames, preprocessing),
    )


CLIPS = {size.name: _clip(size) for size in SIZES}

FAMILY = family(
    "x3d",
    [Pair(CLIPS[name], f"cox3d-{name}", f"CoX3D-{name.upper()}", pools) for name, pools in LISTED_POOLS.items()],
    clips=[CLIPS["xs"]],  # frame by frame it is the same as s
    pattern="cox3d-{s,m,l}-POOL",
    order=10,
)
