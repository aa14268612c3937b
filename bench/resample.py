"""Which samples something disturbed, and how many more are taken: in their place, or until the median is known. Pure.

This file also goes to boards that are reached over ssh, so it is written for Python 3.6 and takes whatever has the
attributes of `Samples` and `Settings` (`record.py`).
"""
# ruff: noqa: UP006, UP035, UP045, B905 - zip() has no strict= there

import math
from statistics import median
from typing import Any, Callable, List, Optional, Sequence

# A sample counts as disturbed beyond these. A quiet Linux machine takes a busy thread off its core about a hundred
# times a second (timer, kernel threads), so the usual count of a series says nothing; what stands out of it does.
USUAL_SWITCHES_FACTOR = 2
USUAL_SWITCHES_EXTRA = 3
MAX_STEAL_SHARE = 0.05
# Of the sample's time. Where other work takes a core all along, switches are as rare as usual, but one thread waits
# for its core while the others wait for that thread.
MAX_WAITED_SHARE = 0.2
# How much longer the fixed piece of work (`pace.py`) may take beside a sample than it usually does here. Where nothing
# is known of it, usual is the quickest tenth.
MAX_PACE = 1.03
_QUICKEST = 0.1

# However much time there is: a record is a line that is read again and again.
MOST_FACTOR = 20
# Not one by one: what is asked after each of them would be most of what is done.
FEWEST = 5


def disturbed(samples: Any) -> List[bool]:
    """Which samples were interrupted: far more involuntary context switches than is usual in the series, more than
    a twentieth of the time stolen by the hypervisor, a fifth of it spent waiting for a core, or the machine itself
    slower than it usually is."""
    nothing = [0] * len(samples.latency_s)
    switches = samples.involuntary_switches or nothing
    limit = USUAL_SWITCHES_FACTOR * median(switches) + USUAL_SWITCHES_EXTRA if switches else 0
    slow = MAX_PACE * (usual_pace(samples) or math.inf)
    each = (switches, samples.steal_s or nothing, samples.waited_s or nothing, samples.pace_s or nothing)
    return [
        count > limit or stolen > MAX_STEAL_SHARE * latency or wait > MAX_WAITED_SHARE * latency or beat > slow
        for count, stolen, wait, beat, latency in zip(*each, samples.latency_s)
    ]


def usual_pace(samples: Any) -> Optional[float]:
    """Seconds that the fixed piece of work usually takes on this machine, as far as the series knows."""
    if samples.usual_pace_s is not None or not samples.pace_s:
        return samples.usual_pace_s
    return sorted(samples.pace_s)[int(_QUICKEST * len(samples.pace_s))]


def median_precision(values: Sequence[float]) -> float:
    """Half the 95 % interval of the median, relative to it, by ranks (no shape is assumed); 1 for fewer than 6 values.

    It says how well this process's median is known, not what another process would give.
    """
    count = len(values)
    if count < 6:
        return 1.0
    ordered = sorted(values)
    low = max(0, math.floor((count - 1.96 * math.sqrt(count)) / 2))
    return (ordered[count - 1 - low] - ordered[low]) / 2 / median(ordered)


def further(settings: Any) -> Callable[[Any, float], int]:
    """For the timed loop: samples so far and the seconds they took -> how many more, 0 where it is to end.

    The budget counts from the moment the `runs` that were asked for have been taken.
    """
    first = []  # type: List[float]

    def wanted(samples: Any, spent_s: float) -> int:
        if not first:
            first.append(spent_s)
        left_s = settings.budget_s - (spent_s - first[0])
        fit = math.floor(left_s / median(samples.latency_s))
        return max(0, min(missing(samples, settings), fit, MOST_FACTOR * settings.runs - len(samples.latency_s)))

    return wanted


def missing(samples: Any, settings: Any) -> int:
    """How many samples are missing: to as many clean ones as were asked for, to the time and to the precision."""
    untouched = [latency for latency, hit in zip(samples.latency_s, disturbed(samples)) if not hit]
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
