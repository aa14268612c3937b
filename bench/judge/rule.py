"""What counts as a difference, in numbers: all that a user of the gate may turn."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """When a difference counts."""

    max_slowdown: float = 0.05  # what must not pass
    min_units: int = 7  # pairs; with 7 of 7 the exact interval can leave out 1
    max_units: int = 28  # where 7 are too few for the noise they show
    power: float = 0.95  # share of slowdowns of the detectable size that are found
    second_stage_units: int = 10  # fresh pairs for a candidate; 0: there can be no second stage
    null_units: int = 7  # pairs of base against base, over all cases together; 0: there are none
    q: float = 0.05  # share of false findings among those of all cases
    confidence: float = 0.95
    seed: int = 0  # of the bootstrap

    @property
    def limit(self) -> float:
        """ln of the slowdown that must not pass."""
        return math.log1p(self.max_slowdown)

    @property
    def practical(self) -> float:
        """ln of the smallest estimate that is a finding."""
        return self.limit / 2

    def second_units(self, first: int) -> int:
        """How many fresh pairs confirm a candidate of so many: more first pairs want more of these."""
        return math.ceil(self.second_stage_units * max(1.0, first / self.min_units))


def rule_of_stores(max_slowdown: float = 0.05, min_units: int = 7) -> Rule:
    """For records that are there already: nothing can be measured again, and nobody ran base against base."""
    return Rule(max_slowdown=max_slowdown, min_units=min_units, second_stage_units=0, null_units=0)
