"""What is known of a network without building it: the row `list` and `show` print, free of torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Preprocessing:
    """How the network's authors turn video frames into its input.

    Frames are scaled so that the shorter side is `short_side` pixels, centre-cropped to the network's input
    size, divided by 255 and normalised by `mean` and `std` (per channel, RGB); every `frame_interval`-th
    frame of a 30 FPS video is taken.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    short_side: int
    frame_interval: int


@dataclass(frozen=True)
class Published:
    """Figures the paper prints of this network (ECCV 2022, Table 1)."""

    source: str
    accuracy_top1: float | None = None  # percent, one clip or frame, Kinetics-400
    parameters_m: float | None = None
    max_allocated_mb: float | None = None
    macs_g: float | None = None  # the paper's "FLOPs"
    throughput: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # device: (mean, std)
    note: str | None = None


@dataclass(frozen=True)
class ModelSpec:
    """One network of the zoo. `build()` imports torch; nothing else here does."""

    name: str  # x3d-m, cox3d-m-64
    title: str  # as people write it: X3D-M, CoX3D-M (64)
    family: str
    form: Literal["clip", "frame"]
    input_shape: tuple[int, ...]  # clip: (C, T, H, W); frame: (C, H, W); without batch
    classes: int
    build: Callable[[], nn.Module]  # random weights; seed torch first
    preprocessing: Preprocessing
    published: Published | None = None
    counterpart: str | None = None  # frame network: the clip network with the same weights
    extends: str | None = None  # frame network: the same one at its native pool length
