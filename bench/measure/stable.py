"""Whether a network is warm: its latencies get no shorter. Pure.

This file also goes to boards that are reached over ssh, so it is written for Python 3.6.
"""

# ruff: noqa: UP035 - types as they were

from typing import Sequence

# Predictions looked at, half against half; and how much shorter the newer half may be.
WINDOW = 16
TOLERANCE = 0.02


def is_stable(latencies: Sequence[float], window: int = WINDOW, tolerance: float = TOLERANCE) -> bool:
    """Whether the newer half of the last `window` values is not shorter than the half before by more than `tolerance`,
    by their medians; False for fewer values. Only one direction counts: what becomes slower is warm."""
    if len(latencies) < window:
        return False
    half = window // 2
    return median(latencies[-half:]) >= (1 - tolerance) * median(latencies[-window:-half])


def median(values: Sequence[float]) -> float:
    """The middle value; of an even count the mean of the two middle ones. ValueError if there are none."""
    if not values:
        raise ValueError("the median of no values is not defined")
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
