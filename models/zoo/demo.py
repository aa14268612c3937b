"""A small X3D and its frame form, for `co3d-bench demo`: the definitions of `x3d.py`, narrower and on small pictures.

Their weights come with co3d-bench (`../weights/shipped`). They know five ways in which a shape moves, and nothing else;
the paper reports neither.
"""

from __future__ import annotations

from functools import partial

from ..pairs import Pair, family
from ..spec import ModelSpec, Preprocessing
from .x3d import Size, build_clip

CLASSES = 5
SIZE = Size(
    "demo",
    depth_factor=1.0,
    frames=16,
    pixels=48,
    short_side=48,
    frame_interval=1,
    stem_channels=12,
    stages=((12, 1), (24, 2), (48, 2)),
    head_channels=128,
)

CLIP = ModelSpec(
    name="demo-x3d",
    title="Demo X3D",
    family="demo",
    form="clip",
    input_shape=(3, SIZE.frames, SIZE.pixels, SIZE.pixels),
    classes=CLASSES,
    build=partial(build_clip, SIZE, classes=CLASSES),
    preprocessing=Preprocessing((0.45, 0.45, 0.45), (0.225, 0.225, 0.225), SIZE.short_side, SIZE.frame_interval),
)

FAMILY = family("demo", [Pair(CLIP, "demo-cox3d", "Demo CoX3D", (SIZE.frames,))], pattern="demo-cox3d-POOL", order=900)
