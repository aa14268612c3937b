"""RCU (Singh and Cuzzolin, "Recurrent Convolutions for Causal 3D CNNs", ICCV workshops 2019, arxiv.org/abs/1811.07157).

A ResNet-18 of one frame, with a recurrent unit behind each 3 x 3 convolution: it is causal by design, has no
clip form but its own steps, and remembers, ever less, all it has seen. The paper compares with its average over the
last 8 frames. Where the unit stands follows the authors' code (gurkirt/3D-RetinaNet, models/blocks.py: between
convolution and batch norm); neither weights nor code of the ResNet-18 itself are public.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING

from .. import continual as co
from ..parts import classifier, clip_mean, resnet_stem
from ..published import published
from ..spec import ModelSpec, Preprocessing
from . import Family

if TYPE_CHECKING:
    from torch import nn

CLASSES = 400
PIXELS = 112
NATIVE_POOL = 8  # frames of the clips in Table 1
STEM_CHANNELS = 64
STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))  # (channels, stride of the first block)
BLOCKS = 2  # of each stage

# That of the pictures its ResNet-18 is trained on first, and the frame rate of R(2+1)D-18, with which it is compared;
# the authors' own is not known to us.
PREPROCESSING = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), short_side=128, frame_interval=2)


def block(channels_in: int, channels: int, stride: int) -> co.Residual:
    """Two 3 x 3 convolutions with their recurrent units; the shortcut projects where the shape changes."""
    projects = channels_in != channels or stride != 1
    branch2 = co.Sequential(
        OrderedDict(
            conv_a=co.Conv3d(
                channels_in, channels, (1, 3, 3), stride=(1, stride, stride), padding=(0, 1, 1), bias=False
            ),
            recurrent_a=co.RecurrentUnit(channels),
            norm_a=co.BatchNorm3d(channels),
            act_a=co.ReLU(),
            conv_b=co.Conv3d(channels, channels, (1, 3, 3), padding=(0, 1, 1), bias=False),
            recurrent_b=co.RecurrentUnit(channels),
            norm_b=co.BatchNorm3d(channels),
        )
    )
    return co.Residual(
        branch2,
        co.ReLU(),
        branch1_conv=co.Conv3d(channels_in, channels, 1, stride=(1, stride, stride), bias=False) if projects else None,
        branch1_norm=co.BatchNorm3d(channels) if projects else None,
    )


def build(pool_frames: int, *, classes: int = CLASSES) -> co.FrameNetwork:
    """RCU with its last average over `pool_frames` frames."""
    layers: list[nn.Module] = [resnet_stem(STEM_CHANNELS, 1)]
    channels = STEM_CHANNELS
    for wider, stride in STAGES:
        stage = [block(channels, wider, stride), *(block(wider, wider, 1) for _ in range(BLOCKS - 1))]
        layers.append(co.Sequential(OrderedDict(res_blocks=co.Sequential(*stage))))
        channels = wider
    blocks = co.Sequential(*layers, classifier(channels, classes, clip_mean(pool_frames)))
    co.initialise(blocks)
    return co.FrameNetwork(blocks, (3, PIXELS, PIXELS))


def _spec(pool_frames: int) -> ModelSpec:
    return ModelSpec(
        name=f"rcu-{pool_frames}",
        title=f"RCU ({pool_frames})",
        family="rcu",
        form="frame",
        input_shape=(3, PIXELS, PIXELS),
        classes=CLASSES,
        build=partial(build, pool_frames),
        preprocessing=PREPROCESSING,
        published=published("rcu", pool_frames, PREPROCESSING),
        extends=None if pool_frames == NATIVE_POOL else f"rcu-{NATIVE_POOL}",
    )


def find(name: str) -> ModelSpec | None:
    """rcu-POOL for any pool length from 1 to 9999 frames."""
    match = re.fullmatch(r"rcu-([1-9]\d{0,3})", name)
    return _spec(int(match[1])) if match else None


FAMILY = Family(name="rcu", listed=(_spec(NATIVE_POOL),), find=find, pattern="rcu-POOL", order=50)
