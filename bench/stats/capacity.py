"""`--streams auto`: with how many cameras a network keeps up, and when that is known. Pure.

The claim is that each camera misses at most 1 % of its deadlines. Misses come in bursts, so frames are no independent
trials: time is looked at in blocks of a second. Evidence is an e-value: by Ville's inequality the chance that it ever
exceeds 1 / alpha under what it speaks against is at most alpha, so it may be looked at after each block
(Ramdas et al., arXiv 2210.01948).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..record.camera import Streams, StreamsTrial, Verdict, Way
from .camera import binomial_interval

SHARE = 0.01
CONFIDENCE = 0.99
BLOCK_S = 1.0
QUICK_BLOCKS = 5  # of a trial that only looks whether so many cameras are clearly too many
MOST_STREAMS = 64  # that are tried

# Against "at most 1 %": blocks are bounded by 0 and 1, and nothing else is assumed of them. Stakes of a bet on more
# misses (Waudby-Smith and Ramdas, arXiv 2010.09686); their mean is as good a bet.
# None is so large that one burst, of up to a second, proves anything.
_STAKES = np.array([4.0, 16.0])
# Against "more than 1 %": without any assumption 458 seconds without a miss would have to be seen. Assumed is that a
# burst that is no longer than this costs one trial; longer ones cost as many as they are longer.
SLICE_S = 0.05
_CLAIM_SHARE = SHARE / 4  # the share of misses for which the test is most powerful
_GOOD, _BAD = math.log((1 - _CLAIM_SHARE) / (1 - SHARE)), math.log(_CLAIM_SHARE / SHARE)


class Misses:
    """Misses of cameras, block by block, and what follows from them.

    Cameras are alike (their frames are due together and they take turns), so the misses of all together are set against
    1 %. That a single one misses more is a reason against as well; its confidence is shared by all.
    """

    def __init__(self, streams: int) -> None:
        self.blocks = 0
        self.due = 0  # of each camera
        self.missed = np.zeros(streams, dtype=np.int64)  # by camera
        self._for = 0.0  # logarithm
        self._against = np.zeros((1 + streams, len(_STAKES)))  # of all together, then of each
        alpha = 1 - CONFIDENCE
        self._needed = math.log(1 / alpha)
        self._needed_against = np.array([math.log(2 / alpha), *[math.log(2 * streams / alpha)] * streams])

    def add(self, due: int, missed: Sequence[int]) -> None:
        """One more block: frames of each camera that were due in it, and by camera how many of them were missed."""
        self.blocks += 1
        if not due:
            return
        self.due += due
        self.missed += np.asarray(missed)
        shares = np.array([sum(missed) / len(missed), *missed]) / due
        self._against += np.log1p(_STAKES * (shares[:, None] - SHARE))
        trials = min(due * len(missed), BLOCK_S / SLICE_S)
        self._for += trials * ((1 - shares[0]) * _GOOD + shares[0] * _BAD)

    @property
    def verdict(self) -> Verdict:
        """Whether each camera misses at most 1 %."""
        against = np.logaddexp.reduce(self._against, axis=1) - math.log(len(_STAKES))
        if (against >= self._needed_against).any():
            return "no"
        return "yes" if self._for >= self._needed else "not known"


def shortest_claim_s(answers_per_s: float) -> float:
    """After how long it is known that cameras are kept up with which are due so many answers a second together, if
    none is missed."""
    per_block = min(answers_per_s * BLOCK_S, BLOCK_S / SLICE_S)
    return BLOCK_S * math.ceil(math.log(1 / (1 - CONFIDENCE)) / (per_block * _GOOD))


class Frames(Protocol):
    """When the frames of a camera were due and answered, by number; NaN: not yet, or never."""

    due_s: array[float]
    answered_s: array[float]


class Looks:
    """Looks at cameras while they are watched: at each block once it is known what became of its frames."""

    def __init__(self, streams: int, period_s: float, deadline_s: float, blocks: int) -> None:
        self.misses = Misses(streams)
        self._period_s, self._deadline_s, self._blocks = period_s, deadline_s, blocks

    def look(self, cameras: Sequence[Frames], passed_s: float) -> Verdict:
        """The verdict when so much time has passed since the first frame was due."""
        misses = self.misses
        while misses.blocks < self._blocks and passed_s > (misses.blocks + 1) * BLOCK_S + self._deadline_s:
            self._add(cameras, misses.blocks)
        return misses.verdict

    def _add(self, cameras: Sequence[Frames], block: int) -> None:
        first, end = (math.ceil(each * BLOCK_S / self._period_s - 1e-6) for each in (block, block + 1))
        missed = [end - first - self._in_time(camera, first, end) for camera in cameras]
        self.misses.add(end - first, missed)

    def _in_time(self, camera: Frames, first: int, end: int) -> int:
        pairs = zip(camera.due_s[first:end], camera.answered_s[first:end], strict=True)
        return sum(answered_s - due_s <= self._deadline_s for due_s, answered_s in pairs)


# (cameras, most blocks) -> whether each of them misses at most 1 %
Attempt = Callable[[int, int], Verdict]


def most_streams(attempt: Attempt, blocks: int, most: int = MOST_STREAMS) -> int:
    """The largest number of cameras for which the verdict is yes; 0: none.

    Doubled until they are clearly too many, by short trials; then bisected. More cameras miss no fewer frames.
    """
    passed, failed, streams = 0, most + 1, 1
    while streams <= most:
        if attempt(streams, min(QUICK_BLOCKS, blocks)) == "no":
            failed = streams
            break
        passed, streams = streams, 2 * streams
    proved = 0
    while passed > proved or failed - passed > 1:
        streams = (passed + failed) // 2
        if attempt(streams, blocks) == "yes":
            proved = passed = streams
        else:
            failed = streams
            passed = passed if passed < streams else max(proved, streams // 2)
    return proved


@dataclass(frozen=True)
class Room:
    """The memory for a search."""

    base_bytes: int  # taken with one camera
    limit_bytes: int

    def why_not(self, streams: int, last: int, last_bytes: int) -> str | None:
        """Why so many cameras must not be tried, when the `last` ones took so much; None if they may."""
        if last < 2 or streams <= last:
            return None
        needed = self.base_bytes + (last_bytes - self.base_bytes) * (streams - 1) / (last - 1)
        if needed <= self.limit_bytes:
            return None
        return f"{streams} would need {needed / 1e9:.3g} GB of {self.limit_bytes / 1e9:.3g}"


def better(count: int, other: int) -> Way:
    """The way that serves more cameras, `count` being those of one after the other."""
    return "one after the other" if count >= other else "one call for all"


def share_interval(trial: StreamsTrial) -> tuple[float, float]:
    """The 95 % interval of the share of misses, a burst of up to `SLICE_S` being one trial; (0, 1) of none."""
    count = min(float(trial.due), trial.seconds / SLICE_S)
    return binomial_interval(count * (trial.missed_share or 0.0), count)


def longest(found: Streams) -> list[StreamsTrial]:
    """The trials that were watched, in the order of cameras; of several with the same number and way the longest."""
    best: dict[tuple[Way, int], StreamsTrial] = {}
    for trial in found.tried:
        key = trial.way, trial.streams
        if trial.due and (key not in best or trial.seconds > best[key].seconds):
            best[key] = trial
    return sorted(best.values(), key=lambda trial: trial.streams)


def next_more(found: Streams) -> StreamsTrial | None:
    """Of the trials of the better way the one with the fewest cameras beyond what was found."""
    beyond = [trial for trial in found.tried if trial.way == found.way and trial.streams > found.count]
    return min(beyond, key=lambda trial: trial.streams, default=None)
