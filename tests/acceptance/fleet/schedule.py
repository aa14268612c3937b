"""List scheduling: the next case of a list to the first board that is free. What a fleet is held against."""

from __future__ import annotations

import heapq
from collections.abc import Iterable


def makespan(seconds: Iterable[float], boards: int) -> float:
    """How long that many equal boards take for cases in this order, where nothing but the cases takes time."""
    free = [0.0] * boards
    for each in seconds:
        heapq.heapreplace(free, free[0] + each)
    return max(free)
