"""MobileNetV3-Large (Howard et al., ICCV 2019, arxiv.org/abs/1905.02244): a network of pictures, frame by frame.

It sees one frame and keeps nothing, so it is what a frame network has to beat: what a user pays without any memory.
Settings and names are those of torchvision's mobilenet_v3_large (pytorch/vision, torchvision/models/mobilenetv3.py),
trained on ImageNet: its 1000 classes are things, not actions. `--classes` builds it for others.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import continual as co
from ..parts import round_to_eight
from ..spec import Family, ModelSpec, Preprocessing

if TYPE_CHECKING:
    from torch import nn

NAME = "mobilenetv3-large"
CLASSES = 1000
PIXELS = 224
EPS = 1e-3  # of every batch norm
STEM_CHANNELS = 16
HEAD_CHANNELS, HIDDEN = 960, 1280


@dataclass(frozen=True)
class Block:
    """A row of the paper's table 1."""

    kernel: int
    inner: int
    channels: int
    squeeze: bool = False
    hard: bool = False  # hard swish in place of ReLU
    stride: int = 1


BLOCKS = (
    Block(3, 16, 16),
    Block(3, 64, 24, stride=2),
    Block(3, 72, 24),
    Block(5, 72, 40, squeeze=True, stride=2),
    Block(5, 120, 40, squeeze=True),
    Block(5, 120, 40, squeeze=True),
    Block(3, 240, 80, hard=True, stride=2),
    Block(3, 200, 80, hard=True),
    Block(3, 184, 80, hard=True),
    Block(3, 184, 80, hard=True),
    Block(3, 480, 112, squeeze=True, hard=True),
    Block(3, 672, 112, squeeze=True, hard=True),
    Block(5, 672, 160, squeeze=True, hard=True, stride=2),
    Block(5, 960, 160, squeeze=True, hard=True),
    Block(5, 960, 160, squeeze=True, hard=True),
)

# torchvision's: pictures at the scale of ImageNet. It knows no frame rate: every frame of a film is one picture.
PREPROCESSING = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), short_side=256, frame_interval=1)


def _conv(
    channels_in: int, channels: int, kernel: int, act: nn.Module | None, stride: int = 1, groups: int = 1
) -> co.Sequential:
    """A convolution in space with its batch norm, and its activation where it has one."""
    conv = co.Conv3d(
        channels_in,
        channels,
        (1, kernel, kernel),
        stride=(1, stride, stride),
        padding=(0, kernel // 2, kernel // 2),
        groups=groups,
        bias=False,
    )
    return co.Sequential(conv, co.BatchNorm3d(channels, eps=EPS, momentum=0.01), *(() if act is None else (act,)))


def inverted_residual(channels_in: int, row: Block) -> nn.Module:
    """1 x 1 up, depthwise, attention, 1 x 1 down, and a shortcut where the shape stays."""

    def act() -> nn.Module:
        return co.Hardswish() if row.hard else co.ReLU()

    layers: list[nn.Module] = [_conv(channels_in, row.inner, 1, act())] if row.inner != channels_in else []
    layers.append(_conv(row.inner, row.inner, row.kernel, act(), row.stride, groups=row.inner))
    if row.squeeze:
        reduced = round_to_eight(row.inner // 4)
        layers.append(co.SqueezeExcitation(row.inner, reduced, co.SpatialMean(), gate=co.Hardsigmoid()))
    branch = co.Sequential(*layers, _conv(row.inner, row.channels, 1, None))
    if row.stride != 1 or channels_in != row.channels:
        return co.Sequential(OrderedDict(branch2=branch))
    return co.Residual(branch, co.Identity())


def build(*, classes: int = CLASSES) -> co.FrameNetwork:
    """MobileNetV3-Large for one frame at a time."""
    features: list[nn.Module] = [_conv(3, STEM_CHANNELS, 3, co.Hardswish(), stride=2)]
    channels = STEM_CHANNELS
    for row in BLOCKS:
        features.append(inverted_residual(channels, row))
        channels = row.channels
    features.append(_conv(channels, HEAD_CHANNELS, 1, co.Hardswish()))
    hidden, scores = co.Projection(HEAD_CHANNELS, HIDDEN), co.Projection(HIDDEN, classes)
    blocks = co.Sequential(
        OrderedDict(
            features=co.Sequential(*features),
            avgpool=co.SpatialMean(),
            classifier=co.Sequential(hidden, co.Hardswish(), co.Dropout(0.2), scores),
        )
    )
    co.initialise(blocks)
    return co.FrameNetwork(blocks, (3, PIXELS, PIXELS))


SPEC = ModelSpec(
    name=NAME,
    title="MobileNetV3-Large",
    family="mobilenet",
    form="frame",
    input_shape=(3, PIXELS, PIXELS),
    classes=CLASSES,
    build=build,
    preprocessing=PREPROCESSING,
    notes=lambda: ("a network of pictures: each frame alone, and 1000 classes of ImageNet, which are no actions",),
)
FAMILY = Family(name="mobilenet", listed=(SPEC,), find={NAME: SPEC}.get, order=80)
