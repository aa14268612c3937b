"""The inputs of a case: a small ring of different clips or frames, prepared before anything is timed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...models.spec import ModelSpec
from ..errors import UserError
from .memory import tensor_bytes

if TYPE_CHECKING:
    from ...models.example import Example

# Several inputs, so that caches and branch predictors do not see the same one twice in a row; few, since all are kept.
RING = {"clip": 4, "frame": 16, "input": 4}
RING_BYTES = 256 << 20
BYTES_PER_ELEMENT = 4
# Of a network that fails on noise like its example's.
FIXED = "all inputs are the example itself: on other values of its range the network fails, or has no finite answer"


@dataclass(frozen=True)
class Inputs:
    """Inputs that are used one after the other, each (B, *input_shape), and notes for the record."""

    ring: Sequence[Any]  # of `models/inputs.py`
    notes: tuple[str, ...] = ()


def ring_length(spec: ModelSpec, batch: int, example: Example | None = None) -> int:
    """The number of inputs: fewer where they are large, at least two. An example counts with all its tensors."""
    one = math.prod(spec.input_shape) * BYTES_PER_ELEMENT if example is None else tensor_bytes(example.tensors)
    return max(2, min(RING[spec.form], RING_BYTES // max(1, batch * one)))


def random_inputs(spec: ModelSpec, batch: int, seed: int, example: Example | None = None) -> Inputs:
    """Inputs like the example, else standard normal values; the same for the same seed. Raises UserError."""
    import torch

    from ...models.example import Example, ExampleError

    example = example or Example.of_shape(spec.input_shape)
    generator = torch.Generator().manual_seed(seed)
    try:
        ring = [example.draw(batch, generator) for _ in range(ring_length(spec, batch, example))]
    except ExampleError as error:
        raise UserError(f"{spec.name}: {error}") from None
    return Inputs(ring, (FIXED,) if example.fixed else ())


def video_inputs(spec: ModelSpec, batch: int, file: Path) -> Inputs:
    """Consecutive frames, or clips, of a real video; row b of a batch has a later part of it than row b - 1.

    Raises UserError for a file that is no video.
    """
    import torch

    from .video import read_frames

    if spec.preprocessing is None:
        raise UserError(spec.not_watchable() or spec.name)
    count = ring_length(spec, batch)
    clip_frames = spec.input_shape[1] if spec.form == "clip" else 1
    height, width = spec.input_shape[-2:]
    video = read_frames(file, count * batch * clip_frames, spec.preprocessing, (height, width))
    # (batch * count * clip frames, C, H, W) -> one stream a row
    streams = video.frames.unflatten(0, (batch, count, clip_frames))
    inputs = [streams[:, i].transpose(1, 2) if spec.form == "clip" else streams[:, i, 0] for i in range(count)]
    # Copies: a view would keep the memory of all inputs, and be counted with it.
    return Inputs([x.clone(memory_format=torch.contiguous_format) for x in inputs], video.notes)


def make_inputs(
    spec: ModelSpec, batch: int, input_id: str, video: Path | None, example: Example | None = None
) -> Inputs:
    """The inputs a case names: `random-SEED`, like the example, or the frames of `video`."""
    if video is not None:
        return video_inputs(spec, batch, video)
    return random_inputs(spec, batch, int(input_id.removeprefix("random-")), example)
