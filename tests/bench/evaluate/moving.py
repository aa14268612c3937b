"""Networks and films with a known truth: a bright square whose class is how it moves, which no single frame shows.

As custom networks: `moving.py:clip` and `moving.py:frames`. Both follow the centre of the square; their scores are the
mean of its steps along each axis, and of its turns about the middle.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor, nn

from co3d_bench.bench.demo.films import CLASSES, make_films, pictures, write_film
from co3d_bench.bench.evaluate.films import show
from co3d_bench.models.spec import ModelSpec, Preprocessing

__all__ = ["CLASSES", "make_films", "pictures", "write_film"]  # the films of `co3d-bench demo`
SIDE, FRAMES = 32, 8


class Centres(nn.Module):
    """(B, 3, T, H, W) -> (B, T, 2): where the square is, from -1 to 1 along each axis."""

    def __init__(self) -> None:
        super().__init__()
        along = torch.linspace(-1, 1, SIDE)
        self.register_buffer("places", torch.stack((along.expand(SIDE, SIDE), along[:, None].expand(SIDE, SIDE))))

    def forward(self, clip: Tensor) -> Tensor:
        light = (clip.mean(1) + 1.0).clamp(min=0.0)  # (B, T, H, W); the ground is dark
        weight = light.mean((2, 3))[..., None] + 1e-3
        return (light[:, :, None] * self.places).mean((3, 4)) / weight


class Motion(nn.Module):
    """(B, T, 2) -> (B, 5)."""

    def forward(self, centres: Tensor) -> Tensor:
        steps = (centres[:, 1:] - centres[:, :-1]).mean(1)  # (B, 2): right and down
        before, after = centres[:, :-1], centres[:, 1:]
        turns = (before[..., 0] * after[..., 1] - before[..., 1] * after[..., 0]).mean(1)
        return 10 * torch.stack((14 * turns, steps[:, 1], -steps[:, 0], steps[:, 0], -steps[:, 1]), 1)


PREPROCESSING = Preprocessing((0.5,) * 3, (0.5,) * 3, short_side=SIDE, frame_interval=2)


class Clip(nn.Module):
    input_shape = (3, FRAMES, SIDE, SIDE)
    preprocessing = PREPROCESSING

    def __init__(self) -> None:
        super().__init__()
        self.centres, self.motion = Centres(), Motion()

    def forward(self, clip: Tensor) -> Tensor:
        return self.motion(self.centres(clip))


class Frames(Clip):
    """The same over the last `FRAMES` frames; the state is where the square was."""

    input_shape = (3, SIDE, SIDE)
    receptive_field, padding, delay = FRAMES, 0, FRAMES - 1

    def initial_state(self, batch_size: int = 1, fill: str = "zeros", frame: Tensor | None = None):
        return (torch.zeros(batch_size, FRAMES - 1, 2),)

    def step(self, frame: Tensor, state):
        centres = torch.cat((state[0], self.centres(frame[:, :, None])), 1)
        return self.motion(centres), (centres[:, 1:],)

    def forward(self, clip: Tensor) -> Tensor:
        return super().forward(clip[:, :, -FRAMES:])


def clip() -> nn.Module:
    return Clip()


def frames() -> nn.Module:
    return Frames()


class Many(Clip):
    """The same five classes and 152 that no film is of, as Charades has 157."""

    classes = 157

    def forward(self, clip: Tensor) -> Tensor:
        return nn.functional.pad(super().forward(clip), (0, self.classes - len(CLASSES)), value=-1.0)


def spec(name: str, form: str, build) -> ModelSpec:
    return ModelSpec(
        name=name,
        title=name.title(),
        family="moving",
        form=form,  # pyright: ignore[reportArgumentType]
        input_shape=build().input_shape,
        classes=getattr(build, "classes", len(CLASSES)),
        build=build,
        preprocessing=PREPROCESSING,
    )


SPECS = {
    name: spec(name, form, build)
    for name, form, build in (("clip", "clip", Clip), ("frames", "frame", Frames), ("many", "clip", Many))
}


def crashes(file: Path, sampling):
    """As a decoder that dies of some files."""
    if "crash" in file.name:
        os.abort()
    return show(file, sampling)
