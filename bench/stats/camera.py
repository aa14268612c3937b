"""The figures of a network in front of a camera, from the times of its frames. Pure.

Latency is counted from when a frame was due, and over all due frames: a dropped one is infinitely late. The age of the
newest answer is that of information theory (arXiv 2004.05088, section 2): the time since the frame was due that the
newest answer is about.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ENVIRONMENT, UserError
from ..record.camera import CameraRun

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Times = NDArray[np.float64]

PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9)
CONFIDENCE = 0.99
MINUTE_S = 60.0


@cache
def fewest_samples(percent: float) -> int:
    """From how many samples a percentile may be claimed: MLPerf's early stopping at 99 % confidence, with one sample
    above it. 64 for p90, 662 for p99."""
    from scipy.special import betainc

    share = percent / 100
    below = 1
    while betainc(below, 2, share) > 1 - CONFIDENCE:
        below += 1
    return below + 1


@dataclass(frozen=True)
class FrameTimes:
    """The due frames of one camera, in the order in which they were due; seconds on one clock."""

    due_s: Times
    answered_s: Times  # NaN: dropped
    end_s: float  # of the run
    deadline_s: float

    @cached_property
    def latency_s(self) -> Times:
        """From when a frame was due to its answer; infinite where it was dropped."""
        return np.where(np.isnan(self.answered_s), np.inf, self.answered_s - self.due_s)

    @property
    def due(self) -> int:
        return len(self.due_s)

    @property
    def dropped(self) -> int:
        return int(np.isnan(self.answered_s).sum())

    @property
    def in_time(self) -> int:
        return int((self.latency_s <= self.deadline_s).sum())

    @property
    def late(self) -> int:
        return self.due - self.in_time - self.dropped

    @property
    def missed(self) -> int:
        """Late and dropped."""
        return self.due - self.in_time

    def percentile_s(self, percent: float) -> float | None:
        """LoadGen's percentile of the latencies: entry floor(n * share) of the sorted ones. None where so few frames do
        not allow it."""
        if self.due < fewest_samples(percent):
            return None
        rank = min(self.due - 1, math.floor(self.due * percent / 100 + 1e-9))
        return float(np.partition(self.latency_s, rank)[rank])

    @cached_property
    def _answers(self) -> tuple[Times, Times]:
        """(when each answer came that was newer than all before it, when its frame was due)."""
        known = ~np.isnan(self.answered_s)
        answered, due = self.answered_s[known], self.due_s[known]
        order = np.argsort(answered, kind="stable")
        answered, due = answered[order], due[order]
        newer = due > np.maximum.accumulate(np.concatenate(([-np.inf], due)))[:-1]
        return answered[newer], due[newer]

    def newest_answers(self, at_s: Times) -> NDArray[np.int64]:
        """For each moment the position, among the answers in the order of time, of the newest that is there by then;
        -1: none. The pairing of streaming perception (sAP: Li et al., ECCV 2020)."""
        return np.searchsorted(self._answers[0], at_s, side="right") - 1

    @property
    def _until_s(self) -> Times:
        """For each of these answers until when it was the newest."""
        answered, _ = self._answers
        return np.append(answered[1:], max(self.end_s, answered[-1]))

    @property
    def mean_age_s(self) -> float | None:
        """Of the newest answer, over the time from the first answer to the end. None where there is no answer."""
        answered, due = self._answers
        if not len(answered):
            return None
        until = self._until_s
        whole_s = until[-1] - answered[0]
        if whole_s <= 0:
            return float(answered[0] - due[0])
        return float((((until - due) ** 2 - (answered - due) ** 2) / 2).sum() / whole_s)

    @property
    def peak_age_s(self) -> float | None:
        """The largest age of the newest answer: just before a newer one came, or at the end."""
        _, due = self._answers
        return float((self._until_s - due).max()) if len(due) else None

    @property
    def longest_gap_s(self) -> float:
        """The longest time without an answer, beginning and end of the run included."""
        known = np.sort(self.answered_s[~np.isnan(self.answered_s)])
        begin = self.due_s[0] if self.due else self.end_s
        moments = np.concatenate(([begin], known, [max(self.end_s, known[-1] if len(known) else begin)]))
        return float(np.diff(moments).max())


@dataclass(frozen=True)
class Ages:
    """How old the newest answers of cameras are."""

    mean_s: float | None  # mean of the cameras; None where none has an answer
    peak_s: float | None  # the largest
    longest_gap_s: float


def ages(cameras: Sequence[FrameTimes]) -> Ages:
    """Of each camera by itself: an answer for one is none for another."""
    means = [age for camera in cameras if (age := camera.mean_age_s) is not None]
    peaks = [age for camera in cameras if (age := camera.peak_age_s) is not None]
    mean_s = sum(means) / len(means) if means else None
    return Ages(mean_s, max(peaks, default=None), max(camera.longest_gap_s for camera in cameras))


def frame_times(run: CameraRun, columns: Mapping[str, Times]) -> FrameTimes:
    """The frames of a recorded run from the arrays of its blob. Raises UserError where they are not of that run."""
    due_s, answered_s = columns.get("due_s"), columns.get("answered_s")
    if due_s is None or answered_s is None or not len(due_s) == len(answered_s) == run.due:
        raise UserError(f"the blob {run.times} does not hold the times of {run.due} frames", ENVIRONMENT)
    if not np.isfinite(due_s).all() or np.isinf(answered_s).any():
        raise UserError(f"the blob {run.times} holds times that are none", ENVIRONMENT)
    return FrameTimes(due_s, answered_s, run.duration_s, run.deadline_s)


@dataclass(frozen=True)
class Minute:
    """A minute of a run; the last one is longer where the run does not end with a whole minute."""

    begin_s: float
    length_s: float
    due: int
    missed: int  # of those that were due in it
    median_s: float | None  # latency of those that were due in it; infinite: most were dropped; None: none was due
    answers: int  # that came in it, whenever their frames were due

    @property
    def missed_share(self) -> float | None:
        return self.missed / self.due if self.due else None

    @property
    def mostly_dropped(self) -> bool:
        """Whether most frames that were due in it have no answer, so that its median is infinite."""
        return self.median_s is not None and math.isinf(self.median_s)

    @property
    def rate_per_s(self) -> float:
        """Answers a second."""
        return self.answers / self.length_s


def minute_edges(length_s: float) -> tuple[float, ...]:
    """Where the minutes of a run begin, and where the last one ends: it is longer where the run does not end with a
    whole minute. Empty below two minutes, where there is nothing to set against the first."""
    count = int(length_s / MINUTE_S + 1e-9)
    return (*(number * MINUTE_S for number in range(count)), length_s) if count > 1 else ()


def minutes(times: FrameTimes) -> tuple[Minute, ...]:
    """The run minute by minute; empty below two."""
    edges = (*minute_edges(times.end_s)[:-1], math.inf)
    known = times.answered_s[~np.isnan(times.answered_s)]
    found = []
    for begin_s, end_s in pairwise(edges):
        latency_s = times.latency_s[(times.due_s >= begin_s) & (times.due_s < end_s)]
        found.append(
            Minute(
                begin_s=float(begin_s),
                length_s=float(min(end_s, times.end_s) - begin_s),
                due=len(latency_s),
                missed=int((latency_s > times.deadline_s).sum()),
                median_s=float(np.sort(latency_s)[len(latency_s) // 2]) if len(latency_s) else None,
                answers=int(((known >= begin_s) & (known < end_s)).sum()),
            )
        )
    return tuple(found)


def kept_of_first(found: Sequence[Minute]) -> tuple[float, ...]:
    """Of each minute its answers a second, as a share of the first minute's; empty where that had none."""
    first = found[0].rate_per_s if found else 0.0
    return tuple(minute.rate_per_s / first for minute in found) if first else ()


def binomial_interval(hits: float, trials: float, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share (Clopper and Pearson); (0, 1) without trials."""
    from scipy.special import betaincinv

    if not trials:
        return 0.0, 1.0
    side = (1 - confidence) / 2
    low = float(betaincinv(hits, trials - hits + 1, side)) if hits else 0.0
    high = float(betaincinv(hits + 1, trials - hits, 1 - side)) if hits < trials else 1.0
    return low, high
