"""Statistics of a series of latencies: pure functions of numbers, no torch, nothing stored.

What each figure means, and does not mean, is in METHODOLOGY.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .record import Record, Samples

# Fewest samples from which a percentile may be claimed (MLPerf's early-stopping bound at 99 % confidence).
SAMPLES_FOR_PERCENTILE = {50: 11, 90: 64, 95: 130, 99: 662}

# Beyond these a series is called noisy. They are about the machine, not about the network.
MAX_RELATIVE_MAD = 0.05
MAX_DRIFT = 0.05
MAX_DISTURBED_SHARE = 0.25
MAX_SKEW = 0.05

# A sample counts as disturbed beyond these. A quiet Linux machine takes a busy thread off its core about a hundred
# times a second (timer, kernel threads), so the usual count of a series says nothing; what stands out of it does.
USUAL_SWITCHES_FACTOR = 2
USUAL_SWITCHES_EXTRA = 3
MAX_STEAL_SHARE = 0.05
# Of the sample's time. Where other work takes a core all along, switches are as rare as usual, but one thread waits
# for its core while the others wait for that thread.
MAX_WAITED_SHARE = 0.2


def median(values: Sequence[float]) -> float:
    """The middle value; of an even count the mean of the two middle ones. ValueError if there are none."""
    if not values:
        raise ValueError("the median of no values is not defined")
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


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
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1))


def throughput(samples: Samples, batch: int) -> float:
    """Predictions per second = predictions / total time. Never the mean of reciprocals: it flatters noise."""
    return batch * len(samples) / math.fsum(samples.latency_s)


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The nearest-rank percentile, or None where there are too few samples to claim it."""
    if len(values) < SAMPLES_FOR_PERCENTILE[percent]:
        return None
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def disturbed(samples: Samples) -> list[bool]:
    """Which samples were interrupted: far more involuntary context switches than is usual in the series, more than
    a twentieth of the time stolen by the hypervisor, or a fifth of it spent waiting for a core."""
    nothing = [0] * len(samples)
    switches = samples.involuntary_switches or nothing
    steal = samples.steal_s or nothing
    waited = samples.waited_s or nothing
    limit = USUAL_SWITCHES_FACTOR * median(switches) + USUAL_SWITCHES_EXTRA if switches else 0
    return [
        count > limit or stolen > MAX_STEAL_SHARE * latency or wait > MAX_WAITED_SHARE * latency
        for count, stolen, wait, latency in zip(switches, steal, waited, samples.latency_s, strict=True)
    ]


def drift(values: Sequence[float]) -> float:
    """Relative change of the median from the first half of the series to the second; 0 for fewer than 8."""
    if len(values) < 8:
        return 0.0
    half = len(values) // 2
    return median(values[half:]) / median(values[:half]) - 1


@dataclass(frozen=True)
class Summary:
    """A latency series in a few numbers; times in seconds, throughput in predictions per second."""

    count: int
    mean_s: float
    std_s: float
    median_s: float
    mad_s: float
    min_s: float
    max_s: float
    p90_s: float | None
    p95_s: float | None
    p99_s: float | None
    throughput: float
    throughput_std: float
    disturbed_share: float
    drift: float


def summarise(samples: Samples, batch: int) -> Summary:
    """Every derived figure of a series at once."""
    values = samples.latency_s
    rate = throughput(samples, batch)
    return Summary(
        count=len(values),
        mean_s=mean(values),
        std_s=standard_deviation(values),
        median_s=median(values),
        mad_s=median_absolute_deviation(values),
        min_s=min(values),
        max_s=max(values),
        p90_s=percentile(values, 90),
        p95_s=percentile(values, 95),
        p99_s=percentile(values, 99),
        throughput=rate,
        # First-order propagation: the spread of a rate around predictions / total time.
        throughput_std=rate * standard_deviation(values) / mean(values),
        disturbed_share=sum(disturbed(samples)) / len(values),
        drift=drift(values),
    )


def doubts(record: Record) -> tuple[str, ...]:
    """Why a reader should not take this record's speed at face value, in words; empty if nothing speaks against it."""
    if record.error is not None:
        return (f"failed ({record.error.kind}): {record.error.message}",)
    if record.timing is None:
        return ("not timed",)
    summary = summarise(record.timing.samples, record.case.batch)
    found = []
    if summary.count < SAMPLES_FOR_PERCENTILE[90]:
        found.append(f"few samples: {summary.count}, below the {SAMPLES_FOR_PERCENTILE[90]} a p90 needs")
    if summary.mad_s > MAX_RELATIVE_MAD * summary.median_s:
        found.append(f"noisy: the typical sample is {summary.mad_s / summary.median_s:.0%} off the median")
    if summary.mean_s > (1 + MAX_SKEW) * summary.median_s:
        found.append(
            f"noisy: a few slow samples, up to {summary.max_s / summary.median_s:.1f} times the median, "
            f"make the mean {summary.mean_s / summary.median_s - 1:.0%} longer than it"
        )
    if abs(summary.drift) > MAX_DRIFT:
        found.append(
            f"noisy: the second half is {abs(summary.drift):.0%} {'slower' if summary.drift > 0 else 'faster'}"
        )
    if summary.disturbed_share > MAX_DISTURBED_SHARE:
        found.append(f"noisy: {summary.disturbed_share:.0%} of the samples were interrupted by other work")
    if record.timing.warmup_steady is False:
        found.append("noisy: the latency was not steady when the warm-up reached its limit")
    return tuple(found)
