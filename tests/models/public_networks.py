"""Which public networks convert: the table of docs/conversion.md.

    python -m venv env && env/bin/pip install torch torchvision pytorchvideo timm .
    env/bin/python tests/models/public_networks.py [r3d_18 slow ...]

It needs packages that the tests do without, so an environment of its own. Every network has random weights, and its
conversion is proven as every other is.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import torch
from torch import Tensor, nn

from co3d_bench.models import continual as co
from co3d_bench.models.continual.conversion import proof

Factory = Callable[[], nn.Module]


class OverFrames(nn.Module):
    """A network of pictures on each frame of a clip, and the mean of its answers."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, clip: Tensor) -> Tensor:
        batch, channels, frames, height, width = clip.shape
        pictures = clip.transpose(1, 2).reshape(batch * frames, channels, height, width)
        return self.net(pictures).view(batch, frames, -1).mean(1)


@dataclass(frozen=True)
class Network:
    name: str
    source: str
    build: Factory
    shape: tuple[int, int, int, int]


def from_module(module: str, function: str, **options: object) -> Factory:
    """What a function of a package builds, imported when it is asked for."""
    return lambda: getattr(import_module(module), function)(**options)


def torchvision() -> list[Network]:
    video = ("r3d_18", "mc3_18", "r2plus1d_18", "s3d", "mvit_v1_b", "swin3d_t")
    large = ("s3d", "mvit_v1_b", "swin3d_t")
    pictures = ("resnet18", "mobilenet_v3_small", "shufflenet_v2_x1_0", "densenet121", "convnext_tiny")
    return [
        *(
            Network(
                name,
                "torchvision",
                from_module("torchvision.models.video", name),
                (3, 16, 224, 224) if name in large else (3, 16, 64, 64),
            )
            for name in video
        ),
        *(over_frames(name, "torchvision", from_module("torchvision.models", name)) for name in pictures),
        over_frames("vit_b_16", "torchvision", from_module("torchvision.models", "vit_b_16"), 224),
    ]


def over_frames(name: str, source: str, build: Factory, pixels: int = 64) -> Network:
    return Network(f"{name}, frame by frame", source, lambda: OverFrames(build()), (3, 8, pixels, pixels))


def timm() -> list[Network]:
    sizes = {"efficientnet_lite0": 64, "mixer_s32_224": 224}
    made = {name: from_module("timm", "create_model", model_name=name) for name in sizes}
    return [over_frames(name, "timm", build, sizes[name]) for name, build in made.items()]


def pytorchvideo() -> list[Network]:
    home = "pytorchvideo.models"
    i3d = {
        "stem_conv_kernel_size": (5, 7, 7),
        "stage1_pool": nn.MaxPool3d,
        "stage_conv_a_kernel_size": (
            (3, 1, 1),
            [(3, 1, 1), (1, 1, 1)],
            [(3, 1, 1), (1, 1, 1)],
            [(1, 1, 1), (3, 1, 1)],
        ),
    }
    c2d = {**i3d, "stem_conv_kernel_size": (1, 7, 7), "stage_conv_a_kernel_size": ((1, 1, 1),) * 4}
    mobile = f"{home}.accelerator.mobile_cpu.efficient_x3d"

    def network(name: str, build: Factory, *shape: int) -> Network:
        channels, frames, height, width = shape
        return Network(name, "PyTorchVideo", build, (channels, frames, height, width))

    return [
        network(
            "x3d_m",
            from_module(f"{home}.x3d", "create_x3d", input_clip_length=16, input_crop_size=224),
            3,
            16,
            224,
            224,
        ),
        network("slow_r50", from_module(f"{home}.resnet", "create_resnet"), 3, 8, 224, 224),
        network("i3d_r50", from_module(f"{home}.resnet", "create_resnet", **i3d), 3, 8, 224, 224),
        network("c2d_r50", from_module(f"{home}.resnet", "create_resnet", **c2d), 3, 8, 224, 224),
        network("csn_r101", from_module(f"{home}.csn", "create_csn"), 3, 32, 224, 224),
        network("r2plus1d_r50", from_module(f"{home}.r2plus1d", "create_r2plus1d"), 3, 16, 224, 224),
        network("efficient_x3d_xs", from_module(mobile, "create_x3d", expansion="XS"), 3, 4, 160, 160),
        network("slowfast_r50", from_module(f"{home}.slowfast", "create_slowfast"), 3, 32, 224, 224),
        network("acoustic_resnet", from_module(f"{home}.resnet", "create_acoustic_resnet"), 1, 128, 1, 80),
        network(
            "mvit_b",
            from_module(
                f"{home}.vision_transformers",
                "create_multiscale_vision_transformers",
                spatial_size=224,
                temporal_size=16,
            ),
            *(3, 16, 224, 224),
        ),
    ]


def row(network: Network) -> str:
    """A line of the table."""
    start = time.monotonic()
    try:
        net = co.convert(network.build().eval(), input_shape=network.shape)
    except co.ConversionError as error:
        sentences = getattr(error, "refusals", (str(error),))
        more = f" (and {len(sentences) - 1} more)" if len(sentences) > 1 else ""
        says = ("refused", "", "", re.sub(r" at \S*site-packages/", " at ", sentences[0]).replace("|", "or") + more)
    else:
        text = net.conversion.proof
        differences = [float(one) for one in re.findall(r"relative difference ([\d.e+-]+)\)", text)]
        whole = "" if text.startswith("proven:") else re.sub(r" \(relative.*?\)", "", text)
        largest = f"{max(differences):.0e}" if differences else "none"
        says = ("converts", f"{net.receptive_field}", largest, whole)
    clip = " x ".join(str(length) for length in network.shape)
    print(f"{network.name}: {time.monotonic() - start:.1f} s", file=sys.stderr)
    return f"| {network.name} | {network.source} | {clip} | {' | '.join(says)} |"


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    proof.LIMIT_S = 60.0  # CPU seconds, for large networks
    asked = sys.argv[1:]
    print("| network | from | clip | | receptive field (frames) | largest relative difference | |")
    print("|---|---|---|---|---|---|---|")
    for network in (*torchvision(), *pytorchvideo(), *timm()):
        if not asked or network.name in asked:
            print(row(network), flush=True)


if __name__ == "__main__":
    main()
