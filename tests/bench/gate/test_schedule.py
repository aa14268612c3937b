"""Which pair comes next, in which order."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from co3d_bench.bench.gate.schedule import Ratios, most_pairs, next_round
from co3d_bench.bench.stats.compare.pairs import decided
from co3d_bench.bench.stats.compare.rule import PairRule

RULE = PairRule()


def go_through(keys="a", slowdown=1.0, spread=0.007, seed=0, rule=RULE):
    """Every pair that the schedule asks for, measured on an imaginary host."""
    draw = random.Random(seed)
    ratios = {key: Ratios() for key in keys}
    done = []
    while due := next_round(ratios, rule):
        for pair in due:
            before = ratios[pair.case]
            field = "pairs" if pair.stage == "pair" else "controls"
            so_far = getattr(before, field)
            assert pair.number == len(so_far)
            ratio = draw.lognormvariate(0, spread) * (slowdown if pair.stage == "pair" else 1)
            ratios[pair.case] = replace(before, **{field: (*so_far, ratio)})
            done.append(pair)
    return ratios, done


def test_a_case_ends_at_its_first_verdict_and_the_others_go_on():
    draw = random.Random(0)
    ratios = {
        "slow": Ratios(tuple(1.3 * draw.lognormvariate(0, 0.001) for _ in range(3))),
        "open": Ratios(tuple(draw.lognormvariate(0, 0.05) for _ in range(3))),
    }
    assert {pair.case for pair in next_round(ratios, RULE)} == {"open"}


def test_cases_that_are_over_still_share_the_error():
    edge = Ratios((1.199, 1.2, 1.201))
    assert decided(edge.pairs, RULE, 1) == "regressed"
    assert next_round({"a": edge}, RULE) == ()
    assert next_round({"a": edge}, RULE, cases=5000) != ()


def test_which_side_goes_first_alternates_in_every_kind():
    _, done = go_through(spread=0.1)
    for kind in ("pair", "A/A"):
        orders = [pair.order[0] for pair in done if pair.stage == kind]
        assert orders == [("base", "head")[number % 2] for number in range(len(orders))]
        assert len(orders) > 1


def test_a_noisy_host_gets_more_pairs_and_no_more_than_the_rule_allows():
    (calm, few), (noisy, many) = go_through(spread=0.005), go_through(spread=0.2)
    assert len(calm["a"].pairs) < 8
    assert len(noisy["a"].pairs) == RULE.max_replicates
    assert len(few) < len(many) == most_pairs(RULE)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.floats(0.001, 0.1), st.floats(0.8, 1.3), st.integers(0, 99))
def test_an_a_a_pair_comes_for_every_three_pairs_that_did_not_end_the_case(cases, spread, slowdown, seed):
    _, done = go_through("abc"[:cases], slowdown, spread, seed)
    for key in "abc"[:cases]:
        kinds = [pair.stage for pair in done if pair.case == key]
        assert kinds[-1] == "pair"
        for place, kind in enumerate(kinds):
            before = kinds[:place]
            if kind == "A/A":
                assert before.count("pair") == 3 * (before.count("A/A") + 1) + 1
