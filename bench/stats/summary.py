"""Statistics of a series of latencies, and the warnings of one record. Pure.

METHODOLOGY.md explains each figure. The figures of a case are in `case_result.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from statistics import fmean, median

from ..record.record import Record, Samples
from .throttling import throttle_signs

# Fewest samples from which a percentile may be claimed (MLPerf's early-stopping bound at 99 % confidence).
SAMPLES_FOR_PERCENTILE = {50: 11, 90: 64, 95: 130, 99: 662}

# Background load above this share of the usable cores is a warning: a tenth of a core of two. Any process that shares a
# core with the network takes more; an idle system takes less.
MAX_BACKGROUND_SHARE = 0.05


def median_absolute_deviation(values: Sequence[float]) -> float:
    """Median distance from the median: a few slow samples do not inflate it."""
    middle = median(values)
    return median([abs(value - middle) for value in values])


def standard_deviation(values: Sequence[float]) -> float | None:
    """Sample standard deviation (n - 1); None for a single value, of whose spread nothing is known."""
    if len(values) == 1:
        return None
    middle = fmean(values)
    return math.sqrt(math.fsum([(value - middle) ** 2 for value in values]) / (len(values) - 1))


def throughput(samples: Samples, batch: int) -> float:
    """Predictions per second = predictions / total time. Never the mean of reciprocals: noise raises it."""
    return batch * len(samples) / math.fsum(samples.latency_s)


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The nearest-rank percentile, or None where there are too few samples to claim it."""
    if len(values) < SAMPLES_FOR_PERCENTILE[percent]:
        return None
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


class Summary:
    """A series of latencies in a few numbers: all of its samples, none left out. Seconds; predictions per second.

    Figures are computed on first use: most readers need two or three, of many records.
    """

    def __init__(self, latency_s: Sequence[float]) -> None:
        self._values = sorted(latency_s)  # once: sorting them again is cheap

    @property
    def count(self) -> int:
        return len(self._values)

    @cached_property
    def mean_s(self) -> float:
        return fmean(self._values)

    @cached_property
    def std_s(self) -> float | None:
        return standard_deviation(self._values)

    @property
    def min_s(self) -> float:
        return self._values[0]

    @property
    def max_s(self) -> float:
        return self._values[-1]

    @property
    def p90_s(self) -> float | None:
        return percentile(self._values, 90)

    def throughput_std(self, batch: int) -> float | None:
        """First-order propagation: the spread of a rate around predictions / total time; None of a single one."""
        return None if self.std_s is None else batch / self.mean_s * self.std_s / self.mean_s


def throttled(record: Record) -> str | None:
    """The signs that the device throttled during the samples; None where there are none or nothing was read."""
    return "; ".join(throttle_signs(record.sensors)) or None


def background_load(record: Record) -> float | None:
    """Cores that other processes kept busy just before or during the samples; None where this was not measured."""
    if record.timing is None:
        return None
    known = [load for load in (record.timing.background_load_before, record.timing.background_load) if load is not None]
    return max(known, default=None)


def is_loaded(record: Record) -> bool:
    """Whether the background load is high enough to change the figures of this process."""
    load = background_load(record)
    cores = len(record.environment.process.affinity) if record.environment else 1
    return load is not None and load > MAX_BACKGROUND_SHARE * cores


def warnings(record: Record) -> tuple[str, ...]:
    """The warnings about the speed of this process, as text."""
    if not record.ok or record.timing is None:
        return ()
    found = [f"other work kept {cores_text(background_load(record))} busy"] if is_loaded(record) else []
    if why := throttled(record):
        found.append(f"the device throttled: {why}")
    return tuple(found)


def cores_text(load: float | None) -> str:
    """`1 core`, `0.3 cores`."""
    count = f"{load or 0.0:.2g}"
    return f"{count} core{'' if count == '1' else 's'}"
