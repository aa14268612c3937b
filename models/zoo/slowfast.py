"""SlowFast-R50 (Feichtenhofer et al., ICCV 2019, arxiv.org/abs/1812.03982), and CoSlowFast, what `convert` makes of it.

Two pathways: Slow takes every alpha-th frame with all channels, Fast every frame with an eighth of them, and passes
its features to Slow by convolutions of stride alpha. Settings and names as in PyTorchVideo.

A frame network answers at every frame, so in CoSlowFast also Slow computes at every frame, its kernels spread to see
every alpha-th one: a step costs an eighth (a quarter of 4x16's) of Slow's work on a clip, and a 32nd of Fast's.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from .. import continual as co
from ..pairs import Pair, family
from ..parts import RESNET50_DEPTHS, RESNET50_STRIDES, classifier, clip_mean, resnet_stage, resnet_stem
from ..published import published
from ..spec import ModelSpec, Preprocessing

CLASSES = 400
PIXELS = 256
FRAMES = 32
STEM_CHANNELS = 64
FAST_SHARE = 8  # Fast has 1 / 8 of Slow's channels
FUSED_SHARE = 2  # and hands on twice as many as it has
SLOW_KERNELS = (1, 1, 3, 3)  # in time, by stage
FAST_STEM_KERNEL = 5
FAST_KERNEL = 3


@dataclass(frozen=True)
class Setting:
    """How much slower Slow is, and how far the convolutions between the pathways reach."""

    name: str
    title: str
    alpha: int
    fusion_kernel: int
    frame_interval: int = 2


SETTINGS = (
    Setting("8x8-r50", "8x8-R50", alpha=4, fusion_kernel=7),
    Setting("4x16-r50", "4x16-R50", alpha=8, fusion_kernel=5),
)


def _fusion(setting: Setting, fast_channels: int) -> co.Sequential:
    """From Fast to Slow: every alpha-th frame, twice the channels."""
    channels = FUSED_SHARE * fast_channels
    kernel = setting.fusion_kernel
    conv = co.Conv3d(
        fast_channels,
        channels,
        (kernel, 1, 1),
        stride=(setting.alpha, 1, 1),
        padding=(kernel // 2, 0, 0),
        bias=False,
    )
    return co.Sequential(OrderedDict(conv_fast_to_slow=conv, norm=co.BatchNorm3d(channels), activation=co.ReLU()))


def build_clip(setting: Setting, *, classes: int = CLASSES) -> co.ClipNetwork:
    """SlowFast on a clip of 32 frames, of which Slow takes every alpha-th, the last one among them."""
    from ..regular import Pathways, TwoPathways

    slow_in, fast_in = STEM_CHANNELS, STEM_CHANNELS // FAST_SHARE
    stems = resnet_stem(slow_in, 1), resnet_stem(fast_in, FAST_STEM_KERNEL)
    stages = [Pathways(*stems, _fusion(setting, fast_in))]
    for index, (depth, kernel, stride) in enumerate(zip(RESNET50_DEPTHS, SLOW_KERNELS, RESNET50_STRIDES, strict=True)):
        slow = 4 * STEM_CHANNELS << index
        fast = slow // FAST_SHARE
        last = index == len(RESNET50_DEPTHS) - 1
        stages.append(
            Pathways(
                resnet_stage(slow_in + FUSED_SHARE * fast_in, slow, depth, (kernel,), stride, pool=index == 1),
                resnet_stage(fast_in, fast, depth, (FAST_KERNEL,), stride, pool=index == 1),
                None if last else _fusion(setting, fast),
            )
        )
        slow_in, fast_in = slow, fast
    blocks = TwoPathways(
        co.Subsample(setting.alpha, to_the_end=True),
        stages,
        (clip_mean(FRAMES // setting.alpha), clip_mean(FRAMES)),
        classifier(slow_in + fast_in, classes),
    )
    co.initialise(blocks)
    return co.ClipNetwork(blocks, (3, FRAMES, PIXELS, PIXELS))


def _pair(setting: Setting) -> Pair:
    preprocessing = Preprocessing((0.45, 0.45, 0.45), (0.225, 0.225, 0.225), PIXELS, setting.frame_interval)
    clip = ModelSpec(
        name=f"slowfast-{setting.name}",
        title=f"SlowFast-{setting.title}",
        family="slowfast",
        form="clip",
        input_shape=(3, FRAMES, PIXELS, PIXELS),
        classes=CLASSES,
        build=partial(build_clip, setting),
        preprocessing=preprocessing,
        published=published(f"slowfast-{setting.name}", FRAMES, preprocessing),
    )
    return Pair(clip, f"coslowfast-{setting.name}", f"CoSlowFast-{setting.title}", (FRAMES,))


FAMILY = family(
    "slowfast", [_pair(setting) for setting in SETTINGS], pattern="coslowfast-{8x8,4x16}-r50-POOL", order=30
)
