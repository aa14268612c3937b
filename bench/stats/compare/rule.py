"""What counts as a difference: every number that a user of the gate can set."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """How large a difference must be to count."""

    max_slowdown: float = 0.05  # slowdowns this large must not pass

    @property
    def limit(self) -> float:
        """ln of the slowdown that must not pass."""
        return math.log1p(self.max_slowdown)

    @property
    def practical(self) -> float:
        """ln of the smallest estimate that is a finding."""
        return self.limit / 2


@dataclass(frozen=True)
class Rule(Limits):
    """For the records of two stores, which are analysed once."""

    min_replicates: int = 7  # fresh processes each of base and head
    power: float = 0.95  # share of slowdowns of the detectable size that are found
    q: float = 0.05  # share of false findings among those of all cases
    confidence: float = 0.95
    seed: int = 0  # of the bootstrap

    def chance(self, cases: int) -> float:
        """The probability of a false finding in one of so many cases."""
        return min(1 - self.confidence, self.q / cases)


@dataclass(frozen=True)
class PairRule(Limits):
    """For pairs of base and head: analysed after each pair, until one analysis gives a verdict."""

    min_replicates: int = 3  # pairs before the first analysis
    max_replicates: int = 28  # pairs of a case, after which it is inconclusive
    error: float = 0.01  # probability that any interval of the check, in any analysis, misses the truth
    power: float = 0.95
    control_every: int = 3  # pairs of a case for one A/A pair
    min_controls: int = 3  # A/A pairs of all cases from which on they are judged

    def chance(self, cases: int) -> float:
        """Two-sided, of one analysis of one case: all analyses of all cases share the error equally."""
        return self.error / ((self.max_replicates - self.min_replicates + 1) * cases)


def rule_of_stores(max_slowdown: float = 0.05, min_replicates: int = 7) -> Rule:
    """The rule of `compare` and `check --baseline`."""
    return Rule(max_slowdown=max_slowdown, min_replicates=min_replicates)
