"""Which frames of a film a network is given: sections 4.1 and 4.2 of the paper, as moments of the film. Pure.

Time is in seconds since the film's first frame, as exact fractions, so that films of 25 and of 29.97 frames/s are
sampled alike. `last_s` is the time of a film's last frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TypeVar

F = TypeVar("F")

# Section 4.1: of a shorter film the last frame is repeated, up to about this share of the receptive field.
PADDED_SHARE = Fraction(4, 5)


def clip_moments(last_s: Fraction, frames: int, step_s: Fraction) -> tuple[Fraction, ...]:
    """One temporally centred clip. Of a film that is shorter it begins with the first frame, and its last moments lie
    after the film."""
    start_s = max(Fraction(0), (last_s - (frames - 1) * step_s) / 2)
    return tuple(start_s + number * step_s for number in range(frames))


def stream_moments(last_s: Fraction, step_s: Fraction, receptive_field: int | None) -> tuple[Fraction, ...]:
    """The film in order: the last moment is the one that is answered, those before it fill the state.

    Moments that lie before the receptive field of the last one are left out, since nothing of them is left in its
    answer. After a film that is shorter than 80 % of the receptive field its last frame follows until it is as long.
    """
    moments = tuple(number * step_s for number in range(math.floor(last_s / step_s) + 1))
    if receptive_field is None:
        return moments
    moments = moments[-receptive_field:]
    padding = math.ceil(PADDED_SHARE * receptive_field) - len(moments)
    return (*moments, *(moments[-1] + number * step_s for number in range(1, padding + 1)))


def nearest(frames: Iterable[tuple[Fraction, F]], moments: Sequence[Fraction]) -> Iterator[F]:
    """For each moment, in order, the frame that is nearest to it; the later one where two are as near, and the last one
    for moments after the film. No more frames are taken than that needs."""
    asked = 0
    before: tuple[Fraction, F] | None = None
    for time, frame in frames:
        while asked < len(moments) and moments[asked] <= time:
            earlier = before is not None and moments[asked] - before[0] < time - moments[asked]
            yield before[1] if before is not None and earlier else frame
            asked += 1
        if asked == len(moments):
            return
        before = time, frame
    if before is not None:
        yield from (before[1] for _ in moments[asked:])
