"""What several families are built of. Parameters carry PyTorchVideo's names, so its checkpoints load as they are.

The layers are named lazily, so that importing this imports no torch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import continual as co

if TYPE_CHECKING:
    from torch import nn

RESNET50_DEPTHS = (3, 4, 6, 3)  # blocks in each stage
RESNET50_STRIDES = (1, 2, 2, 2)  # in space, of the first block of each stage


def round_to_eight(channels: float) -> int:
    """The nearest multiple of 8, at least 8, and not more than a tenth below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def resnet_stem(channels: int, kernel_frames: int) -> co.Sequential:
    """(B, 3, T, H, W) -> (B, channels, T, H / 4, W / 4): a convolution over 7 x 7 pixels, then a maximum over 3 x 3."""
    return co.Sequential(
        OrderedDict(
            conv=co.Conv3d(
                3,
                channels,
                (kernel_frames, 7, 7),
                stride=(1, 2, 2),
                padding=(kernel_frames // 2, 3, 3),
                bias=False,
            ),
            norm=co.BatchNorm3d(channels),
            activation=co.ReLU(),
            pool=co.Pool3d("max", (1, 3, 3), (1, 2, 2), (0, 1, 1)),
        )
    )


def bottleneck(channels_in: int, inner: int, channels: int, kernel_frames: int, stride: int) -> co.Residual:
    """kT x 1 x 1 down, 1 x 3 x 3, 1 x 1 x 1 up (He et al., 2016); the shortcut projects where the shape changes."""
    projects = channels_in != channels or stride != 1
    branch2 = co.Sequential(
        OrderedDict(
            conv_a=co.Conv3d(channels_in, inner, (kernel_frames, 1, 1), padding=(kernel_frames // 2, 0, 0), bias=False),
            norm_a=co.BatchNorm3d(inner),
            act_a=co.ReLU(),
            conv_b=co.Conv3d(inner, inner, (1, 3, 3), stride=(1, stride, stride), padding=(0, 1, 1), bias=False),
            norm_b=co.BatchNorm3d(inner),
            act_b=co.ReLU(),
            conv_c=co.Conv3d(inner, channels, 1, bias=False),
            norm_c=co.BatchNorm3d(channels),
        )
    )
    return co.Residual(
        branch2,
        co.ReLU(),
        branch1_conv=co.Conv3d(channels_in, channels, 1, stride=(1, stride, stride), bias=False) if projects else None,
        branch1_norm=co.BatchNorm3d(channels) if projects else None,
    )


def resnet_stage(
    channels_in: int, channels: int, depth: int, kernel_frames: Sequence[int], stride: int, *, pool: bool = False
) -> co.Sequential:
    """`depth` bottlenecks; their kernels in time are `kernel_frames`, repeated as often as needed.

    `pool` begins it with a maximum over 1 x 1 x 1, as PySlowFast has it between the first two stages of Slow and
    SlowFast. It does nothing, but the paper's counts hold it.
    """
    blocks = [
        bottleneck(
            channels if index else channels_in,
            channels // 4,
            channels,
            kernel_frames[index % len(kernel_frames)],
            1 if index else stride,
        )
        for index in range(depth)
    ]
    idle = OrderedDict(pool=co.Pool3d("max", (1, 1, 1))) if pool else OrderedDict()
    return co.Sequential(OrderedDict(**idle, res_blocks=co.Sequential(*blocks)))


def clip_mean(frames: int) -> co.Sequential:
    """(B, C, T, H, W) -> (B, C, 1, 1, 1): the mean over pixels and frames; `frames` is the clip's length here."""
    return co.Sequential(OrderedDict(space=co.SpatialMean(), time=co.ClipPool(frames)))


def classifier(channels: int, classes: int, pool: nn.Module | None = None) -> co.Sequential:
    """The head: mean, if it is not taken before; dropout; scores."""
    layers: OrderedDict[str, nn.Module] = OrderedDict() if pool is None else OrderedDict(pool=pool)
    layers["dropout"] = co.Dropout(0.5)
    layers["proj"] = co.Projection(channels, classes)
    return co.Sequential(layers)
