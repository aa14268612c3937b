"""What is to be measured next: evidence in, the next round of pairs out. Pure.

A pair is two fresh processes side by side or back to back, so that what drifts meets both. Which side goes first
alternates, and the pairs of base against base, which tell what this host does to equal code, lie between the others
and alternate likewise. Once the first stage is complete, candidates get fresh pairs that begin with the other side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..judge.rule import Rule
from ..judge.verdict import Evidence, first_units, needs_second_stage, null_pairs_each

Stage = Literal["first", "second", "null"]
Side = Literal["base", "head"]


@dataclass(frozen=True)
class Pair:
    """Two processes of one case, in the order in which they run."""

    case: str  # its key
    stage: Stage
    number: int  # within its case and stage, from 0
    sides: tuple[Side, Side]  # of a null pair both run the base's code, and one of them stands for the head


def next_round(evidences: Mapping[str, Evidence], rule: Rule) -> tuple[Pair, ...]:
    """The next pair of every case that wants one; empty when all is measured that the rule asks for."""
    first = tuple(
        pair for key, evidence in evidences.items() for pair in _first_stage(key, evidence, len(evidences), rule)
    )
    if first:
        return first
    return tuple(pair for key, evidence in evidences.items() for pair in _second_stage(key, evidence, rule))


def pairs_at_least(cases: int, rule: Rule) -> int:
    """How many pairs are run in all where the noise is as small as the rule hopes and nothing is a candidate."""
    return cases * (rule.min_units + null_pairs_each(cases, rule))


def _first_stage(key: str, evidence: Evidence, cases: int, rule: Rule) -> tuple[Pair, ...]:
    measured, null = len(evidence.first), len(evidence.null) if evidence.null else 0
    wanted = first_units(evidence, rule, cases)
    nulls = null_pairs_each(cases, rule, wanted)
    found: list[Pair] = []
    # Null pairs keep step with the others: neither all at the beginning nor all at the end.
    if null < nulls and null * wanted <= measured * nulls:
        found.append(Pair(key, "null", null, _order(null)))
    if measured < wanted:
        found.append(Pair(key, "first", measured, _order(measured)))
    return tuple(found)


def _second_stage(key: str, evidence: Evidence, rule: Rule) -> tuple[Pair, ...]:
    if not needs_second_stage(evidence, rule):
        return ()
    measured = len(evidence.second) if evidence.second else 0
    if measured >= rule.second_units(len(evidence.first)):
        return ()
    return (Pair(key, "second", measured, _order(measured + 1)),)


def _order(number: int) -> tuple[Side, Side]:
    return ("base", "head") if number % 2 == 0 else ("head", "base")
