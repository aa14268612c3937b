"""Warm-up and the timed loop. Clock, synchronisation and the disturbance probe are arguments.

Between two reads of the clock there is one call of the network and one synchronisation, nothing else.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .probe import Disturbance
from .record import Samples
from .stats import median

Clock = Callable[[], float]  # seconds from any origin
Probe = Callable[[], Disturbance]


@dataclass(frozen=True)
class WarmUpRule:
    """When warming up ends: two windows in a row with medians this near, or the limits.

    A frame network first sees its whole receptive field, by real steps: a prefill would be shorter, but it
    allocates for a whole clip, and the peak resident memory reported is to be that of stepping.
    """

    window: int = 5
    tolerance: float = 0.05
    max_predictions: int = 100
    max_seconds: float = 20.0


@dataclass(frozen=True)
class WarmUp:
    """What the warm-up took; `steady` is False where it ended by its limits."""

    predictions: int
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
) -> WarmUp:
    """Call `step` at least `fill` times and until it is steady; the rule's limits apply to what follows the fill."""
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
            continue
        if extra == 0:
            filled = end
        if is_steady(latencies, rule):
            return WarmUp(len(latencies), end - begin, True)
        if extra >= rule.max_predictions or end - filled >= rule.max_seconds:
            break
    return WarmUp(len(latencies), end - begin, False)


def is_steady(latencies: Sequence[float], rule: WarmUpRule) -> bool:
    """Whether the medians of the last two windows agree."""
    if len(latencies) < 2 * rule.window:
        return False
    before = median(latencies[-2 * rule.window : -rule.window])
    after = median(latencies[-rule.window :])
    return abs(after - before) <= rule.tolerance * before


def sample(
    step: Callable[[Any], Any],
    inputs: Sequence[Any],
    runs: int,
    *,
    clock: Clock,
    cpu_clock: Clock,
    synchronize: Callable[[], None],
    probe: Probe,
    on_sample: Callable[[int], None] = lambda done: None,
) -> Sampling:
    """Time `runs` calls, one after the other, inputs in turn.

    The probe is read once at each border between samples, so that nothing falls between two samples unseen.
    `own_cpu_s` is what `cpu_clock` (of this thread) advanced outside the timed calls.
    """
    latencies: list[float] = []
    switches: list[int] = []
    steal: list[float] = []
    waited: list[float] = []
    own_cpu_s = 0.0
    with _no_garbage_collection():
        begin = clock()
        cpu_mark = cpu_clock()
        before = probe()
        for done, x in enumerate(itertools.islice(itertools.cycle(inputs), runs), start=1):
            own_cpu_s += cpu_clock() - cpu_mark
            start = clock()
            step(x)
            synchronize()
            end = clock()
            cpu_mark = cpu_clock()
            after = probe()
            latencies.append(end - start)
            switches.append(after.involuntary_switches - before.involuntary_switches)
            steal.append(after.steal_s - before.steal_s)
            waited.append(max(0.0, after.waited_s - before.waited_s))
            before = after
            on_sample(done)
        own_cpu_s += cpu_clock() - cpu_mark
        wall_s = clock() - begin
    samples = Samples(latency_s=latencies, involuntary_switches=switches, steal_s=steal, waited_s=waited)
    return Sampling(samples, wall_s, own_cpu_s)


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
