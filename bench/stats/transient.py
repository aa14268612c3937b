"""The curve over the frames since a start, and what is read off it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..record.record import Record
from ..record.transient import CurvePoint, Measure, Transient
from .scores import wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

HALF, NINE_TENTHS = 0.5, 0.1  # what is left of the way


def curve_of(measure: Measure, values: NDArray[Any]) -> tuple[CurvePoint, ...]:
    """From (films, frames) ranks, or (scenes, frames) errors, as the blob has them."""
    import numpy as np

    if measure == "top1":
        shares = (wilson(int((ranks < 1).sum()), len(ranks)) for ranks in values.T)
        return tuple(CurvePoint(**share.model_dump()) for share in shares)
    ends = np.median(values, 0), values.min(0), values.max(0)
    return tuple(CurvePoint(value=value, low=low, high=high) for value, low, high in np.stack(ends, 1).tolist())


def receptive_field(record: Record) -> int | None:
    return record.model.receptive_field if record.model else None


def delay(record: Record) -> int | None:
    return record.model.delay if record.model else None


def at(run: Transient, frames: int | None) -> CurvePoint | None:
    """The figure of the answer to the frame of that number since the start; None where the curve has none."""
    return run.curve[frames - 1] if frames is not None and 1 <= frames <= len(run.curve) else None


def after_delay(record: Record) -> CurvePoint | None:
    """Of the first answer that the paper calls normal: as many frames as the delay came before its own."""
    frames = delay(record)
    return at(record.transient, frames + 1) if record.transient and frames is not None else None


def steady(record: Record) -> CurvePoint | None:
    """The last figure, if nothing of the start is left in its answer; None where the curve is shorter, and of a network
    that never forgets."""
    run, frames = record.transient, receptive_field(record)
    return run.curve[-1] if run and frames is not None and len(run.curve) >= frames else None


def frames_to(record: Record, share: float) -> int | None:
    """After how many frames at most this share of the way from the first figure to the steady one is left, and stays
    so. An error's way ends at nothing. None where there is no steady figure, or no way."""
    run, end = record.transient, steady(record)
    if run is None or end is None:
        return None
    target = 0.0 if run.measure == "error" else end.value
    left = [abs(point.value - target) for point in run.curve]
    return frames_until([each / left[0] for each in left], share, first=1) if left[0] > 0 else None


def frames_until(left: Sequence[float], share: float, first: int = 0) -> int:
    """After how many frames at most this share of the way is left, and stays so; `first`: the number of frames of the
    first entry."""
    return first + 1 + max((frame for frame, rest in enumerate(left) if rest > share), default=-1)
