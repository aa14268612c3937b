"""What other projects call the parameters of each network, and their shapes: written from their code, not from ours.

A network is walked layer by layer in one order; each project names the same layer in its own way, so two lists made
here pair up name by name. Sources: facebookresearch/SlowFast slowfast/models/{video_model_builder,resnet_helper,
stem_helper,head_helper,operators}.py and slowfast/utils/c2_model_loading.py (Caffe2); facebookresearch/pytorchvideo
pytorchvideo/models/{resnet,slowfast,x3d}.py; pytorch/vision torchvision/models/video/resnet.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

CLASSES = 400
RESNET_DEPTHS = (3, 4, 6, 3)

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Layer:
    """One layer with parameters: where it is, what it is (conv, norm, linear or biased conv), its weight's shape."""

    where: str  # stem, block, fuse, head
    part: str
    kind: str
    shape: tuple[int, ...]
    stage: int = 1
    pathway: int = 0
    index: int = 0


def conv(where, part, shape, **place):
    return Layer(where, part, "conv", shape, **place)


def norm(where, part, channels, **place):
    return Layer(where, part, "norm", (channels,), **place)


def bottleneck(inner, channels, channels_in, a_frames, b_frames, groups=1, reduced=0, shortcut=False, **place):
    if shortcut:
        yield conv("block", "branch1", (channels, channels_in, 1, 1, 1), **place)
        yield norm("block", "branch1", channels, **place)
    yield conv("block", "a", (inner, channels_in, a_frames, 1, 1), **place)
    yield norm("block", "a", inner, **place)
    yield conv("block", "b", (inner, inner // groups, b_frames, 3, 3), **place)
    yield norm("block", "b", inner, **place)
    if reduced:
        yield Layer("block", "fc1", "biased", (reduced, inner, 1, 1, 1), **place)
        yield Layer("block", "fc2", "biased", (inner, reduced, 1, 1, 1), **place)
    yield conv("block", "c", (channels, inner, 1, 1, 1), **place)
    yield norm("block", "c", channels, **place)


def x3d(depths=(3, 5, 11, 7), first_norm=True) -> Iterator[Layer]:
    """X3D: XS, S and M are (3, 5, 11, 7) blocks deep, L (5, 10, 25, 15). PyTorchVideo's has no `first_norm`."""
    yield conv("stem", "xy", (24, 3, 1, 3, 3))
    yield conv("stem", "t", (24, 1, 5, 1, 1))
    yield norm("stem", "bn", 24)
    channels_in = 24
    widths = [(24, 54, 8), (48, 108, 8), (96, 216, 16), (192, 432, 32)]
    for stage, ((channels, inner, reduced), depth) in enumerate(zip(widths, depths, strict=True), start=2):
        for index in range(depth):
            layers = bottleneck(
                inner,
                channels,
                channels_in,
                1,
                3,
                groups=inner,
                reduced=0 if index % 2 else reduced,
                shortcut=index == 0,
                stage=stage,
                index=index,
            )
            for layer in layers:
                if first_norm or not (stage == 2 and layer.part == "branch1" and layer.kind == "norm"):
                    yield layer
            channels_in = channels
    yield conv("head", "conv_5", (432, 192, 1, 1, 1))
    yield norm("head", "conv_5", 432)
    yield conv("head", "lin_5", (2048, 432, 1, 1, 1))
    yield Layer("head", "projection", "linear", (CLASSES, 2048))


def resnet(stem_frames, a_frames) -> Iterator[Layer]:
    """ResNet-50 of one pathway; `a_frames`: per stage the temporal kernels of conv_a, repeated over its blocks."""
    yield conv("stem", "conv", (64, 3, stem_frames, 7, 7))
    yield norm("stem", "bn", 64)
    channels_in, channels = 64, 256
    for stage, (frames, depth) in enumerate(zip(a_frames, RESNET_DEPTHS, strict=True), start=2):
        for index in range(depth):
            kernel = frames[index % len(frames)]
            place = {"stage": stage, "index": index}
            yield from bottleneck(channels // 4, channels, channels_in, kernel, 1, shortcut=index == 0, **place)
            channels_in = channels
        channels *= 2
    yield Layer("head", "projection", "linear", (CLASSES, 2048))


def slowfast(fusion_frames) -> Iterator[Layer]:
    """SlowFast-R50: beta 1/8, fusion to twice the fast channels, by a kernel of `fusion_frames`."""
    a_frames = (((1,), (1,), (3,), (3,)), ((3,), (3,), (3,), (3,)))
    widths = (64, 8)
    for pathway, frames in enumerate((1, 5)):
        yield conv("stem", "conv", (widths[pathway], 3, frames, 7, 7), pathway=pathway)
        yield norm("stem", "bn", widths[pathway], pathway=pathway)
    yield conv("fuse", "conv", (16, 8, fusion_frames, 1, 1), stage=1)
    yield norm("fuse", "bn", 16, stage=1)
    for stage, depth in enumerate(RESNET_DEPTHS, start=2):
        grown = 2 ** (stage - 2)
        for pathway, width in enumerate(widths):
            channels = width * 4 * grown
            before = width if stage == 2 else channels // 2
            fused = 0 if pathway else (16 if stage == 2 else before // 4)
            for index in range(depth):
                channels_in = before + fused if index == 0 else channels
                place = {"stage": stage, "pathway": pathway, "index": index}
                kernel = a_frames[pathway][stage - 2][0]
                yield from bottleneck(channels // 4, channels, channels_in, kernel, 1, shortcut=index == 0, **place)
        if stage < 5:
            fast = widths[1] * 4 * grown
            yield conv("fuse", "conv", (2 * fast, fast, fusion_frames, 1, 1), stage=stage)
            yield norm("fuse", "bn", 2 * fast, stage=stage)
    yield Layer("head", "projection", "linear", (CLASSES, 2304))


I3D = (5, ((3,), (3, 1), (3, 1), (1, 3)))
C2D = (1, ((1,), (1,), (1,), (1,)))
SLOW = (1, ((1,), (1,), (3,), (3,)))

# network: (its layers, PyTorchVideo's block number of each stage from the second on, and of the head)
NETWORKS = {
    "x3d-xs": (lambda: x3d(), (1, 2, 3, 4), 5),
    "x3d-s": (lambda: x3d(), (1, 2, 3, 4), 5),
    "x3d-m": (lambda: x3d(), (1, 2, 3, 4), 5),
    "x3d-l": (lambda: x3d((5, 10, 25, 15)), (1, 2, 3, 4), 5),
    "i3d-r50": (lambda: resnet(*I3D), (1, 3, 4, 5), 6),  # a pool behind the first stage is block 2
    "c2d-r50": (lambda: resnet(*C2D), (1, 3, 4, 5), 6),
    "slow-8x8-r50": (lambda: resnet(*SLOW), (1, 2, 3, 4), 5),
    "slowfast-8x8-r50": (lambda: slowfast(7), (1, 2, 3, 4), 6),  # the pools of both pathways are block 5
    "slowfast-4x16-r50": (lambda: slowfast(5), (1, 2, 3, 4), 6),
}

_NORM_ENTRIES = ("weight", "bias", "running_mean", "running_var")
_ENTRIES = {
    "conv": ("weight",),
    "biased": ("weight", "bias"),
    "linear": ("weight", "bias"),
    "norm": (*_NORM_ENTRIES, "num_batches_tracked"),
}


def entries(layer: Layer) -> Iterator[tuple[str, tuple[int, ...]]]:
    """What torch keeps of a layer, with shapes."""
    for entry in _ENTRIES[layer.kind]:
        if entry == "num_batches_tracked":
            yield entry, ()
        else:
            yield entry, layer.shape if entry == "weight" else layer.shape[:1]


def pytorchvideo(network: str, first_norm: bool = True) -> Shapes:
    """The names of PyTorchVideo's network; its X3D has no `first_norm`, ours may have one by the same rule."""
    layers, stage_blocks, head = NETWORKS[network]
    two_pathways = network.startswith("slowfast")
    blocks = {1: 0, **dict(zip((2, 3, 4, 5), stage_blocks, strict=True))}
    is_x3d = network.startswith("x3d")

    def module(layer):
        pathway = f"blocks.{blocks[layer.stage]}" + (f".multipathway_blocks.{layer.pathway}" if two_pathways else "")
        if layer.where == "stem":
            x3d_stem = {"xy": "conv.conv_t", "t": "conv.conv_xy"}
            return f"{pathway}.{x3d_stem.get(layer.part) or ('norm' if layer.kind == 'norm' else 'conv')}"
        if layer.where == "fuse":
            part = "norm" if layer.kind == "norm" else "conv_fast_to_slow"
            return f"blocks.{blocks[layer.stage]}.multipathway_fusion.{part}"
        if layer.where == "head":
            pool = {("conv_5", "conv"): "pre_conv", ("conv_5", "norm"): "pre_norm", ("lin_5", "conv"): "post_conv"}
            inside = pool.get((layer.part, layer.kind))
            return f"blocks.{head}.pool.{inside}" if inside else f"blocks.{head}.proj"
        block = f"{pathway}.res_blocks.{layer.index}"
        if layer.part == "branch1":
            return f"{block}.branch1_{layer.kind}"
        attention = {"fc1": "norm_b.1.block.0", "fc2": "norm_b.1.block.2"}
        if layer.part in attention:
            return f"{block}.branch2.{attention[layer.part]}"
        inner = ".0" if is_x3d and layer.part == "b" and layer.kind == "norm" else ""
        return f"{block}.branch2.{layer.kind}_{layer.part}{inner}"

    names = {f"{module(layer)}.{entry}": shape for layer in layers() for entry, shape in entries(layer)}
    if not first_norm:
        names = {name: shape for name, shape in names.items() if "1.res_blocks.0.branch1_norm" not in name}
    return names


def pyslowfast(network: str) -> Shapes:
    """The names of PySlowFast's network."""

    def module(layer):
        stem = f"s1.pathway{layer.pathway}_stem"
        if layer.where == "stem":
            return f"{stem}.{ {'xy': 'conv_xy', 't': 'conv'}.get(layer.part, layer.part) }"
        bn = "_bn" if layer.kind == "norm" else ""
        if layer.where == "fuse":
            return f"s{layer.stage}_fuse.{'bn' if bn else 'conv_f2s'}"
        if layer.where == "head":
            return f"head.{layer.part}{bn}"
        block = f"s{layer.stage}.pathway{layer.pathway}_res{layer.index}"
        if layer.part == "branch1":
            return f"{block}.branch1{bn}"
        inside = f"se.{layer.part}" if layer.part.startswith("fc") else layer.part
        return f"{block}.branch2.{inside}{bn}"

    layers = NETWORKS[network][0]
    return {f"{module(layer)}.{entry}": shape for layer in layers() for entry, shape in entries(layer)}


def caffe2(network: str) -> Shapes:
    """The names of Caffe2's blobs; batch norm there has no count of batches."""
    last = dict(zip((1, 2, 3, 4, 5), (0, *(depth - 1 for depth in RESNET_DEPTHS)), strict=True))
    endings = {"weight": "w", "bias": "b"}
    norm_endings = {"weight": "s", "bias": "b", "running_mean": "rm", "running_var": "riv"}

    def blob(layer):
        fast = "t_" if layer.pathway else ""
        if layer.where == "stem":
            if layer.kind == "norm":
                return f"{fast}res_conv1_bn"
            return f"{fast}conv1_xy" if layer.part == "xy" else f"{fast}conv1"
        bn = "_bn" if layer.kind == "norm" else ""
        if layer.where == "fuse":
            source = "t_pool1" if layer.stage == 1 else f"t_res{layer.stage}_{last[layer.stage]}_branch2c_bn"
            return f"{source}_subsample{bn}"
        if layer.where == "head":
            return "pred" if layer.part == "projection" else f"{layer.part}{bn}"
        block = f"{fast}res{layer.stage}_{layer.index}"
        if layer.part == "branch1":
            return f"{block}_branch1{bn}"
        if layer.part.startswith("fc"):
            return f"{block}_branch2b_bn_{layer.part}"
        return f"{block}_branch2{layer.part}{bn}"

    names: Shapes = {}
    for layer in NETWORKS[network][0]():
        table = norm_endings if layer.kind == "norm" else endings
        for entry, shape in entries(layer):
            if entry in table:
                names[f"{blob(layer)}_{table[entry]}"] = shape
    return names


def torchvision_r2plus1d() -> Shapes:
    """The names of torchvision's R(2+1)D-18."""
    names: Shapes = {}

    def conv3d(name, *shape):
        names[f"{name}.weight"] = shape

    def batch_norm(name, channels):
        names.update({f"{name}.{entry}": (channels,) for entry in _NORM_ENTRIES})
        names[f"{name}.num_batches_tracked"] = ()

    conv3d("stem.0", 45, 3, 1, 7, 7)
    batch_norm("stem.1", 45)
    conv3d("stem.3", 64, 45, 3, 1, 1)
    batch_norm("stem.4", 64)
    channels_in = 64
    for layer, channels in enumerate((64, 128, 256, 512), start=1):
        for block in (0, 1):
            name = f"layer{layer}.{block}"
            middle = channels_in * channels * 27 // (channels_in * 9 + 3 * channels)
            for number, entering in ((1, channels_in), (2, channels)):
                conv3d(f"{name}.conv{number}.0.0", middle, entering, 1, 3, 3)
                batch_norm(f"{name}.conv{number}.0.1", middle)
                conv3d(f"{name}.conv{number}.0.3", channels, middle, 3, 1, 1)
                batch_norm(f"{name}.conv{number}.1", channels)
            if channels_in != channels:
                conv3d(f"{name}.downsample.0", channels, channels_in, 1, 1, 1)
                batch_norm(f"{name}.downsample.1", channels)
            channels_in = channels
    names["fc.weight"] = (CLASSES, 512)
    names["fc.bias"] = (CLASSES,)
    return names


def filled(names: Shapes) -> dict[str, torch.Tensor]:
    """Tensors of those shapes, each full of a number of its own, in almost no memory."""
    return {name: torch.tensor(float(number)).expand(shape) for number, (name, shape) in enumerate(names.items())}


# Atze00/MoViNet-pytorch, movinets/config.py: channels of the stem and of the last convolution; of each stage channels,
# stride of its first block, and its blocks: channels inside / kernel in time / kernel in space.
_MOVINETS = {
    "a0": (
        *(8, 480),
        (8, 2, "24/1/5"),
        (32, 2, "80/3/3 80/3/3 80/3/3"),
        (56, 2, "184/5/3 112/3/3 184/3/3"),
        (56, 1, "184/5/3 184/3/3 184/3/3 184/3/3"),
        (104, 2, "384/5/3 280/1/5 280/1/5 344/1/5"),
    ),
    "a1": (
        *(16, 600),
        (16, 2, "40/1/5 40/3/3"),
        (40, 2, "96/3/3 120/3/3 96/3/3 96/3/3"),
        (64, 2, "216/5/3 128/3/3 216/3/3 168/3/3 216/3/3"),
        (64, 1, "216/5/3 216/3/3 216/3/3 128/3/3 128/1/5 216/3/3"),
        (136, 2, "456/5/3 360/1/5 360/1/5 360/1/5 456/1/5 456/3/3 544/1/3"),
    ),
    "a2": (
        *(16, 640),
        (16, 2, "40/1/5 40/3/3 64/3/3"),
        (40, 2, "96/3/3 120/3/3 96/3/3 96/3/3 120/3/3"),
        (72, 2, "240/5/3 160/3/3 240/3/3 192/3/3 240/3/3"),
        (72, 1, "240/5/3 240/3/3 240/3/3 240/3/3 144/1/5 240/3/3"),
        (144, 2, "480/5/3 384/1/5 384/1/5 480/1/5 480/1/5 480/3/3 576/1/3"),
    ),
}


@dataclass(frozen=True)
class MovinetBlock:
    """A block as Atze00/MoViNet-pytorch numbers it."""

    name: str
    channels_in: int
    inner: int
    channels: int
    frames: int
    pixels: int
    stride: int


def movinet_blocks(size: str) -> Iterator[MovinetBlock]:
    """The blocks of MoViNet A0, A1 or A2 (`a0`, `a1`, `a2`)."""
    channels_in, _, *stages = _MOVINETS[size]
    for number, (channels, stride, rows) in enumerate(stages):
        for index, row in enumerate(rows.split()):
            inner, frames, pixels = map(int, row.split("/"))
            name = f"blocks.b{number}_l{index}"
            yield MovinetBlock(name, channels_in, inner, channels, frames, pixels, 1 if index else stride)
            channels_in = channels


def movinet_pytorch(network: str, classes: int = 600) -> Shapes:
    """The names of Atze00/MoViNet-pytorch for movinet-a0, movinet-a0-stream and so on."""
    size, stream = network.split("-")[1], network.endswith("-stream")
    names: Shapes = {}

    def conv(name, shape, bias=False):
        """A `ConvBlock3D` without what follows: of a stream network's kernel two of its three axes."""
        if stream:
            shape = (*shape[:2], *(shape[3:] if shape[2] == 1 else (shape[2], 1)))
        names[f"{name}.conv{'2d' if stream else '3d'}.weight"] = shape
        if bias:
            names[f"{name}.conv{'2d' if stream else '3d'}.bias"] = shape[:1]

    def normed(name, shape):
        conv(name, shape)
        names.update({f"{name}.norm.{entry}": shape[:1] for entry in _NORM_ENTRIES})
        names[f"{name}.norm.num_batches_tracked"] = ()

    stem, last, *_ = _MOVINETS[size]
    normed("conv1.conv_1", (stem, 3, 1, 3, 3))
    for block in movinet_blocks(size):
        name, inner = block.name, block.inner
        names[f"{name}.alpha"] = ()
        normed(f"{name}.expand.conv_1", (inner, block.channels_in, 1, 1, 1))
        if stream:
            normed(f"{name}.deep.conv_1", (inner, 1, 1, block.pixels, block.pixels))
            if block.frames > 1:
                normed(f"{name}.deep.conv_2", (inner, 1, block.frames, 1, 1))
        else:
            normed(f"{name}.deep.conv_1", (inner, 1, block.frames, block.pixels, block.pixels))
        wanted = inner // 4 * (2 if stream else 1)
        squeezed = max(8, (wanted + 4) // 8 * 8)
        squeezed += 8 if squeezed < 0.9 * wanted else 0
        conv(f"{name}.se.fc1.conv_1", (squeezed, inner * (2 if stream else 1), 1, 1, 1), bias=True)
        conv(f"{name}.se.fc2.conv_1", (inner, squeezed, 1, 1, 1), bias=True)
        normed(f"{name}.project.conv_1", (block.channels, inner, 1, 1, 1))
        if block.stride > 1 or block.channels_in != block.channels:
            normed(f"{name}.res.{int(block.stride > 1)}.conv_1", (block.channels, block.channels_in, 1, 1, 1))
    normed("conv7.conv_1", (last, block.channels, 1, 1, 1))
    conv("classifier.0.conv_1", (2048, last, 1, 1, 1), bias=True)
    conv("classifier.3.conv_1", (classes, 2048, 1, 1, 1), bias=True)
    return names


def torchvision_mobilenetv3(classes: int = 1000) -> Shapes:
    """The names of torchvision's mobilenet_v3_large (torchvision/models/mobilenetv3.py)."""
    names: Shapes = {}

    def normed(name, *shape):
        names[f"{name}.0.weight"] = shape
        names.update({f"{name}.1.{entry}": shape[:1] for entry in _NORM_ENTRIES})
        names[f"{name}.1.num_batches_tracked"] = ()

    def biased(name, *shape):
        names.update({f"{name}.weight": shape, f"{name}.bias": shape[:1]})

    normed("features.0", 16, 3, 3, 3)
    channels_in = 16
    # kernel, inside, channels, squeezed to
    rows = "3/16/16/0 3/64/24/0 3/72/24/0 5/72/40/24 5/120/40/32 5/120/40/32 3/240/80/0 3/200/80/0 3/184/80/0"
    rows += " 3/184/80/0 3/480/112/120 3/672/112/168 5/672/160/168 5/960/160/240 5/960/160/240"
    for index, row in enumerate(rows.split(), start=1):
        kernel, inner, channels, squeezed = map(int, row.split("/"))
        part = 0
        if inner != channels_in:
            normed(f"features.{index}.block.0", inner, channels_in, 1, 1)
            part = 1
        normed(f"features.{index}.block.{part}", inner, 1, kernel, kernel)
        if squeezed:
            part += 1
            biased(f"features.{index}.block.{part}.fc1", squeezed, inner, 1, 1)
            biased(f"features.{index}.block.{part}.fc2", inner, squeezed, 1, 1)
        normed(f"features.{index}.block.{part + 1}", channels, inner, 1, 1)
        channels_in = channels
    normed("features.16", 960, 160, 1, 1)
    biased("classifier.0", 1280, 960)
    biased("classifier.3", classes, 1280)
    return names
