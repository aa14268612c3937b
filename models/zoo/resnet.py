"""ResNet-50 over time: I3D, Slow and C2D, and what `convert` makes of them, CoI3D, CoSlow and CoC2D.

I3D is that of Carreira and Zisserman (CVPR 2017, arxiv.org/abs/1705.07750) inflated from a ResNet-50 as in Wang et al.
(CVPR 2018, arxiv.org/abs/1711.07971), Slow the slow pathway alone of Feichtenhofer et al. (ICCV 2019,
arxiv.org/abs/1812.03982), C2D a network without any kernel in time (PySlowFast's c2d_nopool). Settings and names as in
PyTorchVideo.

In CoI3D the pool of stride 2 behind the first stage skips no frame (see `continual/conversion`); its last average is
over frames in a row. CoC2D with an average over one frame keeps no state at all: what a frame network costs at least.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from .. import continual as co
from ..pairs import Pair, family
from ..parts import RESNET50_DEPTHS, RESNET50_STRIDES, classifier, clip_mean, resnet_stage, resnet_stem
from ..published import published
from ..spec import ModelSpec, Preprocessing

if TYPE_CHECKING:
    from torch import nn

CLASSES = 400
STEM_CHANNELS = 64
SHORT_SIDE = 256  # of the video, before it is cropped


@dataclass(frozen=True)
class Architecture:
    """One network: its kernels in time, and the clip it is trained on."""

    family: str
    clip_name: str
    frame_name: str  # of the frame form, without the pool length
    clip_title: str
    frame_title: str
    stem_kernel: int
    stage_kernels: tuple[tuple[int, ...], ...]
    # Behind the first stage a maximum over that many frames, which leaves one of them. PyTorchVideo numbers it as a
    # block of its own; PySlowFast's Slow has an idle one, which is not numbered (None).
    first_pool: int | None
    pixels: int
    listed_pools: tuple[int, ...]
    frames: int = 8
    frame_interval: int = 8


ARCHITECTURES = (
    Architecture("i3d", "i3d-r50", "coi3d-r50", "I3D-R50", "CoI3D", 5, ((3,), (3, 1), (3, 1), (1, 3)), 2, 224, (8, 64)),
    Architecture(
        "slow", "slow-8x8-r50", "coslow-r50", "Slow-8x8-R50", "CoSlow", 1, ((1,), (1,), (3,), (3,)), None, 256, (8, 64)
    ),
    Architecture("c2d", "c2d-r50", "coc2d-r50", "C2D-R50", "CoC2D", 1, ((1,), (1,), (1,), (1,)), 1, 224, (1, 8)),
)


def build_clip(kind: Architecture, *, classes: int = CLASSES) -> co.ClipNetwork:
    """The regular network."""
    frames, channels = kind.frames, STEM_CHANNELS
    blocks: list[nn.Module] = [resnet_stem(channels, kind.stem_kernel)]
    for index, (depth, kernels, stride) in enumerate(
        zip(RESNET50_DEPTHS, kind.stage_kernels, RESNET50_STRIDES, strict=True)
    ):
        wider = 4 * STEM_CHANNELS << index
        idle_pool = index == 1 and kind.first_pool is None
        blocks.append(resnet_stage(channels, wider, depth, kernels, stride, pool=idle_pool))
        channels = wider
        if index == 0 and kind.first_pool is not None:
            blocks.append(co.Pool3d("max", (kind.first_pool, 1, 1), (kind.first_pool, 1, 1)))
            frames //= kind.first_pool
    blocks.append(classifier(channels, classes, clip_mean(frames)))
    chain = co.Sequential(*blocks)
    co.initialise(chain)
    return co.ClipNetwork(chain, (3, kind.frames, kind.pixels, kind.pixels))


def _pair(kind: Architecture) -> Pair:
    preprocessing = Preprocessing((0.45, 0.45, 0.45), (0.225, 0.225, 0.225), SHORT_SIDE, kind.frame_interval)
    clip = ModelSpec(
        name=kind.clip_name,
        title=kind.clip_title,
        family=kind.family,
        form="clip",
        input_shape=(3, kind.frames, kind.pixels, kind.pixels),
        classes=CLASSES,
        build=partial(build_clip, kind),
        preprocessing=preprocessing,
        published=published(kind.clip_name, kind.frames, preprocessing),
    )
    return Pair(clip, kind.frame_name, kind.frame_title, kind.listed_pools)


FAMILY = family("resnet", [_pair(kind) for kind in ARCHITECTURES], pattern="{coi3d,coslow,coc2d}-r50-POOL", order=20)
