"""The calls of a search, replayed before another number of cameras on the virtual clock.

A trial lasts seconds, and a machine may be slow for minutes: whoever looks at a good moment claims too much. So a claim
has to hold for what was seen in the whole search, not only while so many cameras were watched.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from ..record.case import Policy
from ..stats.capacity import BLOCK_S, SHARE, Looks
from .queue import StreamQueues
from .serve import Timeline
from .virtual import simulate_streams

_FAST_PERCENT = 10.0  # of calls: how long they take where nothing disturbs them


class RecordedCalls:
    """How fast a machine was: its calls one after the other, again and again."""

    def __init__(self, calls_s: Sequence[float]) -> None:
        self._ends_s = [0.0, *accumulate(calls_s)]
        self.length_s = self._ends_s[-1]

    def end_s(self, begin_s: float, calls: float = 1.0) -> float:
        """When so many calls' work is done that begins at that moment."""
        loops, at_s = divmod(begin_s, self.length_s)
        more, work = divmod(self._done(at_s) + calls, len(self._ends_s) - 1)
        place = int(work)
        left_s = (work - place) * (self._ends_s[place + 1] - self._ends_s[place])
        return (loops + more) * self.length_s + self._ends_s[place] + left_s

    def _done(self, at_s: float) -> float:
        """Calls that are done by then."""
        place = min(bisect.bisect_right(self._ends_s, at_s), len(self._ends_s) - 1) - 1
        begin_s, end_s = self._ends_s[place : place + 2]
        return place + (at_s - begin_s) / (end_s - begin_s)


@dataclass(frozen=True)
class Schedule:
    """When the frames of each camera are due, and how they wait and are served, however many cameras there are."""

    period_s: float
    deadline_s: float
    queue: int = 1
    policy: Policy = "newest"
    together: bool = False

    def due_s(self, seconds: float) -> list[float]:
        """When the frames of each camera are due."""
        return [number * self.period_s for number in range(math.ceil(seconds / self.period_s - 1e-6))]

    def queues(self, streams: int) -> StreamQueues:
        return StreamQueues(streams, self.queue, self.policy, together=self.together)

    def missed_share(self, streams: int, recorded: RecordedCalls, calls: float, seconds: float) -> float:
        """The share of misses of so many cameras where a call takes the time of so many recorded ones."""
        looks = Looks(streams, self.period_s, self.deadline_s, int(seconds / BLOCK_S))

        def duration_s(begin_s: float, _frames: int) -> float:
            return recorded.end_s(begin_s, calls) - begin_s

        looks.look(simulate_streams(self.due_s(seconds), duration_s, self.queues(streams), streams), math.inf)
        return float(looks.misses.missed.sum() / max(1, looks.misses.due * streams))


@dataclass
class Calls:
    """The calls of a search so far, by how many cameras they were for."""

    schedule: Schedule
    seen: list[tuple[int, list[float]]] = field(default_factory=list)

    def add(self, streams: int, timelines: Sequence[Timeline]) -> None:
        """The calls of one more trial, in their order."""
        ends = {
            started_s: answered_s
            for timeline in timelines
            for started_s, answered_s in zip(timeline.started_s, timeline.answered_s, strict=True)
            if not math.isnan(answered_s)
        }
        self.seen.append((streams, [ends[started_s] - started_s for started_s in sorted(ends)]))

    def why_not(self, streams: int) -> str | None:
        """Why so many cameras are not claimed, however well they were kept up with; None where they are."""
        calls_s = self._as_of(streams)
        seconds = max(BLOCK_S, math.floor(sum(calls_s)))
        if not calls_s:
            return None
        share = self.schedule.missed_share(streams, RecordedCalls(calls_s), 1.0, seconds)
        if share <= SHARE:
            return None
        return f"all calls of the search, replayed with {streams}, miss {100 * share:.2g} %"

    def _as_of(self, streams: int) -> list[float]:
        """All calls, as long as they would be for so many cameras."""
        if not self.schedule.together:
            return [call_s for _, calls_s in self.seen for call_s in calls_s]
        own_s = self._fast_s(streams)
        return [call_s * own_s / self._fast_s(others) for others, calls_s in self.seen for call_s in calls_s]

    def _fast_s(self, streams: int) -> float:
        """How long calls for so many take where nothing disturbs them."""
        calls_s = [call_s for others, own_s in self.seen if others == streams for call_s in own_s]
        return float(np.percentile(calls_s, _FAST_PERCENT))
