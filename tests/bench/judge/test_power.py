import math

import numpy as np
import pytest

from co3d_bench.bench.judge import estimate
from co3d_bench.bench.judge.power import detectable, units_needed
from co3d_bench.bench.judge.rule import Rule, rule_of_stores
from co3d_bench.bench.judge.verdict import Evidence, Units, judge

RULE = Rule()


def test_without_noise_the_practical_size_itself_is_found():
    assert detectable(0.0, RULE) == pytest.approx(math.sqrt(1.05) - 1)
    assert units_needed(0.0, RULE) == RULE.min_units


def test_more_pairs_find_smaller_slowdowns():
    found = [detectable(0.04, RULE, units) for units in (7, 10, 14, 20, 28, 60, 200, 1000)]
    assert found == sorted(found, reverse=True)
    assert found[-1] == pytest.approx(math.expm1(RULE.practical), rel=0.2)


def test_more_noise_hides_larger_slowdowns():
    found = [detectable(sigma, RULE) for sigma in (0.0, 0.0085, 0.02, 0.027, 0.05, 0.1)]
    assert found == sorted(found)


def test_more_cases_at_once_never_find_smaller_ones():
    for rule in (RULE, rule_of_stores()):
        few, many = detectable(0.02, rule, 12, cases=1), detectable(0.02, rule, 12, cases=20)
        assert few <= many
    assert detectable(0.02, rule_of_stores(), 7, cases=20) is None  # 7 pairs can never stand out among 20 cases


def test_too_few_pairs_find_nothing():
    assert detectable(0.01, RULE, units=6) is None
    assert detectable(0.01, Rule(min_units=3, second_stage_units=0), units=3) is None


@pytest.mark.parametrize("sigma", [0.01, 0.03, 0.05, 0.1])
def test_the_units_needed_are_the_fewest_that_are_enough(sigma):
    needed = units_needed(sigma, RULE)
    assert detectable(sigma, RULE, needed) <= RULE.max_slowdown
    assert needed == RULE.min_units or detectable(sigma, RULE, needed - 1) > RULE.max_slowdown


def test_no_number_of_units_finds_what_does_not_count_as_a_difference():
    assert units_needed(0.01, RULE, wanted=0.02) is None
    assert units_needed(5.0, RULE) is None


def test_the_jump_from_exact_trials_to_their_limit_is_small():
    ends = [detectable(0.04, RULE, units) for units in (41, 42)]  # 100 and 102 pairs in both stages
    assert ends[0] == pytest.approx(ends[1], rel=0.05)


def test_what_is_called_detectable_is_found_as_often_as_it_says(monkeypatch):
    monkeypatch.setattr(estimate, "RESAMPLES", 999)
    rule, noise, sigma, trials = Rule(null_units=0), np.random.default_rng(1), 0.03, 200
    slowdown = detectable(sigma, rule)

    def pairs(count):
        return Units((1.0,) * count, tuple(((1 + slowdown) * noise.lognormal(0, sigma, count)).tolist()))

    found = sum(
        judge(Evidence("k", "latency", "lower", pairs(7), pairs(10)), rule).verdict == "regressed"
        for _ in range(trials)
    )
    # 95 % of 200: fewer than 179 or all of them happens once in a thousand.
    assert 179 <= found < trials
