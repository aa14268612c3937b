"""What is known between two layers of a conversion, what the user chose, and the error of a refusal."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from torch import nn

from ..state import temporal_of

Squeeze = Literal["frame", "clip"]
Statistics = Literal["clip", "frame"]

MAP = ("B", "C", "T", "H", "W")  # the dimensions of a clip's features


class ConversionError(ValueError):
    """What cannot be converted, and why: a wrong choice, or layers that a frame network cannot have.

    A rule raises it for what is "not supported yet", and `NoFrameForm` for what no rule could do; `convert` collects
    what the rules raise and raises all of it at once, each with its place in the network and in its author's code.
    """

    def __init__(self, where: str, why: str, place: str = "") -> None:
        super().__init__(f"{where or 'the network'}: {why}")
        self.where = where or "the network"
        self.why = why
        self.place = place  # the line of its author's code, where it is another one than that of the call
        self.refusals: tuple[str, ...] = ()  # all sentences, where it is all that a conversion refuses

    @classmethod
    def of_all(cls, sentences: tuple[str, ...]) -> ConversionError:
        """All that a conversion refuses."""
        where, _, why = sentences[0].partition(": ")
        error = cls(where, why)
        error.args, error.refusals = ("; ".join(sentences),), sentences
        return error


class NoFrameForm(ConversionError):
    """What needs more than the frames seen so far, and one answer for each: no rule could carry it over."""


def label(layer: nn.Module, where: str) -> str:
    """How messages call a layer: its name in the network and its type."""
    return f"{where} ({type(layer).__name__})" if where else type(layer).__name__


def shape(axes: tuple[str, ...]) -> str:
    """A tensor's dimensions as messages write them."""
    return f"({', '.join(name or '1' for name in axes)})"


@dataclass(frozen=True)
class Flow:
    """The features between two layers of the regular network."""

    rate: int = 1  # frames of the input for each frame here: the temporal strides so far, multiplied
    frames: int | None = None  # of the clip, here; None where the clip's length is not known
    channels: int | None = None
    pooled: bool = False  # whether they were averaged over height and width
    averaged: bool = False  # whether they were averaged over the frames of the clip
    # What the regular network's tensor runs over, one name a dimension; "HW" is both in one.
    axes: tuple[str, ...] = MAP
    sizes: Mapping[str, int] = field(default_factory=dict)  # of each letter in `axes`, in the regular network
    held: tuple[str, ...] = ("C", "H", "W")  # which of them a frame's dimensions behind the first hold: see layout.py
    # True while the clip form is built that is compared with the regular network: its padding in time, its temporal
    # strides (so `rate` stays 1) and its averages over the clip are kept.
    regular: bool = False
    known: bool = True  # False behind something that was refused: of what follows only the kind can be looked at

    def stride(self, stride: int) -> int:
        """The temporal stride of a layer's form: a frame network skips no frame."""
        return stride if self.regular else 1

    def through(
        self, *, kernel: int = 1, stride: int = 1, padding: int = 0, dilation: int = 1, ceil: bool = False
    ) -> Flow:
        """After a layer that reaches in time like that; `ceil`: a last window that is not full counts too."""
        frames = self.frames
        if frames is not None:
            beyond = frames + 2 * padding - dilation * (kernel - 1) - 1
            frames = (beyond + (stride - 1 if ceil else 0)) // stride + 1
            if ceil and (frames - 1) * stride >= (self.frames or 0) + padding:  # it must start inside
                frames -= 1
        return replace(self, rate=1 if self.regular else self.rate * stride, frames=frames)


class Findings:
    """What a conversion collects on its way."""

    def __init__(self) -> None:
        self.refusals: dict[str, None] = {}  # sentences, in the order of the network, each once
        # calls that average over the clip, what messages call them, and whether over its height and width as well
        self.averages: dict[str, tuple[str, bool]] = {}
        self.attention: dict[str, str] = {}  # those whose average is multiplied onto the clip's frames
        self.norms: dict[str, None] = {}  # by the statistics of each frame instead of the clip's, by name
        self.inner: dict[str, str] = {}  # others whose average meets them again

    def refuse(self, error: ConversionError, place: str) -> None:
        """Note what a rule raised; `place` is the line of its author's code that calls it, if there is one."""
        place = error.place or place
        word = "has no frame form" if isinstance(error, NoFrameForm) else "not supported yet"
        where = f"{error.where} at {place}" if place else error.where
        self.refusals[f"{where}: {word}: {error.why}"] = None

    def check(self) -> None:
        """Raises ConversionError with all refusals."""
        if self.refusals:
            raise ConversionError.of_all(tuple(self.refusals))


@dataclass(frozen=True)
class Context:
    """What the user chose (see `convert`), and how a rule converts a layer inside its own."""

    convert: Callable[[nn.Module, Flow, Context, str], tuple[nn.Module, Flow]]
    pool_frames: int | None = None
    squeeze: Squeeze = "frame"
    statistics: Statistics = "clip"
    findings: Findings = field(default_factory=Findings)
    modes: Mapping[nn.Module, bool] = field(default_factory=dict)  # which layers were in training mode; all are in eval
    place: str = ""  # of the call that leads here, in its author's code


class Shared:
    """Layers with weights in several positions: one frame form serves all of them, each with its own state."""

    def __init__(self) -> None:
        self._made: dict[nn.Module, nn.Module] = {}

    def once(self, layer: nn.Module, made: nn.Module, where: str) -> nn.Module:
        """The first frame form of `layer`, or `made`. Raises ConversionError if the positions differ in time."""
        if not has_tensors(layer):
            return made
        first = self._made.setdefault(layer, made)
        if first is not made and temporal_of(first) != temporal_of(made):
            raise ConversionError(label(layer, where), "is used twice, with a temporal stride in between")
        return first

    def made_of(self, layer: nn.Module) -> nn.Module:
        """Its frame form, or itself where it has none yet."""
        return self._made.get(layer, layer)


def has_tensors(layer: nn.Module, *, recurse: bool = True) -> bool:
    """Whether the layer has weights or statistics; without `recurse`, of its own."""
    return any(True for _ in itertools.chain(layer.parameters(recurse), layer.buffers(recurse)))
