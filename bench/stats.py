"""Statistics of a series of latencies: pure functions of numbers, no torch, nothing stored.

What each figure means, and does not mean, is in METHODOLOGY.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Literal

from . import resample
from .memo import as_long_as_it_lives, newest
from .record import Record, Samples, Timing
from .resample import median_precision as median_precision
from .steady import Change, SteadyRule, largest_change
from .steady import median as median
from .throttle import throttled

# Fewest samples from which a percentile may be claimed (MLPerf's early-stopping bound at 99 % confidence).
SAMPLES_FOR_PERCENTILE = {50: 11, 90: 64, 95: 130, 99: 662}

# Beyond these a series is called noisy. They are about the machine, not about the network.
MAX_RELATIVE_MAD = 0.05
MAX_SKEW = 0.05
# A change point within the clean samples that is larger than this, and stands out of their scatter, is a drift.
DRIFT = SteadyRule(window=16, shortest=8, tolerance=0.03)
# Clean samples are to be most of all, and so many that their median can be had to a few per cent.
MIN_CLEAN_SHARE = 0.5
MIN_CLEAN = 20
# Figures are theirs even where they are fewer, for they say more than all together; but not of a lucky few.
LEAST_CLEAN_SHARE = 0.2
# Of the time that was asked for (`min_s`), the clean samples are to fill this share: machines change slowly, too.
MIN_CLEAN_TIME = 1 / 3
# How well the middle of a case's fresh processes has to be known: half its 95 % interval by ranks, as a share of it.
MAX_KNOWN_TO = 0.025
# Cores that other processes kept busy: so many, on large machines this share of those we may use.
MAX_OTHERS = 0.1
MAX_OTHERS_SHARE = 0.05

# How far from usual the machine's own pace may be over all clean samples, as a factor: beyond the first figures are as
# measured; within it they are corrected, a better guess than none, but a record is steady only within the second;
# where nothing is corrected, within the third. What is left of both is in METHODOLOGY.md, "Before anything is timed".
MAX_PACE_CORRECTED = 2.0
MAX_PACE_STEADY = 1.1
MAX_PACE_AS_IT_IS = 1.03
TOLD_PACE = 0.01  # a smaller correction is not worth a line

disturbed = newest(resample.disturbed)


def median_absolute_deviation(values: Sequence[float]) -> float:
    """Median distance from the median: a spread that a few slow samples cannot inflate."""
    middle = median(values)
    return median([abs(value - middle) for value in values])


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean; ValueError if there are no values."""
    if not values:
        raise ValueError("the mean of no values is not defined")
    return math.fsum(values) / len(values)


def standard_deviation(values: Sequence[float]) -> float:
    """Sample standard deviation (n - 1); 0 for a single value."""
    middle = mean(values)
    if len(values) == 1:
        return 0.0
    return math.sqrt(math.fsum([(value - middle) ** 2 for value in values]) / (len(values) - 1))


def throughput(samples: Samples, batch: int) -> float:
    """Predictions per second = predictions / total time. Never the mean of reciprocals: it flatters noise."""
    return batch * len(samples) / math.fsum(samples.latency_s)


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The nearest-rank percentile, or None where there are too few samples to claim it."""
    if len(values) < SAMPLES_FOR_PERCENTILE[percent]:
        return None
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def _clean(samples: Samples) -> list[bool]:
    """Which samples count: those that nothing disturbed; all of them where those are too few."""
    hits = disturbed(samples)
    few = max(min(MIN_CLEAN, len(hits) / 2), LEAST_CLEAN_SHARE * len(hits))
    return [not hit for hit in hits] if len(hits) - sum(hits) >= few else [True] * len(hits)


@newest
def clean(samples: Samples) -> list[float]:
    """The latencies of the samples that nothing disturbed, as measured; all of them where those are too few."""
    return list(compress(samples.latency_s, _clean(samples)))


def pace_s(samples: Samples) -> float | None:
    """Seconds that the machine's fixed piece of work took beside the samples that count; None where it was not done."""
    return median(list(compress(samples.pace_s, _clean(samples)))) if samples.pace_s else None


def pace_off(samples: Samples) -> float | None:
    """How much slower the machine was than it usually is, over the clean samples; 0.05 is 5 %, None if not known."""
    found, usual_s = pace_s(samples), samples.usual_pace_s
    return found / usual_s - 1 if found and usual_s else None


@as_long_as_it_lives
def pace_factor(samples: Samples) -> float:
    """Times the clean latencies what they would be at the machine's usual pace; 1 where that is not known, or too far
    off to tell.

    Only the time in which the process computed follows the pace (`Samples.cpu_share`): what waits takes as long on a
    faster machine.
    """
    found = _corrected(samples)
    if found is None:
        return 1.0
    share, off = found
    return 1 - share * off / (1 + off)


def _corrected(samples: Samples) -> tuple[float, float] | None:
    """The share of the calls that follows the pace, and how far that is off; None where nothing is corrected."""
    off = pace_off(samples)
    if off is None or samples.cpu_share is None or _far(off, MAX_PACE_CORRECTED):
        return None
    return samples.cpu_share, off


def _follows_pace(samples: Samples, change: Change) -> bool:
    """Whether a change of level among the clean samples is the machine's, as far as its pace tells, where figures are
    corrected for that."""
    found = _corrected(samples)
    if found is None:
        return False
    paces = list(compress(samples.pace_s, _clean(samples)))
    machine = found[0] * (median(paces[change.place :]) / median(paces[: change.place]) - 1)
    return abs((1 + change.relative) / (1 + machine) - 1) <= DRIFT.tolerance


def _far(off: float, factor: float) -> bool:
    return abs(math.log1p(off)) > math.log(factor)


@newest
def at_usual_pace(samples: Samples) -> list[float]:
    """The clean latencies at the machine's usual pace: what every figure of a record is made of."""
    factor, found = pace_factor(samples), clean(samples)
    return found if factor == 1.0 else [factor * latency for latency in found]


def drift(values: Sequence[float]) -> Change | None:
    """Where and by how much the level of a series changed, if it did; None for fewer than 16 values."""
    if len(values) < DRIFT.window:
        return None
    shortest = max(DRIFT.shortest, len(values) // 10)
    # The median of so many of the values lies between these two, so that most series need no looking for a split.
    ordered = sorted(values)
    low, high = ordered[(shortest - 1) // 2], ordered[-((shortest + 1) // 2)]
    if high <= low * (1 + DRIFT.tolerance) and low <= high * (1 + DRIFT.tolerance):
        return None
    change = largest_change(values, shortest, DRIFT.tolerance)
    return change if abs(change.relative) > DRIFT.tolerance and abs(change.errors) > DRIFT.errors else None


class Summary:
    """A latency series in a few numbers; times in seconds, throughput in predictions per second.

    All but `count` and what begins with `all_` is of the clean samples (`clean`), times
    `pace_factor`; what begins with `all_` is as measured. Each figure is derived when it is first asked for: of a
    hundred thousand records most are asked for two or three.
    """

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    @property
    def count(self) -> int:
        return len(self._samples)

    @cached_property
    def clean_count(self) -> int:
        return self.count - sum(disturbed(self._samples))

    @cached_property
    def _values(self) -> list[float]:
        """Sorted once: what sorts them again finds nothing to do."""
        return sorted(at_usual_pace(self._samples))

    @cached_property
    def mean_s(self) -> float:
        return mean(self._values)

    @cached_property
    def std_s(self) -> float:
        return standard_deviation(self._values)

    @cached_property
    def median_s(self) -> float:
        return median(self._values)

    @cached_property
    def mad_s(self) -> float:
        return median_absolute_deviation(self._values)

    @property
    def min_s(self) -> float:
        return self._values[0]

    @property
    def max_s(self) -> float:
        return self._values[-1]

    @property
    def p90_s(self) -> float | None:
        return percentile(self._values, 90)

    @property
    def p95_s(self) -> float | None:
        return percentile(self._values, 95)

    @property
    def p99_s(self) -> float | None:
        return percentile(self._values, 99)

    def throughput(self, batch: int) -> float:
        return batch / self.mean_s

    def throughput_std(self, batch: int) -> float:
        """First-order propagation: the spread of a rate around predictions / total time."""
        return self.throughput(batch) * self.std_s / self.mean_s

    @cached_property
    def pace_off(self) -> float | None:
        return pace_off(self._samples)

    @property
    def pace_factor(self) -> float:
        return pace_factor(self._samples)

    @cached_property
    def drift(self) -> Change | None:
        """A change of level that the machine's pace does not explain."""
        change = drift(at_usual_pace(self._samples))
        return None if change is None or _follows_pace(self._samples, change) else change

    @cached_property
    def all_median_s(self) -> float:
        return median(self._samples.latency_s)

    def all_throughput(self, batch: int) -> float:
        return throughput(self._samples, batch)

    @property
    def all_max_s(self) -> float:
        return max(self._samples.latency_s)


@as_long_as_it_lives
def median_latency_s(samples: Samples) -> float:
    """The one figure of a series: the median of its clean samples, at the machine's usual pace."""
    return summarise(samples).median_s


@newest
def summarise(samples: Samples) -> Summary:
    """Every derived figure of a series."""
    return Summary(samples)


@dataclass(frozen=True)
class Verdict:
    """What a record says of its own speed, from its own evidence."""

    kind: Literal["steady", "noisy", "throttled", "failed", "untimed"]
    reasons: tuple[str, ...] = ()


@as_long_as_it_lives
def verdict(record: Record) -> Verdict:
    """Whether this record's speed may be taken at face value, and if not, why not, in words."""
    if record.error is not None:
        return Verdict("failed", (f"failed ({record.error.kind}): {record.error.message}",))
    if record.timing is None:
        return Verdict("untimed", ("not timed",))
    timing = record.timing
    summary = summarise(timing.samples)
    cores = len(record.environment.process.affinity) if record.environment else 1
    reasons = (*_noise(timing, summary, cores, record.settings.min_s), *_scattered(record.known_to))
    if why := throttled(record):
        return Verdict("throttled", (f"throttled: {why}", *reasons))
    return Verdict("noisy" if reasons else "steady", reasons)


def _noise(timing: Timing, summary: Summary, cores: int, asked_s: float) -> Iterator[str]:
    """Each reason to call a series noisy that was to last so long, on a machine of which it may use so many cores."""
    others = max(timing.others_before or 0.0, timing.others_meanwhile or 0.0)
    if others > max(MAX_OTHERS, MAX_OTHERS_SHARE * cores):
        kept = f"{others:.2g}"
        yield f"noisy: other processes kept {kept} core{'' if kept == '1' else 's'} busy"
    allowed = MAX_PACE_AS_IT_IS if timing.samples.cpu_share is None else MAX_PACE_STEADY
    if summary.pace_off is not None and _far(summary.pace_off, allowed):
        yield f"noisy: the machine itself was {_off(summary.pace_off)} than it usually is"
    if summary.clean_count < max(min(MIN_CLEAN, summary.count), MIN_CLEAN_SHARE * summary.count):
        hits = summary.count - summary.clean_count
        yield f"noisy: {hits} of {summary.count} samples were disturbed by other work or a machine off its pace"
    elif (clean_s := summary.mean_s * summary.clean_count) < MIN_CLEAN_TIME * asked_s:
        yield f"noisy: the clean samples last {clean_s:.2g} s together, of {asked_s:g} s asked for"
    if timing.warmup_steady is False:
        yield "noisy: the latency was not steady when the warm-up reached its limit"
    if summary.mad_s > MAX_RELATIVE_MAD * summary.median_s:
        yield f"noisy: the typical sample is {summary.mad_s / summary.median_s:.0%} off the median"
    if summary.mean_s > (1 + MAX_SKEW) * summary.median_s:
        yield (
            f"noisy: a few slow samples, up to {summary.max_s / summary.median_s:.1f} times the median, "
            f"make the mean {summary.mean_s / summary.median_s - 1:.0%} longer than it"
        )
    if summary.drift is not None:
        yield f"noisy: from sample {summary.drift.place + 1} on it is {_off(summary.drift.relative)}"


def _scattered(known_to: float | None) -> Iterator[str]:
    """The reason against a record that stands for several, whatever it says of itself."""
    if known_to is not None and known_to > MAX_KNOWN_TO:
        yield f"noisy: the middle of its fresh processes is known to ±{known_to:.1%} only"


def _off(relative: float) -> str:
    """How much slower (more than 0) or faster something is, in words: in per cent, and in times where it is many."""
    if relative >= 9:
        return f"{relative:.0f} times slower"
    return f"{abs(relative):.0%} {'slower' if relative > 0 else 'faster'}"


def pace_remark(samples: Samples) -> str | None:
    """What was done to the figures for the machine's pace, in words; None where it is less than a hundredth."""
    factor, off = pace_factor(samples), pace_off(samples)
    if off is None or abs(factor - 1) < TOLD_PACE:
        return None
    return (
        f"figures are for the usual pace of this machine, which was {_off(off)} meanwhile "
        f"(median as measured: {1e3 * median(clean(samples)):.4g} ms)"
    )


def doubts(record: Record) -> tuple[str, ...]:
    """Why a reader should not take this record's speed at face value, in words; empty if nothing speaks against it."""
    reasons = verdict(record).reasons
    if record.timing is None or not record.ok:
        return reasons
    count, asked = len(record.timing.samples), record.settings.runs
    if count < asked:
        return (f"few samples: {count} of {asked} in half of the time a case may take", *reasons)
    if count < SAMPLES_FOR_PERCENTILE[90]:
        return (f"few samples: {count}, below the {SAMPLES_FOR_PERCENTILE[90]} a p90 needs", *reasons)
    return reasons
