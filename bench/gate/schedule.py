"""What is measured next: the ratios so far in, the next round of pairs out. Pure.

A pair is two fresh processes, interleaved or back to back, so that a drift affects both. Which goes first alternates.
The A/A pairs (base and base) show how much equal code differs on this host; they come between the others and alternate
too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..stats.compare.pairs import decided
from ..stats.compare.rule import PairRule

Kind = Literal["pair", "A/A"]
Role = Literal["base", "head"]


@dataclass(frozen=True)
class Pair:
    """Two processes of one case."""

    case: str  # its key
    stage: Kind
    number: int  # within its case and kind, from 0
    order: tuple[Role, Role]  # in which they run; in an A/A pair both run the base's code, one in the role of the head


@dataclass(frozen=True)
class Ratios:
    """The ratios head / base of one case, in the order of measuring."""

    pairs: tuple[float, ...] = ()
    controls: tuple[float, ...] = ()  # of A/A pairs


def next_round(measured: Mapping[str, Ratios], rule: PairRule, cases: int | None = None) -> tuple[Pair, ...]:
    """The next pairs of every undecided case; empty when all are decided. The error is shared by `cases`, by default
    those that are given."""
    cases = len(measured) if cases is None else cases
    return tuple(pair for key, each in measured.items() for pair in _next_pairs(key, each, rule, cases))


def _next_pairs(key: str, measured: Ratios, rule: PairRule, cases: int) -> tuple[Pair, ...]:
    pairs, controls = len(measured.pairs), len(measured.controls)
    if decided(measured.pairs, rule, cases) is not None:
        return ()
    pair = Pair(key, "pair", pairs, _order(pairs))
    # A case that three pairs nearly decided mostly ends at the fourth; so that comes before the first A/A pair.
    if controls < (pairs - 1) // rule.control_every:
        return Pair(key, "A/A", controls, _order(controls)), pair
    return (pair,)


def most_pairs(rule: PairRule) -> int:
    """The most pairs that a case takes, A/A pairs included."""
    return rule.max_replicates + (rule.max_replicates - 2) // rule.control_every


def _order(number: int) -> tuple[Role, Role]:
    return ("base", "head") if number % 2 == 0 else ("head", "base")
