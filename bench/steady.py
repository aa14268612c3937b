"""Whether a series of latencies has come to rest: its most likely change point, and whether that is one. Pure.

A single split into two levels is enough here, so no library is. This file also goes to boards that are reached over
ssh, so it is written for Python 3.6: no dataclasses, and types as they were.
"""
# ruff: noqa: UP006, UP035

import itertools
import math
from typing import List, NamedTuple, Sequence

# Of a normal distribution: standard deviation = 1.4826 MAD; of a median, 1.2533 standard deviations / sqrt(samples).
_SIGMA_OF_MAD = 1.4826
_ERROR_OF_MEDIAN = 1.2533


class SteadyRule(NamedTuple):
    """When a series counts as steady: no change point in its last `window` values that matters and stands out."""

    window: int = 16
    shortest: int = 4  # values on either side of a change point
    tolerance: float = 0.02  # smaller changes do not matter
    errors: float = 3.0  # those within so many standard errors do not stand out


STEADY = SteadyRule()


def is_steady(latencies: Sequence[float], rule: SteadyRule = STEADY) -> bool:
    """Whether the last `window` values are one level; False for fewer."""
    if len(latencies) < rule.window:
        return False
    change = largest_change(latencies[-rule.window :], rule.shortest, rule.tolerance)
    return abs(change.relative) <= rule.tolerance or abs(change.errors) <= rule.errors


class Change(NamedTuple):
    """The split of a series that parts it best."""

    place: int  # of the first value behind it
    relative: float  # 0.1: the values behind it are a tenth larger
    errors: float  # the same in standard errors of the difference of both medians; 0 where it does not matter


def largest_change(values: Sequence[float], shortest: int, tolerance: float = 0.0) -> Change:
    """The split that the ranks of the values speak for most, each side of `shortest` values or more (Pettitt 1979).

    How far it stands out is not looked at where it is no larger than `tolerance`. Raises ValueError for fewer than
    twice as many values.
    """
    count = len(values)
    if count < 2 * shortest:
        raise ValueError(f"{count} values cannot be parted into two times {shortest}")
    # How far the ranks of the first values, summed, are from those of any others: |U| of Pettitt.
    excess = list(itertools.accumulate([twice - (count + 1) for twice in _twice_the_ranks(values)]))
    places = excess[shortest - 1 : count - shortest]
    high, low = max(places), min(places)
    return _split(values, shortest + places.index(high if high >= -low else low), tolerance)


def _twice_the_ranks(values: Sequence[float]) -> List[int]:
    """Ranks from 1, doubled: equal values share the middle of theirs."""
    ordered = sorted(values)
    last = {value: rank for rank, value in enumerate(ordered, 1)}
    if len(last) == len(ordered):
        return [2 * last[value] for value in values]
    first = {value: len(ordered) - rank for rank, value in enumerate(reversed(ordered))}
    return [first[value] + last[value] for value in values]


def _split(values: Sequence[float], place: int, tolerance: float) -> Change:
    before, after = values[:place], values[place:]
    low, high = median(before), median(after)
    relative = (high - low) / low if low else 0.0
    if abs(relative) <= tolerance:
        return Change(place, relative, 0.0)
    scatter = _SIGMA_OF_MAD * median([abs(v - low) for v in before] + [abs(v - high) for v in after])
    error = _ERROR_OF_MEDIAN * scatter * math.sqrt(1 / len(before) + 1 / len(after))
    difference = high - low
    errors = difference / error if error else math.copysign(math.inf, difference) if difference else 0.0
    return Change(place, relative, errors)


def median(values: Sequence[float]) -> float:
    """The middle value; of an even count the mean of the two middle ones. ValueError if there are none."""
    if not values:
        raise ValueError("the median of no values is not defined")
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
