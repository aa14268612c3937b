"""Warm-up, the timed loop, and the blocks of an energy pass. Clocks, synchronisation and the probe are arguments.

Between two reads of the clock there is one call of the network and one synchronisation, nothing else.

Boards that are reached over ssh run this file too, so it is written for Python 3.6 and imports nothing of ours. Garbage
collection is the caller's: samples are taken inside `paused_collector` (`bench/record/garbage.py`).
"""
# ruff: noqa: UP006, UP035 - types as they were

import itertools
import math
import time
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

Clock = Callable[[], float]  # seconds from any origin

# Predictions of a warm-up that are compared, half against half; and how much shorter the newer half may be.
WINDOW = 16
TOLERANCE = 0.02
MAX_PREDICTIONS, MAX_SECONDS = 200, 20.0  # of a warm-up
WARMUP_KEPT = 100
FEWEST = 5  # samples that are taken however late it is
MOST = 2000  # samples, to keep the line of a record short
# Of the time a case may take, when warming up and sampling end at the latest: verification and counting follow.
WARMUP_TIME_SHARE = 0.2
SAMPLING_TIME_SHARE = 0.5
# Time between progress reports to the parent. Long, since the parent takes a core for a moment each time it wakes.
REPORT_EVERY_S = 2.0
_DIGITS = 9  # of seconds: the resolution of the clocks


class Calls(NamedTuple):
    """What is timed: `step` gets the inputs one after the other, and a call is over when `synchronize` returns."""

    step: Callable[[Any], Any]
    inputs: Sequence[Any]
    synchronize: Callable[[], Any]


class Instruments(NamedTuple):
    """What is read around calls: the time, the CPU time of this thread, and the kernel's counters (`probe.py`)."""

    clock: Clock
    cpu_clock: Clock
    probe: Callable[[], Any]  # gives a `Disturbance`


class WarmUpRule(NamedTuple):
    """When warming up ends: the latencies get no shorter, or the limits; those count from the end of the fill.

    A frame network first sees its whole receptive field, by real steps: a prefill would be shorter, but it
    allocates for a whole clip, and the peak resident memory reported is to be that of stepping.
    """

    fill: int = 0  # predictions at least
    until: float = math.inf  # by the clock; amid the fill too
    window: int = WINDOW
    max_predictions: int = MAX_PREDICTIONS
    max_seconds: float = MAX_SECONDS  # but never before there are `window` values


class WarmUp(NamedTuple):
    """What the warm-up took; `stable` is False where it ended by its limits."""

    latency_s: Tuple[float, ...]
    seconds: float
    stable: bool


class SamplingRule(NamedTuple):
    """How many samples are taken: `runs`, and more of them, up to `MOST`, until `min_s` has passed. From `until` on,
    by the clock, no call is begun but the first `FEWEST`."""

    runs: int
    min_s: float = 0.0
    until: float = math.inf


class Sampling(NamedTuple):
    """The timed series, one entry a sample; when they began and ended by the clock; and the CPU time the sampling code
    itself used between the samples."""

    latency_s: List[float]
    involuntary_switches: List[int]
    steal_s: List[float]
    waited_s: List[float]
    begin_s: float
    end_s: float
    own_cpu_s: float

    @property
    def wall_s(self) -> float:
        return self.end_s - self.begin_s


def warm_up(calls: Calls, clock: Clock, rule: WarmUpRule) -> WarmUp:
    """Call at least `rule.fill` times, and until it is stable or the limits are reached."""
    latencies: List[float] = []
    begin = filled = end = clock()
    for x in itertools.cycle(calls.inputs):
        start = clock()
        calls.step(x)
        calls.synchronize()
        end = clock()
        latencies.append(end - start)
        extra = len(latencies) - rule.fill
        if extra < 0:
            if end >= rule.until:
                break
            continue
        if extra == 0:
            filled = end
        if is_stable(latencies, rule.window):
            return WarmUp(tuple(latencies), end - begin, True)
        late = end - filled >= rule.max_seconds and len(latencies) >= rule.window
        if late or end >= rule.until or extra >= rule.max_predictions:
            break
    return WarmUp(tuple(latencies), end - begin, False)


def is_stable(latencies: Sequence[float], window: int = WINDOW, tolerance: float = TOLERANCE) -> bool:
    """Whether the newer half of the last `window` values is not shorter than the half before by more than `tolerance`,
    by their medians; False for fewer values. Only one direction counts: what becomes slower is warm."""
    if len(latencies) < window:
        return False
    half = window // 2
    return median(latencies[-half:]) >= (1 - tolerance) * median(latencies[-window:-half])


def median(values: Sequence[float]) -> float:
    """The median. ValueError if there are none."""
    if not values:
        raise ValueError("the median of no values is not defined")
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def sample(
    calls: Calls,
    instruments: Instruments,
    rule: SamplingRule,
    on_sample: Callable[[int], Any] = lambda done: None,
    hand_over: Callable[[], bool] = lambda: False,
) -> Sampling:
    """Time calls one after the other, as many as the rule says.

    The probe is read once between every two samples, so that no disturbance is missed.
    `hand_over` is called after each sample; it may wait, and returns whether it did.
    `own_cpu_s` is what the thread's CPU clock advanced outside the timed calls.
    """
    (step, inputs, synchronize), (clock, cpu_clock, probe) = calls, instruments
    latency_s: List[float] = []
    switches: List[int] = []
    steal_s: List[float] = []
    waited_s: List[float] = []
    own_cpu_s = 0.0
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
        latency_s.append(round(end - start, _DIGITS))
        switches.append(after.involuntary_switches - before.involuntary_switches)
        steal_s.append(after.steal_s - before.steal_s)
        waited_s.append(round(max(0.0, after.waited_s - before.waited_s), _DIGITS))
        before = after
        count = len(latency_s)
        on_sample(count)
        enough = count >= rule.runs and (end - begin >= rule.min_s or count >= MOST)
        if hand_over():  # after the last sample too: the other process must not compute during what follows here
            before = probe()
        if enough or (end >= rule.until and count >= FEWEST):
            break
    own_cpu_s += cpu_clock() - cpu_mark
    return Sampling(latency_s, switches, steal_s, waited_s, begin, clock(), own_cpu_s)


def loop_overhead_s(instruments: Instruments, runs: int = 50) -> float:
    """Seconds the timed loop takes for each sample of a network that does nothing, its probe included."""
    empty = Calls(lambda x: None, (None,), lambda: None)
    return sample(empty, instruments, SamplingRule(runs)).wall_s / runs


def timing_fields(warmed: WarmUp, sampling: Sampling) -> Dict[str, Any]:
    """What a record's `Timing` has of the two."""
    return {
        "warmup_predictions": len(warmed.latency_s),
        "warmup_s": warmed.seconds,
        "warmup_stable": warmed.stable,
        "warmup_latency_s": list(warmed.latency_s[-WARMUP_KEPT:]),
        "samples": {
            "latency_s": sampling.latency_s,
            "involuntary_switches": sampling.involuntary_switches,
            "steal_s": sampling.steal_s,
            "waited_s": sampling.waited_s,
        },
        "sampling_wall_s": sampling.wall_s,
        "harness_cpu_share": sampling.own_cpu_s / sampling.wall_s,
    }


def blocks(
    calls: Calls, count: int, block_s: float, clock: Clock, sleep: Callable[[float], Any] = time.sleep
) -> List[Tuple[float, float, int]]:
    """`count` blocks of calls, with an idle one of the same length before, between and after them: when each began and
    ended, and how many calls were in it."""
    spans = []
    for number in range(2 * count + 1):
        begin, done = clock(), 0
        if number % 2:
            for x in itertools.cycle(calls.inputs):
                calls.step(x)
                calls.synchronize()
                done += 1
                if clock() - begin >= block_s:
                    break
        else:
            sleep(block_s)
        spans.append((begin, clock(), done))
    return spans


def seldom(report: Callable[[int], Any], clock: Clock) -> Callable[[int], None]:
    """The same report of how many samples are taken, passed on every `REPORT_EVERY_S`."""
    last = clock()

    def report_seldom(done: int) -> None:
        nonlocal last
        now = clock()
        if now - last >= REPORT_EVERY_S:
            last = now
            report(done)

    return report_seldom
