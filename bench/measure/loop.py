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

from ..record.record import Samples
from .probe import Disturbance
from .stable import WINDOW, is_stable

_DIGITS = 9  # of seconds: clocks tell no more, and a record is a line that is read again and again

Clock = Callable[[], float]  # seconds from any origin
Probe = Callable[[], Disturbance]
MAX_PREDICTIONS, MAX_SECONDS = 200, 20.0  # of a warm-up
FEWEST = 5  # samples that are taken however late it is
MOST = 2000  # however short a call is: a record is a line that is read again and again


@dataclass(frozen=True)
class WarmUpRule:
    """When warming up ends: the latencies get no shorter (`stable.py`), or the limits.

    A frame network first sees its whole receptive field, by real steps: a prefill would be shorter, but it
    allocates for a whole clip, and the peak resident memory reported is to be that of stepping.
    """

    window: int = WINDOW
    max_predictions: int = MAX_PREDICTIONS
    max_seconds: float = MAX_SECONDS  # but never before there are `window` values


@dataclass(frozen=True)
class WarmUp:
    """What the warm-up took; `stable` is False where it ended by its limits."""

    latency_s: tuple[float, ...]
    seconds: float
    stable: bool


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
    """Call `step` at least `fill` times and until it is stable; the rule's limits apply to what follows the fill.

    When the clock reaches `until` it ends in any case, and where that is amid the fill it was not stable.
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
        if is_stable(latencies, rule.window):
            return WarmUp(tuple(latencies), end - begin, True)
        late = end - filled >= rule.max_seconds and len(latencies) >= rule.window
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
    min_s: float = 0.0,
    until: float = math.inf,
    on_sample: Callable[[int], None] = lambda done: None,
    hand_over: Callable[[], bool] = lambda: False,
) -> Sampling:
    """Time `runs` calls, one after the other, inputs in turn; more of them, up to `MOST`, until `min_s` has passed.
    From `until` on, by the clock, no call is begun but the first `FEWEST`.

    The probe is read once at each border between samples, so that nothing falls between two samples unseen.
    `hand_over` is called after each sample; it may wait, and says whether it did.
    `own_cpu_s` is what `cpu_clock` (of this thread) advanced outside the timed calls.
    """
    taken = Samples(latency_s=[], involuntary_switches=[], steal_s=[], waited_s=[])
    own_cpu_s = 0.0
    with _no_garbage_collection():
        begin = clock()
        cpu_mark = cpu_clock()
        before = probe()
        for x in itertools.cycle(inputs):
            own_cpu_s += cpu_clock() - cpu_mark
            start = clock()
            step(x)
            synchronize()
            end = clock()
            cpu_mark = cpu_clock()
            after = probe()
            taken.latency_s.append(round(end - start, _DIGITS))
            taken.involuntary_switches.append(after.involuntary_switches - before.involuntary_switches)
            taken.steal_s.append(after.steal_s - before.steal_s)
            taken.waited_s.append(round(max(0.0, after.waited_s - before.waited_s), _DIGITS))
            before = after
            count = len(taken)
            on_sample(count)
            enough = count >= runs and (end - begin >= min_s or count >= MOST)
            if hand_over():  # behind the last sample too: the other one is not to compute beside what follows here
                before = probe()
            if enough or (end >= until and count >= FEWEST):
                break
        own_cpu_s += cpu_clock() - cpu_mark
        wall_s = clock() - begin
    return Sampling(taken, wall_s, own_cpu_s)


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
