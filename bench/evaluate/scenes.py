"""Scenes without labels, for the error of a transient: frames of which each differs from the one before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...models.spec import FILM_FRAMES_PER_S, ModelSpec
from ..errors import UserError
from ..measure.film import open_film
from ..measure.video import prepare
from .clips import nearest

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from ...models.example import Example

SCENES = 4
# Of a moving picture: how many blobs its height has, and in how many frames it moves on by its width.
_BLOBS, _FRAMES_PER_WIDTH = 8, 32

Scene = Sequence[Any]  # frames, each (1, ...)


def noise_scenes(spec: ModelSpec, example: Example, seed: int, count: int, frames: int) -> Iterator[Scene]:
    """Seeded scenes: a picture of blobs that moves before the camera, its values scaled as normalised frames are. Of a
    network that takes no pictures, or states the values that it takes, inputs like its example."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    pictures = len(spec.input_shape) == 3 and spec.input_values is None
    for _ in range(count):
        if pictures:
            yield moving_scene(spec.input_shape, frames, generator)
        else:
            yield [example.draw(1, generator) for _ in range(frames)]


def moving_scene(shape: Sequence[int], frames: int, generator: Generator) -> list[Tensor]:
    """Views, each (1, C, H, W), of a wide picture of smooth noise with mean 0 and standard deviation 1."""
    import torch
    from torch.nn import functional

    channels, height, width = shape
    step = max(1, width // _FRAMES_PER_WIDTH)
    whole = width + step * (frames - 1)
    blobs = torch.randn((1, channels, _BLOBS, max(2, _BLOBS * whole // height)), generator=generator)
    picture = functional.interpolate(blobs, (height, whole), mode="bilinear", align_corners=False)
    picture = (picture - picture.mean()) / picture.std()
    return [picture[..., step * number : step * number + width] for number in range(frames)]


def film_scenes(file: Path, spec: ModelSpec, count: int, frames: int) -> Iterator[Scene]:
    """Parts of a film that do not overlap, spread evenly, at the rate of the network's weights; of a short film fewer.
    Raises UserError for a file that is no film, and for one that is too short for a single scene."""
    how = spec.preprocessing
    if how is None or spec.not_watchable():
        raise UserError(spec.not_watchable() or spec.name)
    step_s = Fraction(how.frame_interval, FILM_FRAMES_PER_S)
    with open_film(file) as film:
        there = floor(film.last_s() / step_s) + 1
    if there < frames:
        raise UserError(
            f"video {file}: {there} frames at {how.frames_per_s:g} a second, and a scene needs {frames}: to forget its "
            "start, and to be answered"
        )
    found = min(count, there // frames)
    begins = [number * (there - frames) // max(1, found - 1) for number in range(found)]
    moments = [step_s * (begin + number) for begin in begins for number in range(frames)]
    scene: list[Any] = []
    with open_film(file) as film:
        for frame in nearest(film.frames(), moments):
            scene.append(prepare(film.picture(frame), how, (spec.input_shape[-2], spec.input_shape[-1]))[None])
            if len(scene) == frames:
                yield scene
                scene = []
