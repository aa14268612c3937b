"""Online TSM with MobileNetV2 (Lin, Gan and Han, ICCV 2019, arxiv.org/abs/1811.08383), made for frames.

A MobileNetV2 (Sandler et al., CVPR 2018, arxiv.org/abs/1801.04381) of one frame, and whose residual blocks
take an eighth of their channels from the frame before: ten blocks, so eleven frames, for the cost of one picture.
Settings and numbering as in the authors' online demo (mit-han-lab/temporal-shift-module,
online_demo/mobilenet_v2_tsm.py): `features.3.conv.0.weight` there is `blocks.features.3.branch2.conv.0.weight` here,
with an axis of time.

Alone it predicts from each frame; with a pool length its features are averaged over the last frames, as the authors
average the scores of 8 segments, which is the same.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING

from .. import continual as co
from ..parts import clip_mean
from ..spec import ModelSpec, Preprocessing
from . import Family

if TYPE_CHECKING:
    from torch import nn

NAME = "tsm-mobilenetv2"
CLASSES = 400
PIXELS = 224
SEGMENTS = 8  # frames the authors average over
STEM_CHANNELS = 32
# (how much wider inside, channels, blocks, stride of the first block): MobileNetV2's table 2
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
HEAD_CHANNELS = 1280

# 8 frames of 64: the authors' dense sampling on Kinetics
PREPROCESSING = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), short_side=256, frame_interval=8)


def _conv(channels_in: int, channels: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution in space with its batch norm."""
    conv = co.Conv3d(
        channels_in,
        channels,
        (1, kernel, kernel),
        stride=(1, stride, stride),
        padding=(0, kernel // 2, kernel // 2),
        groups=groups,
        bias=False,
    )
    return [conv, co.BatchNorm3d(channels)]


def inverted_residual(channels_in: int, channels: int, wider: int, stride: int) -> nn.Module:
    """1 x 1 up, 3 x 3 depthwise, 1 x 1 down; where the shape stays, with a shift before and a shortcut around it."""
    inner = channels_in * wider
    up = [*_conv(channels_in, inner, 1), co.ReLU6()] if wider > 1 else []
    depthwise = [*_conv(inner, inner, 3, stride, groups=inner), co.ReLU6()]
    conv = co.Sequential(*up, *depthwise, *_conv(inner, channels, 1))
    if stride != 1 or channels_in != channels:
        return co.Sequential(OrderedDict(conv=conv))
    return co.Residual(co.Sequential(OrderedDict(shift=co.Shift(pad_time=False), conv=conv)), co.Identity())


def build(pool_frames: int = 1, *, classes: int = CLASSES) -> co.FrameNetwork:
    """Online TSM with its last average over `pool_frames` frames."""
    features: list[nn.Module] = [co.Sequential(*_conv(3, STEM_CHANNELS, 3, 2), co.ReLU6())]
    channels = STEM_CHANNELS
    for wider, after, depth, stride in STAGES:
        for index in range(depth):
            features.append(inverted_residual(channels, after, wider, 1 if index else stride))
            channels = after
    features.append(co.Sequential(*_conv(channels, HEAD_CHANNELS, 1), co.ReLU6()))
    blocks = co.Sequential(
        OrderedDict(
            features=co.Sequential(*features),
            pool=clip_mean(pool_frames),
            dropout=co.Dropout(0.5),
            classifier=co.Projection(HEAD_CHANNELS, classes),
        )
    )
    co.initialise(blocks)
    return co.FrameNetwork(blocks, (3, PIXELS, PIXELS))


def _spec(pool_frames: int) -> ModelSpec:
    pooled = pool_frames > 1
    return ModelSpec(
        name=f"{NAME}-{pool_frames}" if pooled else NAME,
        title=f"TSM-MobileNetV2 ({pool_frames})" if pooled else "TSM-MobileNetV2",
        family="tsm",
        form="frame",
        input_shape=(3, PIXELS, PIXELS),
        classes=CLASSES,
        build=partial(build, pool_frames),
        preprocessing=PREPROCESSING,
        extends=NAME if pooled else None,
    )


def find(name: str) -> ModelSpec | None:
    """tsm-mobilenetv2, and tsm-mobilenetv2-POOL for any pool length from 2 to 9999 frames."""
    match = re.fullmatch(rf"{NAME}(?:-([2-9]|[1-9]\d{{1,3}}))?", name)
    return _spec(int(match[1] or 1)) if match else None


FAMILY = Family(name="tsm", listed=(_spec(1), _spec(SEGMENTS)), find=find, pattern=f"{NAME}-POOL", order=60)
