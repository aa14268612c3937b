"""Pairs that are looked at after each of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from co3d_bench.bench.stats.compare.pairs import decided, estimate_pairs, host_noise, judge_pairs
from co3d_bench.bench.stats.compare.rule import PairRule

RULE = PairRule()
MIRROR = {"regressed": "improved", "improved": "regressed"}
ratios = st.lists(st.floats(0.5, 2.0), min_size=1, max_size=10)


def pairs(count, slowdown=1.0, sigma=0.007, seed=0, place=0.0):
    """Ratios on a host whose noise is `sigma`, and where the second of a pair loses `place`; the order alternates."""
    noise = np.random.default_rng(seed)
    turns = np.where(np.arange(count) % 2, -place, place)
    return (slowdown * np.exp(turns + noise.normal(0, sigma, count))).tolist()


def until_decided(slowdown=1.0, rule=RULE, **noise):
    """The verdict, and after how many pairs it came."""
    series = pairs(rule.max_replicates, slowdown, **noise)
    for count in range(1, rule.max_replicates + 1):
        verdict = decided(series[:count], rule)
        if verdict is not None:
            return verdict, count
    raise AssertionError("never decided")


def test_the_interval_is_students_at_the_looks_share_of_the_error():
    logs = [0.01, 0.03, 0.02, 0.05]
    found = estimate_pairs([math.exp(each) for each in logs], RULE)
    share = 0.01 / 26  # of 3 to 28 pairs
    low, high = scipy_stats.t.interval(1 - share, 3, np.mean(logs), scipy_stats.sem(logs))
    assert (math.log(found.low), math.log(found.high)) == pytest.approx((low, high))
    assert math.log(found.slowdown) == pytest.approx(np.mean(logs))
    assert found.sigma == pytest.approx(np.std(logs, ddof=1))
    assert (found.replicates, found.paired, found.confidence) == (4, True, 0.99)


def test_more_cases_at_once_widen_every_interval():
    alone, among = (estimate_pairs(pairs(6), RULE, cases) for cases in (1, 12))
    assert among.low < alone.low < alone.high < among.high


def test_before_the_first_look_nothing_is_decided_however_clear():
    for count in (0, 1, 2):
        assert decided([3.0] * count, RULE) is None
    assert estimate_pairs([3.0, 3.0], RULE).low == 0
    assert decided([3.0] * 3, RULE) == "regressed"


@pytest.mark.parametrize(
    ("slowdown", "verdict", "most"),
    [
        (1.3, "regressed", 5),
        (1.05, "regressed", 8),
        (1.0, "equivalent", 7),
        (1.01, "equivalent", 9),
        (0.7, "improved", 5),
    ],
)
def test_a_verdict_comes_as_soon_as_one_look_is_clear(slowdown, verdict, most):
    found = [until_decided(slowdown, seed=seed) for seed in range(20)]
    assert {each for each, _ in found} == {verdict}
    assert np.median([count for _, count in found]) <= most


def test_what_stays_open_is_no_pass_and_says_what_is_missing():
    verdict, count = until_decided(sigma=0.2)
    assert (verdict, count) == ("inconclusive", RULE.max_replicates)
    found = judge_pairs(pairs(28, sigma=0.2), RULE)
    assert found.why.endswith("too wide to call")
    assert found.replicates_needed is not None
    assert found.replicates_needed > 100
    few = judge_pairs(pairs(4, sigma=0.05), RULE)
    assert (few.verdict, few.why[:15]) == ("inconclusive", "4 of up to 28 p")
    assert judge_pairs([], RULE).verdict == "inconclusive"
    assert judge_pairs([1.05], RULE).why == "1 of up to 28 pairs: +5.0% (interval unknown)"


def test_a_significant_difference_too_small_to_matter_is_none():
    assert decided(pairs(28, 1.02, sigma=0.002), RULE) == "equivalent"
    assert decided(pairs(28, 1.02, sigma=0.002), PairRule(max_slowdown=0.02)) == "regressed"


def test_who_is_first_in_a_pair_does_not_leak_into_the_verdict():
    assert {until_decided(seed=seed, place=0.03)[0] for seed in range(20)} == {"equivalent"}


def test_equal_code_is_hardly_ever_called_different_however_often_one_looks():
    found = [until_decided(seed=seed, sigma=0.03)[0] for seed in range(400)]
    assert len([each for each in found if each in MIRROR]) <= 4 + 6  # of 1 % in 400: more once in a thousand


def test_no_verdict_where_base_against_base_is_a_finding():
    noise = host_noise(pairs(4, 1.06), RULE)
    assert noise is not None
    assert "host too noisy" in noise
    found = judge_pairs(pairs(5, 1.3), RULE, noise=noise)
    assert (found.verdict, found.why, found.replicates_needed) == ("inconclusive", noise, None)


def test_base_against_base_that_is_equal_or_seldom_run_is_no_noise():
    assert host_noise(pairs(2, 2.0), RULE) is None
    assert host_noise(pairs(9), RULE) is None
    assert host_noise(pairs(9, 1.004, sigma=0.001), RULE) is None  # always the same sign, and of no matter


@given(ratios)
def test_base_and_head_swapped_mirror_the_verdict(values):
    there, back = decided(values, RULE), decided([1 / each for each in values], RULE)
    assert back == MIRROR.get(there, there)


@given(ratios, st.floats(1.0, 1.5))
def test_a_larger_slowdown_never_turns_a_regression_into_anything_else(values, more):
    if decided(values, RULE) == "regressed":
        assert decided([more * each for each in values], RULE) == "regressed"
