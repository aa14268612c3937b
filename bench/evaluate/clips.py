"""Which frames of a film a network is given: sections 4.1 and 4.2 of the paper, as moments of the film. Pure.

Time is in seconds since the film's first frame, as exact fractions, so that films of 25 and of 29.97 frames/s are
sampled alike. `last_s` is the time of a film's last frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

F = TypeVar("F")

# Section 4.1: of a shorter film the last frame is repeated, up to about this share of the receptive field.
PADDED_SHARE = Fraction(4, 5)


@dataclass(frozen=True)
class Arrivals:
    """Of frames in the order in which they are due: which ones arrive, and which are answered. A frame network is
    given those that are answered; what a camera captured stands in a clip also where it had no answer of its own."""

    arrived: tuple[bool, ...] = ()
    answered: tuple[bool, ...] = ()


# Of that many frames of a film, from its first one on, which ones arrive; None: all of them.
Arriving = Callable[[int], Arrivals]


def clip_moments(
    last_s: Fraction, frames: int, step_s: Fraction, arriving: Arriving | None = None
) -> tuple[Fraction, ...]:
    """One temporally centred clip. Of a film that is shorter it begins with the first frame, and its last moments lie
    after the film.

    Where frames are dropped, the network is asked at the same moment, the clip's last. It answers with the newest frame
    that was answered by then, and the clip is of the last ones that arrived up to that one; where these are fewer than
    a clip, the last one is repeated. Empty: none was answered.
    """
    start_s = max(Fraction(0), (last_s - (frames - 1) * step_s) / 2)
    asked = tuple(start_s + number * step_s for number in range(frames))
    if arriving is None:
        return asked
    due = _each(start_s % step_s, min(asked[-1], last_s), step_s)
    come = arriving(len(due))
    if all(come.arrived) and come.answered[-1]:
        return asked
    newest = max((number for number, answered in enumerate(come.answered) if answered), default=-1)
    seen = [due[number] for number in range(newest + 1) if come.arrived[number]][-frames:]
    return (*seen, *seen[-1:] * (frames - len(seen)))


def stream_moments(
    last_s: Fraction, step_s: Fraction, receptive_field: int | None, arriving: Arriving | None = None
) -> tuple[Fraction, ...]:
    """The film in order: the last moment is the one that is answered, those before it fill the state.

    Moments that lie before the receptive field of the last one are left out, since nothing of them is left in its
    answer. After a film that is shorter than 80 % of the receptive field its last frame follows until it is as long.
    Dropped frames are left out before all of this: the state skips them, and where the last one is dropped, the last
    one that arrived is answered. Empty: none did.
    """
    due = _each(Fraction(0), last_s, step_s)
    come = arriving(len(due)).answered if arriving else (True,) * len(due)
    moments = tuple(moment for moment, answered in zip(due, come, strict=True) if answered)
    if receptive_field is None or not moments:
        return moments
    moments = moments[-receptive_field:]
    padding = math.ceil(PADDED_SHARE * receptive_field) - len(moments)
    # Of a whole film the moments after it are its last frame, which may lie behind the last of these.
    after_s = step_s if all(come) else Fraction(0)
    return (*moments, *(moments[-1] + number * after_s for number in range(1, padding + 1)))


def _each(first: Fraction, last: Fraction, step_s: Fraction) -> tuple[Fraction, ...]:
    return tuple(first + number * step_s for number in range(math.floor((last - first) / step_s) + 1))


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
