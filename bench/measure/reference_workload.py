"""The reference workload: a fixed piece of work, timed before and after the samples. Its readings are evidence.

They show how fast the machine itself was, whatever was measured on it, and are stored raw. No figure is corrected by
them; `normalised_latency_s` (`normalise.py`) is another figure beside the measured one, for records of different hours.

On a CPU it is a whole network, small but of dozens of layers: what neighbours, a clock or a hypervisor take from a
network they take from shared caches, bandwidth and the code between two operators, and only a network feels all of it.
It is written here and not taken from `models/`, so that what makes our networks faster does not change the yardstick.
Beside a GPU it is a few layers only, for the GPU rests meanwhile, and one that rests for long may lower its clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

Call = Callable[[], object]
Layer = Callable[["Tensor"], "Tensor"]

# MobileNetV2 (Sandler et al., CVPR 2018, table 2): expansion, channels, blocks, stride of the first one.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_STEM, _HEAD, _CLASSES = 32, 1280, 1000
_SIDE = 160
# Blocks of X3D: channels, height and width of what goes in, and of how many frames.
_BLOCKS = ((24, 28), (48, 14), (96, 7), (192, 4))
_FRAMES = 4


READINGS = 5  # before the samples and again after them: some 100 ms in all, and a median that one slow one cannot move


class Workload(NamedTuple):
    """A piece of work: `make` gives a call of it, on maps and with weights that are constants (those of a generator of
    random numbers would be missing where the network draws its own)."""

    name: str  # readings of different work are never set against each other: whoever changes the work changes the name
    make: Callable[[], Call]

    def reader(self, clock: Callable[[], float] = time.perf_counter) -> Callable[[], tuple[float, ...]]:
        """A function that gives `READINGS` times of the work, in seconds; its first call is behind it."""
        work = self.make()

        def seconds() -> float:
            start = clock()
            work()
            return round(clock() - start, 9)

        seconds()  # finds its code and fills the allocator
        return lambda: tuple(seconds() for _ in range(READINGS))


def _mobilenet() -> Call:
    import torch

    layers = [_conv(3, _STEM, 3, stride=2, clamped=True)]
    channels = _STEM
    for expansion, out, blocks, stride in _STAGES:
        for number in range(blocks):
            layers.append(_inverted_residual(channels, expansion, out, stride if number == 0 else 1))
            channels = out
    layers.append(_conv(channels, _HEAD, 1, clamped=True))
    image, classifier = torch.ones(1, 3, _SIDE, _SIDE), torch.full((_HEAD, _CLASSES), 1 / _HEAD)

    def call() -> Tensor:
        x = image
        for layer in layers:
            x = layer(x)
        return x.mean((2, 3)) @ classifier

    return call


def _inverted_residual(channels: int, expansion: int, out: int, stride: int) -> Layer:
    inner = channels * expansion
    expand = [_conv(channels, inner, 1, clamped=True)] if expansion > 1 else []
    layers = [*expand, _conv(inner, inner, 3, stride, groups=inner, clamped=True), _conv(inner, out, 1)]

    def block(x: Tensor) -> Tensor:
        y = x
        for layer in layers:
            y = layer(y)
        return y.add_(x) if stride == 1 and channels == out else y

    return block


def _conv(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1, clamped: bool = False) -> Layer:
    """Convolution and batch norm. The mean of what goes in comes out, so that no value runs away or becomes denormal
    on its way through the layers, which would take another time."""
    import torch
    from torch.nn.functional import batch_norm, conv2d

    weights = torch.full((out, channels // groups, kernel, kernel), groups / (channels * kernel * kernel))
    norm = _norm(out)

    def layer(x: Tensor) -> Tensor:
        y = batch_norm(conv2d(x, weights, stride=stride, padding=kernel // 2, groups=groups), *norm)
        return y.clamp_(0, 6) if clamped else y

    return layer


def _blocks() -> Call:
    blocks = [_x3d_block(*block) for block in _BLOCKS]

    def call() -> None:
        for block in blocks:
            block()

    return call


def _x3d_block(channels: int, side: int) -> Call:
    import torch
    from torch.nn.functional import batch_norm, conv3d

    inner = 9 * channels // 4
    x = torch.ones(1, channels, _FRAMES, side, side)
    expand, project = torch.full((inner, channels, 1, 1, 1), 0.01), torch.full((channels, inner, 1, 1, 1), 0.01)
    depthwise = torch.full((inner, 1, 3, 3, 3), 0.01)
    inside, outside = _norm(inner), _norm(channels)

    def block() -> Tensor:
        y = batch_norm(conv3d(x, expand), *inside).relu_()
        y = batch_norm(conv3d(y, depthwise, padding=1, groups=inner), *inside)
        y = batch_norm(conv3d(y * torch.sigmoid(y), project), *outside)
        return y.add_(x).relu_()

    return block


def _norm(channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of a batch norm that changes nothing: mean, variance, weight, bias."""
    import torch

    return torch.zeros(channels), torch.ones(channels), torch.ones(channels), torch.zeros(channels)


NETWORK = Workload("MobileNetV2 of 160 x 160", _mobilenet)
BLOCKS = Workload("a block of X3D in each of 4 stages, from 24 x 4 x 28 x 28", _blocks)


def workload_for(device: str) -> Workload:
    """What is timed beside a network on this device (`cpu`, `cuda`)."""
    return NETWORK if device == "cpu" else BLOCKS
