"""Films of a shape whose class is how it moves. No single frame shows it, and two hardly do: the shape trembles by as
much as it moves from one frame to the next."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import numpy as np
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]  # (H, W, 3)

CLASSES = ("clockwise", "down", "left", "right", "up")  # in the order of class folders
SHAPES = ("square", "disc", "triangle")
Size = tuple[int, int]  # width, height
SMALL, LARGE = (64, 48), (160, 120)

# In pixels of a picture 48 high; a larger one has the same film, larger.
_HEIGHT, _HALF, _RADIUS = 48, 4, 10


@dataclass(frozen=True)
class Look:
    """What moves before which ground; colours in RGB, 0 to 255."""

    shape: str = "square"  # one of SHAPES
    colour: tuple[int, int, int] = (230, 230, 230)
    ground: tuple[int, int, int] = (20, 20, 20)
    grain: int = 0  # by how much spots of the ground differ from it
    seed: int = 0  # of the spots
    tremble: float = 1.0  # standard deviation, in pixels of a picture 48 high


def any_look(draw: random.Random) -> Look:
    """Another shape, other colours and another ground for each film."""
    red, green, blue = (draw.randint(130, 255) for _ in range(3))
    dark_red, dark_green, dark_blue = (draw.randint(0, 60) for _ in range(3))
    return Look(
        shape=draw.choice(SHAPES),
        colour=(red, green, blue),
        ground=(dark_red, dark_green, dark_blue),
        grain=draw.randint(0, 30),
        seed=draw.randrange(99),
        tremble=0.5,
    )


def pictures(
    kind: str, count: int, draw: random.Random, size: Size = SMALL, look: Look | None = None
) -> Iterator[Picture]:
    """So many pictures of a shape that moves as `kind` says, one of CLASSES. Where, how fast and how it trembles comes
    from `draw`, so that some films are hard."""
    width, height = size
    scale = height / _HEIGHT
    look = look or Look()
    ground = _ground(size, look)
    turn = draw.random() * 2 * math.pi
    x, y = draw.uniform(0.3, 0.7) * width, draw.uniform(0.3, 0.7) * height
    speed = draw.uniform(0.2, 0.6) * scale  # a frame
    step = {"down": (0, 1), "up": (0, -1), "left": (-1, 0), "right": (1, 0)}
    for number in range(count):
        if kind == "clockwise":
            angle, radius = turn + 0.1 * number, _RADIUS * scale
            at = width / 2 + radius * math.cos(angle), height / 2 + radius * math.sin(angle)
        else:
            at = x + speed * step[kind][0] * (number - count / 2), y + speed * step[kind][1] * (number - count / 2)
        left, top = (round(place + draw.gauss(0, look.tremble * scale)) - round(_HALF * scale) for place in at)
        picture = ground.copy()
        picture[_mask(look.shape, left, top, round(2 * _HALF * scale), size)] = look.colour
        yield picture


def _ground(size: Size, look: Look) -> Picture:
    """Spots of an eighth of the picture's height, at rest."""
    import numpy as np

    width, height = size
    across = height // 8
    rows, columns = -(-height // across), -(-width // across)
    spots = np.random.default_rng(look.seed).integers(-look.grain, look.grain + 1, (rows, columns, 1))
    large = spots.repeat(across, 0).repeat(across, 1)[:height, :width]
    return (np.array(look.ground) + large).clip(0, 255).astype(np.uint8)


def _mask(shape: str, left: int, top: int, side: int, size: Size) -> NDArray[np.bool_]:
    """(H, W): where the shape is, within a square of that side."""
    import numpy as np

    width, height = size
    x, y = np.arange(width)[None] - left, np.arange(height)[:, None] - top  # within the square from 0 to side - 1
    inside = (x >= 0) & (x < side) & (y >= 0) & (y < side)
    if shape == "disc":
        return inside & ((2 * x + 1 - side) ** 2 + (2 * y + 1 - side) ** 2 <= side**2)
    return inside & (np.abs(2 * x + 1 - side) <= y + 1) if shape == "triangle" else inside


def write_film(file: Path, frames: Iterable[Picture], rate: int = 30, codec: str = "mpeg4") -> None:
    """Encode the pictures, all of one size, as a film of so many a second."""
    import av

    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w") as container:
        stream = cast("VideoStream", container.add_stream(codec, rate=rate))  # the codecs named here are of video
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(frames):
            if not number:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def make_films(
    folder: Path,
    each: int = 8,
    seed: int = 0,
    rate: int = 30,
    lengths: tuple[int, int] = (10, 40),
    *,
    size: Size = SMALL,
    varied: bool = False,
) -> Path:
    """A folder of class folders, `each` films of a class, of different lengths in frames; `varied`: and of different
    looks."""
    for kind in CLASSES:
        for number in range(each):
            draw = random.Random(f"{seed} {kind} {number}")  # noqa: S311 - a film, not a secret
            count = draw.randint(*lengths)
            look = any_look(draw) if varied else None
            write_film(folder / kind / f"{number}.mp4", pictures(kind, count, draw, size, look), rate)
    return folder
