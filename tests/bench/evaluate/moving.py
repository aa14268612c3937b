"""Networks and films with a known truth: a bright square whose class is how it moves, which no single frame shows.

As custom networks: `moving.py:clip` and `moving.py:frames`. Both follow the centre of the square; their scores are the
mean of its steps along each axis, and of its turns about the middle.
"""

from __future__ import annotations

import math
import os
import random
from pathlib import Path

import torch
from torch import Tensor, nn

from co3d_bench.bench.evaluate.films import show
from co3d_bench.models.spec import ModelSpec, Preprocessing

CLASSES = ("clockwise", "down", "left", "right", "up")  # in the order of class folders
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


def pictures(kind: str, count: int, draw: random.Random, size=(64, 48)):
    """(H, W, 3) of bytes, one after the other. The square trembles, so that some films are hard."""
    import numpy as np

    width, height = size
    turn = draw.random() * 2 * math.pi
    x, y = draw.uniform(0.3, 0.7) * width, draw.uniform(0.3, 0.7) * height
    speed = draw.uniform(0.2, 0.6)
    step = {"down": (0, 1), "up": (0, -1), "left": (-1, 0), "right": (1, 0)}
    for number in range(count):
        if kind == "clockwise":
            at = width / 2 + 10 * math.cos(turn + 0.1 * number), height / 2 + 10 * math.sin(turn + 0.1 * number)
        else:
            at = x + speed * step[kind][0] * (number - count / 2), y + speed * step[kind][1] * (number - count / 2)
        left, top = (round(place + draw.gauss(0, 1.0)) - 4 for place in at)
        picture = np.full((height, width, 3), 20, np.uint8)
        picture[max(0, top) : max(0, top + 8), max(0, left) : max(0, left + 8)] = 230
        yield picture


def write_film(file: Path, frames, rate=30, codec="mpeg4") -> None:
    import av

    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(frames):
            if not number:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def make_films(folder: Path, each: int = 8, seed: int = 0, rate=30, lengths=(10, 40)) -> Path:
    """A folder of class folders, `each` films of a class, of different lengths."""
    for kind in CLASSES:
        for number in range(each):
            draw = random.Random(f"{seed} {kind} {number}")
            count = draw.randint(*lengths)
            write_film(folder / kind / f"{number}.mp4", pictures(kind, count, draw), rate)
    return folder


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
