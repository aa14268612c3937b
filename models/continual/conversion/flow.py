"""What a conversion knows between two layers, what the user chose, and how it says no."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Squeeze = Literal["frame", "clip"]

MAP = ("B", "C", "T", "H", "W")  # the dimensions of a clip's features
VECTOR = ("B", "C")


class ConversionError(ValueError):
    """A layer has no frame form. The message names it and says why."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where or 'the network'}: {why}")


@dataclass(frozen=True)
class Choice:
    """What the user chose; see `convert`."""

    pool_frames: int | None = None
    squeeze: Squeeze = "frame"


@dataclass(frozen=True)
class Flow:
    """The features between two layers of the regular network."""

    rate: int = 1  # frames of the input for each frame here: the temporal strides so far, multiplied
    frames: int | None = None  # of the clip, here; None where the clip's length is not known
    channels: int | None = None
    owned: bool = False  # whether nobody but the next layer holds them, so that it may overwrite them
    pooled: bool = False  # whether they were averaged over height and width
    averaged: bool = False  # whether they were averaged over the frames of the clip
    axes: tuple[str, ...] = (
        MAP  # what the regular network's tensor runs over, one name a dimension; "HW" is both in one
    )

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
        return replace(self, rate=self.rate * stride, frames=frames, owned=True)
