"""A regular network and its frame forms, as rows of the zoo: one for each pool length (paper, section 4.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from .published import published
from .spec import Family, ModelSpec

if TYPE_CHECKING:
    from torch import nn

    from .continual import FrameNetwork

ANY_POOL = r"[1-9]\d{0,3}"  # 1 to 9999 frames


@dataclass(frozen=True)
class Pair:
    """A clip network, and the name and title of its frame form without the pool length."""

    clip: ModelSpec
    frame_name: str
    frame_title: str
    listed_pools: tuple[int, ...]

    @property
    def native_pool(self) -> int:
        """Frames of the clip."""
        return self.clip.input_shape[1]

    def frame(self, pool_frames: int) -> ModelSpec:
        """The frame form with its last average over `pool_frames` frames in a row."""
        channels, _, height, width = self.clip.input_shape
        native = pool_frames == self.native_pool
        return replace(
            self.clip,
            name=f"{self.frame_name}-{pool_frames}",
            title=f"{self.frame_title} ({pool_frames})",
            form="frame",
            input_shape=(channels, height, width),
            build=partial(build_frame, self.clip.build, pool_frames),
            published=published(self.frame_name, pool_frames, self.clip.preprocessing),
            counterpart=self.clip.name,
            extends=None if native else f"{self.frame_name}-{self.native_pool}",
        )


def build_frame(build_clip: Callable[..., nn.Module], pool_frames: int, **options: object) -> FrameNetwork:
    """What `convert` makes of `build_clip(**options)`."""
    from .continual import convert
    from .continual.conversion import BY_TESTS
    from .continual.conversion.proof import proven_before

    with proven_before(BY_TESTS):
        return convert(build_clip(**options).eval(), pool_frames=pool_frames).train()


def family(
    name: str, pairs: Sequence[Pair], *, clips: Sequence[ModelSpec] = (), pattern: str = "", order: int = 100
) -> Family:
    """All of them as a family of the zoo; `clips` are networks without a frame form.

    Where two pairs share a frame name, a pool length belongs to the one whose clip is as long, else to the last.
    """
    by_name = {spec.name: spec for spec in (*clips, *(pair.clip for pair in pairs))}

    def find(wanted: str) -> ModelSpec | None:
        if wanted in by_name:
            return by_name[wanted]
        stem, _, pool = wanted.rpartition("-")
        named = [pair for pair in pairs if pair.frame_name == stem]
        if not named or not re.fullmatch(ANY_POOL, pool):
            return None
        as_long = [pair for pair in named if pair.native_pool == int(pool)]
        return (as_long or named)[-1].frame(int(pool))

    listed = (*by_name.values(), *(pair.frame(pool) for pair in pairs for pool in pair.listed_pools))
    return Family(name=name, listed=listed, find=find, pattern=pattern, order=order)
