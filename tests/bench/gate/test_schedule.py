"""Which pair comes next, in which order."""

import random
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from co3d_bench.bench.gate.schedule import next_round, pairs_at_least
from co3d_bench.bench.judge.rule import Rule
from co3d_bench.bench.judge.verdict import Evidence, Units, judge_all

RULE = Rule()


def nothing(*keys):
    return {
        key: Evidence(key, "latency", "lower", Units((), ()), second=Units((), ()), null=Units((), ())) for key in keys
    }


def go_through(evidences, slowdown=1.0, spread=0.01, seed=0, rule=RULE):
    """Every pair that the schedule asks for, measured on an imaginary host."""
    draw = random.Random(seed)
    done = []
    while due := next_round(evidences, rule):
        for pair in due:
            before = evidences[pair.case]
            base, head = draw.gauss(1, spread), draw.gauss(1, spread) * (slowdown if pair.stage != "null" else 1)
            units = getattr(before, pair.stage)
            assert pair.number == len(units)
            more = {pair.stage: Units((*units.base, base), (*units.head, head))}
            evidences = evidences | {pair.case: Evidence(**{**vars(before), **more})}
            done.append(pair)
    return evidences, done


def test_of_equal_code_no_more_is_measured_than_the_plan_says():
    for cases in (1, 3):
        evidences, done = go_through(nothing(*"abc"[:cases]))
        assert len(done) == pairs_at_least(cases, RULE)
        assert {judgement.verdict for judgement in judge_all(tuple(evidences.values()), RULE)} == {"equivalent"}


def test_which_side_goes_first_alternates_in_every_stage():
    _, done = go_through(nothing("a"), slowdown=1.1)
    for stage, first in (("first", "base"), ("null", "base"), ("second", "head")):
        orders = [pair.sides[0] for pair in done if pair.stage == stage]
        other = "head" if first == "base" else "base"
        assert orders == [first if number % 2 == 0 else other for number in range(len(orders))]
        assert len(orders) > 1


def test_only_a_candidate_is_measured_again_and_only_after_all_first_pairs():
    _, same = go_through(nothing("a", "b"))
    assert {pair.stage for pair in same} == {"first", "null"}
    _, done = go_through(nothing("a"), slowdown=1.1)
    stages = [pair.stage for pair in done]
    assert stages.count("second") == RULE.second_units(RULE.min_units)
    assert "second" not in stages[: stages.index("second")]
    assert set(stages[stages.index("second") :]) == {"second"}


def test_a_noisy_host_gets_more_pairs_and_no_more_than_the_rule_allows():
    _, calm = go_through(nothing("a"), spread=0.005)
    _, noisy = go_through(nothing("a"), spread=0.2)
    firsts = [sum(pair.stage == "first" for pair in done) for done in (calm, noisy)]
    assert firsts[0] == RULE.min_units
    assert firsts[1] == RULE.max_units


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 3), st.floats(0.001, 0.1), st.floats(0.8, 1.3), st.integers(0, 99))
def test_null_pairs_keep_step_with_the_others(cases, spread, slowdown, seed):
    # After every pair all are estimated anew; how finely does not matter here, and takes most of the time.
    with patch("co3d_bench.bench.judge.estimate.RESAMPLES", 200):
        _, done = go_through(nothing(*"abc"[:cases]), slowdown, spread, seed)
    for key in "abc"[:cases]:
        kinds = [pair.stage for pair in done if pair.case == key and pair.stage != "second"]
        firsts, nulls = kinds.count("first"), kinds.count("null")
        for place in range(1, len(kinds) + 1):
            expected = kinds[:place].count("first") * nulls / firsts
            assert abs(kinds[:place].count("null") - expected) <= 3
