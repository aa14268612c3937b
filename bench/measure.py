"""Warm-up and the timed loop. Clock, synchronisation and the disturbance probe are arguments.

Between two reads of the clock there is one call of the network and one synchronisation, nothing else.
"""

from __future__ import annotations

import gc
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .probe import Disturbance
from .record import Samples
from .steady import STEADY, SteadyRule, is_steady

PACE_EVERY_S = 0.15
# After a reading come samples for so many times as long as it took, on a slow machine more than the time above.
PACE_RESTS = 5
_DIGITS = 9  # of seconds: clocks tell no more, and a record is a line that is read again and again

Clock = Callable[[], float]  # seconds from any origin
Probe = Callable[[], Disturbance]
FEWEST = 5  # samples that are taken however late it is
Further = Callable[[Samples, float], int]  # the samples so far and what they took in seconds -> how many more


@dataclass(frozen=True)
class WarmUpRule:
    """When warming up ends: the latencies are one level (`steady.py`), or the limits.

    A frame network first sees its whole receptive field, by real steps: a prefill would be shorter, but it
    allocates for a whole clip, and the peak resident memory reported is to be that of stepping.
    """

    steady: SteadyRule = STEADY
    max_predictions: int = 200
    max_seconds: float = 20.0  # but never before `steady` has the values it looks at


@dataclass(frozen=True)
class WarmUp:
    """What the warm-up took; `steady` is False where it ended by its limits."""

    latency_s: tuple[float, ...]
    seconds: float
    steady: bool


@dataclass(frozen=True)
class Sampling:
    """The timed series, its wall time, and the CPU time the sampling code itself used between the samples."""

    samples: Samples
    wall_s: float
    own_cpu_s: float


def warm_up(
    step: Callable[[Any], Any],
    inputs: Sequence[Any],
    *,
    fill: int = 0,
    clock: Clock,
    synchronize: Callable[[], None],
    rule: WarmUpRule = WarmUpRule(),
    until: float = math.inf,
) -> WarmUp:
    """Call `step` at least `fill` times and until it is steady; the rule's limits apply to what follows the fill.

    When the clock reaches `until` it ends in any case, and where that is amid the fill it was not steady.
    """
    latencies: list[float] = []
    begin = filled = end = clock()
    for x in itertools.cycle(inputs):
        start = clock()
        step(x)
        synchronize()
        end = clock()
        latencies.append(end - start)
        extra = len(latencies) - fill
        if extra < 0:
            if end >= until:
                break
            continue
        if extra == 0:
            filled = end
        if is_steady(latencies, rule.steady):
            return WarmUp(tuple(latencies), end - begin, True)
        late = end - filled >= rule.max_seconds and len(latencies) >= rule.steady.window
        if late or end >= until or extra >= rule.max_predictions:
            break
    return WarmUp(tuple(latencies), end - begin, False)


def sample(
    step: Callable[[Any], Any],
    inputs: Sequence[Any],
    runs: int,
    *,
    clock: Clock,
    cpu_clock: Clock,
    synchronize: Callable[[], None],
    probe: Probe,
    pace: Callable[[], float] | None = None,
    usual_pace_s: float | None = None,
    pace_every_s: float = PACE_EVERY_S,
    work_clock: Clock | None = None,
    further: Further = lambda samples, spent_s: 0,
    until: float = math.inf,
    on_sample: Callable[[int], None] = lambda done: None,
    hand_over: Callable[[], bool] = lambda: False,
) -> Sampling:
    """Time `runs` calls, one after the other, inputs in turn, and as many more as `further` asks for, until it asks
    for none. From `until` on, by the clock, no call is begun but the first `FEWEST`.

    The probe is read once at each border between samples, so that nothing falls between two samples unseen. `pace`
    is read before the first sample, after the last one, and at the first border after `pace_every_s` seconds, but no
    sooner than `PACE_RESTS` times as long as the last reading took.
    `work_clock` is the CPU time of what computes; what it advances in the timed calls gives `Samples.cpu_share`.
    `hand_over` is called after each sample; it may wait, and says whether it did.
    `own_cpu_s` is what `cpu_clock` (of this thread) advanced outside the timed calls.
    """
    taken = Samples(
        latency_s=[], involuntary_switches=[], steal_s=[], waited_s=[], pace_s=[], usual_pace_s=usual_pace_s
    )
    between = _Between(pace, pace_every_s, clock)
    endless = itertools.cycle(inputs)
    own_cpu_s = worked_s = 0.0
    with _no_garbage_collection():
        begin = clock()
        cpu_mark = cpu_clock()

        between.read(taken)
        wanted = runs
        while wanted > 0:
            before = probe()
            for x in itertools.islice(endless, wanted):
                own_cpu_s += cpu_clock() - cpu_mark
                work_mark = work_clock() if work_clock else 0.0
                start = clock()
                step(x)
                synchronize()
                end = clock()
                worked_s += work_clock() - work_mark if work_clock else 0.0
                cpu_mark = cpu_clock()
                after = probe()
                taken.latency_s.append(round(end - start, _DIGITS))
                taken.involuntary_switches.append(after.involuntary_switches - before.involuntary_switches)
                taken.steal_s.append(after.steal_s - before.steal_s)
                taken.waited_s.append(round(max(0.0, after.waited_s - before.waited_s), _DIGITS))
                before = after
                on_sample(len(taken))
                if end >= until and len(taken) >= FEWEST:
                    break
                if between.due:
                    between.read(taken)
                    before = probe()
                if hand_over():
                    before = probe()
            if len(taken.pace_s) < len(taken):
                between.read(taken)
            wanted = further(taken, clock() - begin) if clock() < until else 0
        own_cpu_s += cpu_clock() - cpu_mark
        wall_s = clock() - begin
    if work_clock and len(taken):
        taken = taken.model_copy(update={"cpu_share": min(1.0, worked_s / math.fsum(taken.latency_s))})
    return Sampling(taken, wall_s, own_cpu_s)


@dataclass
class _Between:
    """The pace of the machine, read at borders between samples; nothing where there is none to read."""

    pace: Callable[[], float] | None
    every_s: float
    clock: Clock
    newest_s: float = 0.0
    next_at_s: float = 0.0

    def read(self, taken: Samples) -> None:
        """What came since the last reading has the slower of the two."""
        if self.pace is None:
            return
        begun_s = self.clock()
        before, self.newest_s = self.newest_s, round(self.pace(), _DIGITS)
        taken.pace_s.extend([max(before, self.newest_s)] * (len(taken) - len(taken.pace_s)))
        end_s = self.clock()
        self.next_at_s = end_s + max(self.every_s, PACE_RESTS * (end_s - begun_s))

    @property
    def due(self) -> bool:
        return self.pace is not None and self.clock() >= self.next_at_s


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Python's cycle collector would run in the middle of some samples; the network leaves no cycles."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
