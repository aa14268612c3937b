"""The folder of a demo: a plan and films. Nothing that is there is ever written over."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ...models.spec import FILM_FRAMES_PER_S
from ..errors import ENVIRONMENT, USAGE, UserError
from ..plan.config import FILE_NAME
from .films import CLASSES, LARGE, any_look, pictures, write_film
from .train import CLIP, FRAMES, HELD_OUT, demo_films

if TYPE_CHECKING:
    from .films import Picture

NAME = "co3d-bench-demo"
FILMS, FILM = "films", "film.mp4"
FILMS_EACH = 20  # of each class
SCENES, SCENE_FRAMES = 7, 45  # of the camera's film

PLAN = f"""\
# What `co3d-bench demo` measures. The commands that it printed take it from here; change it and repeat them.

[plan]
models = [
    "{CLIP}",       # a small X3D: a regular 3D CNN, one prediction for each clip of 16 frames
    "{FRAMES}",  # the same weights frame by frame: one prediction for each frame
]
weights = "auto"      # they come with co3d-bench
backends = ["auto"]   # eager PyTorch, and the fastest engine that is installed
"""


def new_folder(asked: Path | None) -> Path:
    """The folder, made: the one that was asked for, or the first of co3d-bench-demo, co3d-bench-demo-2, ... that is not
    there. Raises UserError for one with something in it, or that cannot be made."""
    names = [asked] if asked else (Path(NAME if number == 1 else f"{NAME}-{number}") for number in count(1))
    folder = next(name for name in names if name == asked or not (name.exists() or name.is_symlink()))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(
                f"{folder}: is not empty, and a demo overwrites nothing; name another folder with -o", USAGE
            )
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be made: {error.strerror or error}; name another with -o", ENVIRONMENT
        ) from error
    return folder


def fill(folder: Path) -> None:
    """Write the plan, the films whose classes are known, and the film before the camera. Raises UserError."""
    try:
        (folder / FILE_NAME).write_text(PLAN, encoding="utf-8")
        demo_films(folder / FILMS, FILMS_EACH)
        write_film(folder / FILM, _scenes(), FILM_FRAMES_PER_S)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}", ENVIRONMENT) from error


def _scenes() -> Iterator[Picture]:
    """One shape after another, each moving in another way than the one before."""
    draw = random.Random(HELD_OUT)  # noqa: S311 - a film, not a secret
    for number in range(SCENES):
        kind = CLASSES[2 * number % len(CLASSES)]
        yield from pictures(kind, SCENE_FRAMES, draw, LARGE, any_look(draw))
