"""What is known of a network without building it: the row `list` and `show` print, free of torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import nn

    from .example import Example


FILM_FRAMES_PER_S = 30  # of the films in which `Preprocessing.frame_interval` counts frames


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

    @property
    def frames_per_s(self) -> float:
        """The rate at which the network's weights saw frames."""
        return FILM_FRAMES_PER_S / self.frame_interval


# How much of a film a network saw before the answer that was judged.
ONE_CLIP = "one clip"  # cut from the middle of the film
WHOLE_FILM = "whole film"  # a frame network, its answer at the last frame
STEADY_STATE = "steady state"  # a frame network that had seen a whole receptive field of frames
VIEWS = (ONE_CLIP, WHOLE_FILM, STEADY_STATE)


@dataclass(frozen=True)
class PublishedAccuracy:
    """An accuracy and the conditions under which it was measured; None: not known."""

    top1: float  # percent
    frames_per_s: float | None  # at which the network was shown the film
    view: str | None  # one of VIEWS
    source: str


@dataclass(frozen=True)
class Published:
    """Figures the paper prints of this network (ECCV 2022), or its author states."""

    source: str
    accuracy_top1: float | None = None  # percent, one clip or frame, Kinetics-400: the first of `accuracies`
    accuracies: tuple[PublishedAccuracy, ...] = ()  # each with its conditions, that of the trained frame rate first
    parameters_m: float | None = None
    max_allocated_mb: float | None = None
    macs_g: float | None = None  # the paper's "FLOPs"
    throughput: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # device: (mean, std)
    note: str | None = None


@dataclass(frozen=True)
class Source:
    """Where a network comes from that is none of ours."""

    file: str | None = None  # as people write it
    sha256: str | None = None  # of that file and the modules of its repository that it loads
    git_commit: str | None = None  # of its repository, by whoever asked git
    git_dirty: bool | None = None
    package: str | None = None  # name and version of the installed package that offers it


# `input_values` of a network that is only called with the example that its author gave.
THE_EXAMPLE = "the example itself"

# What one prediction is made from: a clip, the next frame with a state, or an input that is neither.
Form = Literal["clip", "frame", "input"]


@dataclass(frozen=True)
class ModelSpec:
    """One network. `build()` imports torch; nothing else here does."""

    name: str  # x3d-m, cox3d-m-64
    title: str  # as people write it: X3D-M, CoX3D-M (64)
    family: str
    form: Form
    input_shape: tuple[int, ...]  # clip: (C, T, H, W); frame: (C, H, W); input: any, of several the first; no batch
    classes: int | None  # None where the output is not (B, classes)
    build: Callable[..., nn.Module]  # random weights; seed torch first; keywords are options of its family
    preprocessing: Preprocessing | None  # None: it cannot read a video
    published: Published | None = None
    counterpart: str | None = None  # frame network: the clip network with the same weights
    frame_rate_hz: float | None = None  # of the video that it is for; None: 30
    extends: str | None = None  # frame network: the same one at its native pool length
    output: str | None = None  # what one prediction gives, where that is not (B, classes)
    source: Source | None = None  # None: our own zoo
    notes: Callable[[], tuple[str, ...]] = tuple  # what a reader should know of its code, once that was run
    inputs: str | None = None  # what it is called with, where that is not one float32 tensor
    input_values: str | None = None  # what the inputs hold, where that is not standard normal noise
    # The network with an example of its input, where its author gave one.
    build_with_example: Callable[[], tuple[nn.Module, Example]] | None = None

    def not_watchable(self) -> str | None:
        """Why this network cannot read a video; None if it can."""
        if self.preprocessing is None:
            return f"{self.name} cannot read a video without a `preprocessing`; give the network one (docs/accuracy.md)"
        if self.inputs is not None:
            return f"{self.name} cannot read a video: it is called with {self.inputs}, not with one float32 tensor"
        colours = 3  # red, green, blue
        if self.input_shape[0] != colours or len(self.input_shape) != (4 if self.form == "clip" else 3):
            return f"{self.name} does not take colour images: its input is {self.input_shape}"
        return None


class UnknownModelError(LookupError):
    """There is no such network, or it cannot be built; the message says what to do."""


@dataclass(frozen=True)
class Family:
    """Networks that share one definition. `find` also answers for names that are not listed (any pool length)."""

    name: str
    listed: tuple[ModelSpec, ...]
    find: Callable[[str], ModelSpec | None]
    pattern: str = ""  # the names `find` accepts, for people: cox3d-{s,m,l}-POOL
    order: int = 100


def is_frame_network(net: Any) -> bool:
    """Whether a network is run frame by frame: it has `step` and `initial_state`."""
    return hasattr(net, "step") and hasattr(net, "initial_state")


def keeps_state(net: Any) -> bool:
    """Whether a frame network keeps its state inside (`stateful.py`), so that it can only be called from Python."""
    return bool(getattr(net, "keeps_state", False))
