import math

import numpy as np
import pytest

from co3d_bench.bench.stats.compare.pairs import decided
from co3d_bench.bench.stats.compare.power import detectable, replicates_needed
from co3d_bench.bench.stats.compare.rule import PairRule, Rule, rule_of_stores

RULES = (PairRule(), Rule())


@pytest.mark.parametrize("rule", RULES)
def test_without_noise_the_practical_size_itself_is_found(rule):
    assert detectable(0.0, rule) == pytest.approx(math.sqrt(1.05) - 1)
    assert replicates_needed(0.0, rule) == rule.min_replicates


@pytest.mark.parametrize("rule", RULES)
def test_more_units_find_smaller_slowdowns(rule):
    found = [detectable(0.04, rule, replicates) for replicates in (7, 10, 14, 20, 28, 60, 200, 1000)]
    assert found == sorted(found, reverse=True)
    assert found[-1] == pytest.approx(math.expm1(rule.practical), rel=0.2)


@pytest.mark.parametrize("rule", RULES)
def test_more_noise_and_more_cases_hide_larger_slowdowns(rule):
    found = [detectable(sigma, rule) for sigma in (0.0, 0.0085, 0.02, 0.027, 0.05, 0.1)]
    assert found == sorted(found)
    assert detectable(0.02, rule, 12, cases=1) <= detectable(0.02, rule, 12, cases=20)


def test_too_few_units_find_nothing():
    assert detectable(0.01, PairRule(), replicates=2) is None
    assert detectable(0.01, rule_of_stores(), replicates=6) is None


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("sigma", [0.01, 0.03, 0.05, 0.1])
def test_the_units_needed_are_the_fewest_that_are_enough(rule, sigma):
    needed = replicates_needed(sigma, rule)
    assert detectable(sigma, rule, needed) <= rule.max_slowdown
    assert needed == rule.min_replicates or detectable(sigma, rule, needed - 1) > rule.max_slowdown


@pytest.mark.parametrize("rule", RULES)
def test_no_number_of_units_finds_what_does_not_count_as_a_difference(rule):
    assert replicates_needed(0.01, rule, wanted=0.02) is None
    assert replicates_needed(5.0, rule) is None


@pytest.mark.parametrize("sigma", [0.01, 0.03])
def test_what_is_called_detectable_is_found_at_least_as_often_as_it_says(sigma):
    rule, noise = PairRule(), np.random.default_rng(1)
    slowdown = detectable(sigma, rule, 12)
    trials = 200
    found = sum(
        "regressed" in [decided(series[:count].tolist(), rule) for count in range(3, 13)]
        for series in (1 + slowdown) * noise.lognormal(0, sigma, (trials, 12))
    )
    assert found >= 179  # 95 % of 200: fewer happens once in a thousand
