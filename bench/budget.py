"""How many samples more: in place of disturbed ones, or until the median is known well enough. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

from .record import Samples, Settings
from .stats import disturbed, median, median_precision

# However much time there is: a record is a line that is read again and again.
MOST_FACTOR = 20
# Not one by one: what is asked after each of them would be most of what is done.
FEWEST = 5


def further(settings: Settings) -> Callable[[Samples, float], int]:
    """For the timed loop: samples so far and the seconds they took -> how many more, 0 where it is to end.

    The budget counts from the moment the `runs` that were asked for have been taken.
    """
    spent_before_s: float | None = None

    def wanted(samples: Samples, spent_s: float) -> int:
        nonlocal spent_before_s
        if spent_before_s is None:
            spent_before_s = spent_s
        left_s = settings.budget_s - (spent_s - spent_before_s)
        fit = math.floor(left_s / median(samples.latency_s))
        return max(0, min(missing(samples, settings), fit, MOST_FACTOR * settings.runs - len(samples)))

    return wanted


def missing(samples: Samples, settings: Settings) -> int:
    """How many samples are missing: to as many clean ones as were asked for, to the time and to the precision."""
    hits = disturbed(samples)
    untouched = [latency for latency, hit in zip(samples.latency_s, hits, strict=True) if not hit]
    few = settings.runs - len(untouched)
    if few > 0:
        return max(few, FEWEST)
    short_s = settings.min_s - math.fsum(samples.latency_s)
    if short_s > 0:
        return max(FEWEST, math.ceil(short_s / median(samples.latency_s)))
    if settings.target_precision is None:
        return 0
    known = median_precision(untouched)
    if known <= settings.target_precision:
        return 0
    # An interval shrinks with the root of the count; at most twice as many at once, for the first guess is a rough one.
    count = len(untouched)
    return max(FEWEST, math.ceil(min(count, count * ((known / settings.target_precision) ** 2 - 1))))
