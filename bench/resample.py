"""Which samples something disturbed, and how many more are taken: in their place, or until the median is known. Pure.

This file also goes to boards that are reached over ssh, so it is written for Python 3.6 and takes whatever has the
attributes of `Samples` and `Settings` (`record.py`).
"""
# ruff: noqa: UP006, UP035, B905 - zip() has no strict= there

import math
from statistics import median
from typing import Any, Callable, List, Sequence

# A sample counts as disturbed beyond these. A quiet Linux machine takes a busy thread off its core about a hundred
# times a second (timer, kernel threads), so the usual count of a series says nothing; what stands out of it does.
USUAL_SWITCHES_FACTOR = 2
USUAL_SWITCHES_EXTRA = 3
MAX_STEAL_SHARE = 0.05
# Of the sample's time. Where other work takes a core all along, switches are as rare as usual, but one thread waits
# for its core while the others wait for that thread.
MAX_WAITED_SHARE = 0.2
# Beside a sample the fixed piece of work (`pace.py`) may take so many times as long as it does beside most of the
# series, or as short. Clocks and neighbours move it by a few per cent all the time, and one reading by some more;
# beyond this the machine is in another state, for example with two virtual cores on one real one.
MAX_PACE = 1.2
# A machine that changes its state does so several times in a row, and between two readings too.
AROUND_S = 0.3

# However much time there is: a record is a line that is read again and again.
MOST_FACTOR = 20
# Not one by one: what is asked after each of them would be most of what is done.
FEWEST = 5


def disturbed(samples: Any) -> List[bool]:
    """Which samples were interrupted, or taken while the machine itself was in another state than for most of them.

    Which state that is, and how far from usual, is another matter: figures are corrected for it (`stats.py`).
    """
    hits, paces = interrupted(samples), samples.pace_s
    if not paces or max(paces) <= MAX_PACE * min(paces):
        return hits
    most_s = middle_of_most(paces)
    off = [not most_s / MAX_PACE <= beat <= most_s * MAX_PACE for beat in paces]
    if True not in off:
        return hits
    behind = _soon_after(off, samples.latency_s)
    before = reversed(_soon_after(off[::-1], samples.latency_s[::-1]))
    return [any(each) for each in zip(hits, behind, before)]


def _soon_after(off: Sequence[bool], latency_s: Sequence[float]) -> List[bool]:
    """Those that are, and those that end within `AROUND_S` of the end of one that is."""
    found, since_s = [], math.inf
    for is_off, seconds in zip(off, latency_s):
        since_s = 0.0 if is_off else since_s + seconds
        found.append(since_s <= AROUND_S)
    return found


def interrupted(samples: Any) -> List[bool]:
    """Which samples other work took time from: far more involuntary context switches than is usual in the series, more
    than a twentieth of the time stolen by the hypervisor, or a fifth of it spent waiting for a core."""
    latency_s, switches = samples.latency_s, samples.involuntary_switches
    hits = [False] * len(latency_s)
    if switches:
        limit = USUAL_SWITCHES_FACTOR * median(switches) + USUAL_SWITCHES_EXTRA
        hits = [count > limit for count in switches]
    # Of most series each is far below what counts, which takes a glance: a report reads a hundred thousand of them.
    for lost_s, share in ((samples.steal_s, MAX_STEAL_SHARE), (samples.waited_s, MAX_WAITED_SHARE)):
        if lost_s and max(lost_s) > share * min(latency_s):
            hits = [hit or lost > share * seconds for hit, lost, seconds in zip(hits, lost_s, latency_s)]
    return hits


def middle_of_most(values: Sequence[float]) -> float:
    """The median of the closest half of the values; ValueError if there are none.

    Of a machine with two states that is the state in which it mostly is, and nothing between them.
    """
    ordered = sorted(values)
    half = len(ordered) // 2 + 1
    widths = [high - low for low, high in zip(ordered, ordered[half - 1 :])]
    start = widths.index(min(widths))
    return median(ordered[start : start + half])


def median_precision(values: Sequence[float]) -> float:
    """Half the 95 % interval of the median, relative to it, by ranks (no shape is assumed); 1 for fewer than 6 values.

    It says how well this process's median is known, not what another process would give.
    """
    return half_interval(values) if len(values) >= 6 else 1.0


def half_interval(values: Sequence[float]) -> float:
    """The same, but of fewer than 6 values half the distance from the smallest to the largest; ValueError of none."""
    ordered, count = sorted(values), len(values)
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
    short_s = settings.min_s - math.fsum(untouched)
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
