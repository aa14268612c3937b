"""How soon a network's answer follows a change of scene.

A still picture is shown until the answer no longer changes, then another. The reaction is the time until the answer has
come half of the way, and nine tenths of it, and stays there: |y - new| <= 0.5 |old - new| in the L2 norm of the scores.
Frames come at the rate that the weights were trained at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING

from ..record.camera import Reaction

if TYPE_CHECKING:
    from torch import Tensor

SCENES = 4
SEED = 20_260_101
HALF, NINE_TENTHS = 0.5, 0.1  # what is left of the way

# (old picture, new picture) -> the answers (classes,) while the new one is shown, the last before the change first
Answers = Callable[["Tensor", "Tensor"], Iterator["Tensor"]]


def of_frames(step: Callable[[Tensor], Tensor], reset: Callable[[], None], receptive_field: int) -> Answers:
    """Of a frame network; pictures are (B, C, H, W)."""

    def answers(old: Tensor, new: Tensor) -> Iterator[Tensor]:
        reset()
        for _ in range(receptive_field - 1):
            step(old)
        yield step(old)[0].float().clone()
        for _ in range(receptive_field):
            yield step(new)[0].float().clone()

    return answers


def of_clips(call: Callable[[Tensor], Tensor], frames: int) -> Answers:
    """Of a clip network that answers for a window of so many frames."""
    import torch

    def answers(old: Tensor, new: Tensor) -> Iterator[Tensor]:
        for count in range(frames + 1):
            clip = torch.stack([old] * (frames - count) + [new] * count, 2)
            yield call(clip)[0].float().clone()

    return answers


def scenes(shape: Sequence[int], count: int = SCENES) -> list[tuple[Tensor, Tensor]]:
    """Pairs of still pictures (1, C, H, W) of seeded noise, scaled as normalised frames are."""
    import torch

    generator = torch.Generator().manual_seed(SEED)
    return [
        (torch.randn((1, *shape), generator=generator), torch.randn((1, *shape), generator=generator))
        for _ in range(count)
    ]


def reaction(answers: Answers, pairs: Sequence[tuple[Tensor, Tensor]], interval_s: float) -> Reaction:
    """The reaction over these changes of scene; `interval_s` is the time from one frame of the network to the next."""
    half, nine_tenths = [], []
    for old, new in pairs:
        shown = list(answers(old, new))
        whole = (shown[0] - shown[-1]).norm()
        left = [float((scores - shown[-1]).norm() / whole) for scores in shown]
        half.append(interval_s * frames_until(left, HALF))
        nine_tenths.append(interval_s * frames_until(left, NINE_TENTHS))
    return Reaction(
        half_s=median(half),
        half_range_s=(min(half), max(half)),
        nine_tenths_s=median(nine_tenths),
        nine_tenths_range_s=(min(nine_tenths), max(nine_tenths)),
        scenes=len(pairs),
        frame_s=interval_s,
    )


def frames_until(left: Sequence[float], share: float) -> int:
    """After how many frames at most this share of the way is left, and stays so; `left[0]` is before the first."""
    return 1 + max((frame for frame, rest in enumerate(left) if rest > share), default=-1)
