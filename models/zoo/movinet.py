"""MoViNet A0, A1 and A2 (Kondratyuk et al., CVPR 2021, arxiv.org/abs/2103.11511): base for clips, stream for frames.

Sizes, layers and padding are those of the authors' code (tensorflow/models, official/projects/movinet) in the settings
of its public checkpoints, which Atze00/MoViNet-pytorch holds for torch:

- base: 3D convolutions, padded on both sides in time; attention averages over the clip; swish and sigmoid.
- stream: (2+1)D convolutions, padded before the first frame alone, each part with its own batch norm and activation;
  attention from the mean of all frames so far beside this frame's own; hard swish and hard sigmoid, and no positional
  encoding, which only A3 and larger have. The paper's own stream networks had 3D convolutions; these took their place.

So base and stream have weights of their own. A stream network's `net(clip)` is its own causal clip form.

Its averages are cumulative: they count every frame since `initial_state` alike, and nothing resets them but a new
state. The weights saw films of 10 s, 50 frames; begin a new state with every film or event, or every 10 s.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from .. import continual as co
from ..parts import round_to_eight
from ..spec import Family, ModelSpec, Preprocessing

if TYPE_CHECKING:
    from torch import nn

CLASSES = 600
FRAMES = 50  # of a film of 10 s, 5 frames a second
HIDDEN = 2048  # channels between the two layers of the classifier
EPS = 1e-3  # of every batch norm
SOURCE = "tensorflow/models, official/projects/movinet"

Kernel = tuple[int, int]  # frames, pixels
K13, K15, K33, K53 = (1, 3), (1, 5), (3, 3), (5, 3)


@dataclass(frozen=True)
class Stage:
    """Blocks of one width: the channels inside each, its depthwise kernel, and the stride in space of the first."""

    channels: int
    inner: tuple[int, ...]
    kernels: tuple[Kernel, ...]
    stride: int = 2


@dataclass(frozen=True)
class Size:
    """One size of the family, and what its authors' page says of it."""

    name: str
    pixels: int
    short_side: int
    stem_channels: int
    stages: tuple[Stage, ...]
    head_channels: int
    gflops: float  # of a film of 50 frames
    top1: tuple[float, float]  # percent on Kinetics-600, base and stream


SIZES = (
    Size(
        "a0",
        pixels=172,
        short_side=192,
        stem_channels=8,
        stages=(
            Stage(8, (24,), (K15,)),
            Stage(32, (80, 80, 80), (K33, K33, K33)),
            Stage(56, (184, 112, 184), (K53, K33, K33)),
            Stage(56, (184, 184, 184, 184), (K53, K33, K33, K33), stride=1),
            Stage(104, (384, 280, 280, 344), (K53, K15, K15, K15)),
        ),
        head_channels=480,
        gflops=2.7,
        top1=(72.28, 72.05),
    ),
    Size(
        "a1",
        pixels=172,
        short_side=192,
        stem_channels=16,
        stages=(
            Stage(16, (40, 40), (K15, K33)),
            Stage(40, (96, 120, 96, 96), (K33, K33, K33, K33)),
            Stage(64, (216, 128, 216, 168, 216), (K53, K33, K33, K33, K33)),
            Stage(64, (216, 216, 216, 128, 128, 216), (K53, K33, K33, K33, K15, K33), stride=1),
            Stage(136, (456, 360, 360, 360, 456, 456, 544), (K53, K15, K15, K15, K15, K33, K13)),
        ),
        head_channels=600,
        gflops=6.0,
        top1=(76.69, 76.45),
    ),
    Size(
        "a2",
        pixels=224,
        short_side=256,
        stem_channels=16,
        stages=(
            Stage(16, (40, 40, 64), (K15, K33, K33)),
            Stage(40, (96, 120, 96, 96, 120), (K33, K33, K33, K33, K33)),
            Stage(72, (240, 160, 240, 192, 240), (K53, K33, K33, K33, K33)),
            Stage(72, (240, 240, 240, 240, 144, 240), (K53, K33, K33, K33, K15, K33), stride=1),
            Stage(144, (480, 384, 384, 480, 480, 480, 576), (K53, K15, K15, K15, K15, K33, K13)),
        ),
        head_channels=640,
        gflops=10,
        top1=(78.62, 78.40),
    ),
)


def activation(stream: bool) -> nn.Module:
    """Swish, or what stands for it in the stream networks."""
    return co.Hardswish() if stream else co.Swish()


def normed(conv: co.Conv3d, act: nn.Module | None = None) -> OrderedDict[str, nn.Module]:
    """A convolution, its padding where it halves the map, its batch norm, and its activation where it has one."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if conv.stride[1] > 1:
        layers["pad"] = co.SamePadding()
    layers["conv"] = conv
    layers["norm"] = co.BatchNorm3d(conv.out_channels, eps=EPS)
    if act is not None:
        layers["act"] = act
    return layers


def convolution(
    channels_in: int, channels: int, kernel: Kernel = (1, 1), stride: int = 1, groups: int = 1
) -> co.Conv3d:
    """Padded in space as TensorFlow pads, at a stride by `SamePadding` besides; in time half of its reach on both
    sides."""
    frames, pixels = kernel
    rim = (pixels - 1) // 2 if stride == 1 else (pixels - 3) // 2
    return co.Conv3d(
        channels_in,
        channels,
        (frames, pixels, pixels),
        stride=(1, stride, stride),
        padding=(frames // 2, rim, rim),
        groups=groups,
        bias=False,
    )


def depthwise(channels: int, kernel: Kernel, stride: int, stream: bool) -> co.Sequential:
    """A depthwise convolution; of a stream network first in space, then in time."""
    frames, pixels = kernel
    if not stream:
        return co.Sequential(
            co.Sequential(normed(convolution(channels, channels, kernel, stride, channels), co.Swish()))
        )
    in_space = convolution(channels, channels, (1, pixels), stride, channels)
    layers = [co.Sequential(normed(in_space, co.Hardswish()))]
    if frames > 1:
        in_time = co.CausalConv3d(channels, channels, (frames, 1, 1), groups=channels, bias=False)
        layers.append(co.Sequential(normed(in_time, co.Hardswish())))
    return co.Sequential(*layers)


def attention(channels: int, stream: bool) -> co.SqueezeExcitation:
    """Squeeze-and-excitation from the clip's mean, or from the mean of all frames so far beside this frame's own."""
    if not stream:
        return co.SqueezeExcitation(channels, round_to_eight(channels // 4), activation=co.Swish())
    return co.SqueezeExcitation(
        channels,
        round_to_eight(channels // 2),
        co.Sequential(co.SpatialMean(), co.CumulativeMean(beside=True)),
        pooled=2 * channels,
        activation=co.Hardswish(),
        gate=co.HardSigmoid(),
    )


def block(channels_in: int, inner: int, channels: int, kernel: Kernel, stride: int, stream: bool) -> co.Residual:
    """1 x 1 x 1 up, depthwise, attention, 1 x 1 x 1 down, scaled; the shortcut is averaged where the map is halved."""
    branch = co.Sequential(
        OrderedDict(
            expand=co.Sequential(normed(convolution(channels_in, inner), activation(stream))),
            deep=depthwise(inner, kernel, stride, stream),
            se=attention(inner, stream),
            project=co.Sequential(normed(convolution(inner, channels))),
            scale=co.Scale(),
        )
    )
    if stride == 1 and channels_in == channels:
        return co.Residual(branch, co.Identity())
    pool = {"pool": co.SameMean()} if stride > 1 else {}
    shortcut = co.Sequential(OrderedDict(**pool, **normed(convolution(channels_in, channels))))
    return co.Residual(branch, co.Identity(), shortcut)


def layers_of(size: Size, classes: int, stream: bool) -> co.Sequential:
    """The whole network, (B, 3, T, H, W) -> (B, classes, 1 or T, 1, 1)."""
    stem = co.Sequential(normed(convolution(3, size.stem_channels, K13, 2), activation(stream)))
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    channels = size.stem_channels
    for number, stage in enumerate(size.stages):
        for index, (inner, kernel) in enumerate(zip(stage.inner, stage.kernels, strict=True)):
            stride = 1 if index else stage.stride
            blocks[f"b{number}_l{index}"] = block(channels, inner, stage.channels, kernel, stride, stream)
            channels = stage.channels
    last = co.Sequential(normed(convolution(channels, size.head_channels), activation(stream)))
    mean = co.Sequential(co.SpatialMean(), co.CumulativeMean()) if stream else co.ClipMean()
    hidden, scores = co.Projection(size.head_channels, HIDDEN), co.Projection(HIDDEN, classes)
    chain = co.Sequential(
        OrderedDict(
            conv1=stem,
            blocks=co.Sequential(blocks),
            conv7=last,
            pool=mean,
            classifier=co.Sequential(hidden, co.Swish(), co.Dropout(0.2), scores),
        )
    )
    co.initialise(chain)
    return chain


def build_base(size: Size, *, classes: int = CLASSES) -> co.ClipNetwork:
    """The network for clips of 50 frames."""
    return co.ClipNetwork(layers_of(size, classes, stream=False), (3, FRAMES, size.pixels, size.pixels))


def build_stream(size: Size, *, classes: int = CLASSES) -> co.FrameNetwork:
    """The network for frames."""
    return co.FrameNetwork(layers_of(size, classes, stream=True), (3, size.pixels, size.pixels))


def _notes(size: Size, stream: bool) -> tuple[str, ...]:
    accuracy = (
        f"{SOURCE}: {size.top1[stream]:.2f} % top-1 on Kinetics-600, which compares with no accuracy on Kinetics-400; "
        f"{size.gflops:g} GFLOPs for a film of {FRAMES} frames"
    )
    reset = "its averages count all frames since initial_state alike: begin a new state with every film or event"
    return (accuracy, reset) if stream else (accuracy,)


def _spec(size: Size, stream: bool) -> ModelSpec:
    return ModelSpec(
        name=f"movinet-{size.name}-stream" if stream else f"movinet-{size.name}",
        title=f"MoViNet-{size.name.upper()}{'-Stream' if stream else ''}",
        family="movinet",
        form="frame" if stream else "clip",
        input_shape=(3, size.pixels, size.pixels) if stream else (3, FRAMES, size.pixels, size.pixels),
        classes=CLASSES,
        build=partial(build_stream if stream else build_base, size),
        # Only divided by 255; every fifth frame of films of about 25 frames a second.
        preprocessing=Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), size.short_side, frame_interval=6),
        notes=partial(_notes, size, stream),
    )


LISTED = tuple(_spec(size, stream) for stream in (False, True) for size in SIZES)
FAMILY = Family(name="movinet", listed=LISTED, find={spec.name: spec for spec in LISTED}.get, order=70)
