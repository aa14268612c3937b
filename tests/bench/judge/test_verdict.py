import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from co3d_bench.bench.case import Case
from co3d_bench.bench.judge import estimate
from co3d_bench.bench.judge.estimate import within
from co3d_bench.bench.judge.findings import Judgement
from co3d_bench.bench.judge.rule import Rule, rule_of_stores
from co3d_bench.bench.judge.verdict import (
    Evidence,
    Units,
    first_units,
    host_noise,
    judge,
    judge_all,
    needs_second_stage,
    null_pairs_each,
    worse_of,
)

RULE = Rule()
MIRROR = {"regressed": "improved", "improved": "regressed"}


@pytest.fixture(autouse=True, scope="module")
def few_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "RESAMPLES", 999)
        yield


def pairs(units, slowdown=1.0, sigma=0.01, seed=0, place=0.0):
    """Pairs of a host whose noise is `sigma`, and where the second of a pair loses `place`; the order alternates."""
    noise = np.random.default_rng(seed)
    turns = np.where(np.arange(units) % 2, -place, place)
    base = noise.lognormal(math.log(0.03), sigma / math.sqrt(2), units)
    return Units(
        tuple(base.tolist()),
        tuple((slowdown * base * np.exp(turns + noise.normal(0, sigma, units))).tolist()),
    )


def evidence(slowdown=1.0, again=None, sigma=0.01, seed=0, place=0.0, key="x3d-xs"):
    """What a check measures of one case; `again` is the slowdown in the second stage, if not the same."""
    return Evidence(
        key,
        "latency",
        "lower",
        first=pairs(7, slowdown, sigma, seed, place),
        second=pairs(10, slowdown if again is None else again, sigma, seed + 1000, -place),
        null=pairs(7, 1.0, sigma, seed + 2000, place),
    )


@pytest.mark.parametrize(
    ("slowdown", "verdict"),
    [(1.05, "regressed"), (1.10, "regressed"), (1.0, "equivalent"), (1.01, "equivalent"), (1 / 1.05, "improved")],
)
def test_four_verdicts_of_a_quiet_host(slowdown, verdict):
    found = judge(evidence(slowdown), RULE)
    assert found.verdict == verdict
    assert found.estimate is not None
    assert found.estimate.slowdown == pytest.approx(slowdown, rel=0.01)
    assert found.units_needed is None


def test_a_noisy_host_gives_neither_a_pass_nor_a_failure_and_says_what_is_missing():
    noisy = replace(evidence(1.0, sigma=0.15), null=pairs(7, sigma=0.01))
    found = judge(noisy, RULE)
    assert found.verdict == "inconclusive"
    assert found.detectable is not None
    assert found.detectable > 0.1
    assert found.units_needed is not None
    assert found.units_needed > 50


def test_a_slowdown_just_as_large_as_must_not_pass_does_not_pass_for_equivalent():
    verdicts = [judge(evidence(1.05, sigma=0.02, seed=seed), RULE).verdict for seed in range(40)]
    assert "equivalent" not in verdicts
    assert verdicts.count("regressed") >= 36


def test_what_must_not_pass_is_the_users():
    assert judge(evidence(1.05), Rule(max_slowdown=0.2)).verdict == "equivalent"
    assert judge(evidence(1.012, sigma=0.003), Rule(max_slowdown=0.01)).verdict == "regressed"


# The second stage.


def test_a_candidate_without_fresh_pairs_is_neither_failed_nor_passed():
    waiting = replace(evidence(1.03, sigma=0.005), second=None)
    assert needs_second_stage(waiting, RULE)
    assert judge(waiting, RULE).verdict == "inconclusive"
    assert "0 of 10 fresh pairs" in judge(waiting, RULE).why
    assert judge(waiting, RULE).units_needed == 10
    few = replace(waiting, second=pairs(9, 1.05))
    assert judge(few, RULE).verdict == "inconclusive"


def test_what_fresh_pairs_do_not_find_again_is_no_regression():
    gone = judge(evidence(1.08, again=1.0), RULE)
    assert gone.verdict == "inconclusive"
    assert "did not find it again" in gone.why
    assert judge(evidence(1.05, again=0.95), RULE).verdict not in ("regressed", "improved")


def test_a_false_improvement_is_as_hard_to_come_by():
    assert needs_second_stage(evidence(0.95), RULE)
    assert judge(evidence(0.92, again=1.0), RULE).verdict == "inconclusive"
    assert judge(replace(evidence(0.95), second=None), RULE).verdict == "inconclusive"


def test_no_second_stage_where_nothing_was_found():
    assert not needs_second_stage(evidence(1.0), RULE)
    assert not needs_second_stage(replace(evidence(1.1), first=pairs(6, 1.1)), RULE)
    assert not needs_second_stage(evidence(1.1), rule_of_stores())


def test_more_first_pairs_want_more_fresh_ones():
    assert [RULE.second_units(first) for first in (5, 7, 14, 20)] == [10, 10, 20, 29]
    longer = replace(evidence(1.05), first=pairs(14, 1.05))
    assert "10 of 20 fresh pairs" in judge(longer, RULE).why


def test_the_noise_decides_how_many_pairs_and_the_difference_does_not():
    quiet, noisy = evidence(1.0, sigma=0.01), evidence(1.0, sigma=0.05)
    assert first_units(quiet, RULE) == 7
    assert 7 < first_units(noisy, RULE) <= RULE.max_units
    slower = replace(noisy, first=Units(noisy.first.base, tuple(1.3 * each for each in noisy.first.head)))
    assert first_units(slower, RULE) == first_units(noisy, RULE)
    assert first_units(replace(quiet, first=Units((), ())), RULE) == 7
    assert first_units(replace(quiet, first=pairs(40, sigma=0.5)), RULE) == 40  # never fewer than there are


# Base against base.


def test_no_verdict_where_base_against_base_would_be_a_finding():
    rows = (replace(evidence(1.10), null=pairs(7, 1.06)), evidence(1.0, key="x3d-s"))
    sick = tuple(replace(row, null=pairs(7, 1.06)) for row in rows)
    assert {found.verdict for found in judge_all(sick, RULE)} == {"inconclusive"}
    assert "host too noisy" in judge_all(sick, RULE)[1].why


def test_no_verdict_where_base_against_base_is_too_wide():
    found = judge(replace(evidence(1.10), null=pairs(7, sigma=0.2)), RULE)
    assert found.verdict == "inconclusive"
    assert "host too noisy" in found.why


def test_no_verdict_without_enough_pairs_of_base_against_base():
    for null in (None, pairs(6)):
        found = judge(replace(evidence(1.10), null=null), RULE)
        assert found.verdict == "inconclusive"
        assert "of 7 pairs of base against base" in found.why


def test_null_pairs_of_all_cases_count_together():
    rows = [replace(evidence(1.0, seed=seed), null=pairs(3, seed=seed)) for seed in range(3)]
    assert host_noise(rows, RULE) is None
    assert host_noise(rows[:2], RULE) is not None
    assert [null_pairs_each(cases, RULE) for cases in (0, 1, 2, 3, 50)] == [0, 7, 4, 3, 3]
    assert null_pairs_each(1, RULE, first=14) == 14
    assert null_pairs_each(1, rule_of_stores()) == 0


# Two stores.


def stores(base, head, slowdown=1.0, sigma=0.01, seed=0):
    noise = np.random.default_rng(seed)
    sides = noise.lognormal(0, sigma, base), slowdown * noise.lognormal(0, sigma, head)
    return Evidence("x3d-xs", "latency", "lower", Units(*(tuple(side.tolist()) for side in sides), paired=False))


def test_two_stores_of_enough_fresh_processes_are_judged_in_one_stage():
    assert judge(stores(10, 8, 1.08), rule_of_stores()).verdict == "regressed"
    assert judge(stores(10, 8, 1.0), rule_of_stores()).verdict == "equivalent"
    assert judge(stores(10, 6, 1.5), rule_of_stores()).verdict == "inconclusive"


def test_fresh_processes_against_the_same_baseline_are_a_second_stage():
    first = stores(10, 7, 1.08)
    again = Units(first.first.base, pairs(10, 1.08).head, paired=False)
    again = replace(again, head=tuple(each / 0.03 for each in again.head))
    found = judge(replace(first, second=again), replace(RULE, null_units=0))
    assert found.verdict == "regressed"
    assert found.estimate is not None
    assert found.estimate.units == 10  # of the baseline, counted once


# Each trap that other gates fell into.


def test_trap_the_order_of_a_pair_leaks_into_the_verdict():
    for seed in range(20):
        assert judge(evidence(1.0, sigma=0.008, seed=seed, place=0.03), RULE).verdict == "equivalent"


def test_trap_a_noise_floor_that_grows_with_the_pairs():
    shares = []
    for units in (7, 14, 28):
        rows = [replace(evidence(seed=seed), first=pairs(units, 1.05, 0.04, seed)) for seed in range(40)]
        shares.append(sum(needs_second_stage(row, RULE) for row in rows))
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]


def test_trap_many_samples_of_few_processes():
    noise = np.random.default_rng(0)
    base, head = noise.normal(1, 1e-3, 10_000), noise.normal(1.05, 1e-3, 10_000)
    shown = within(base.tolist(), head.tolist())
    assert shown.low > 1.04  # as sure as can be, of these two processes
    assert shown.units == 1
    medians = tuple(float(np.median(side)) for side in (base, head))
    for is_pair in (True, False):
        one = Units((medians[0],), (medians[1],), is_pair)
        two = Units((medians[0],) * 2, (medians[1],) * 2, is_pair)
        for units in (one, two):
            for rule in (RULE, Rule(min_units=1, second_stage_units=0, null_units=0)):
                assert judge(replace(evidence(), first=units), rule).verdict == "inconclusive"


@pytest.mark.parametrize(("better", "verdict"), [("lower", "regressed"), ("higher", "improved")])
def test_trap_a_throughput_taken_for_a_latency(better, verdict):
    assert judge(replace(evidence(1.06), better=better), RULE).verdict == verdict


def test_trap_one_batch_compared_with_another():
    keys = {Case(model="x3d-xs", batch=batch).key for batch in (4, 8)}
    assert len(keys) == 2


def test_trap_base_against_base_must_not_have_the_same_sign_throughout_is_no_rule():
    biased = pairs(7, 1.004, sigma=0.001)
    assert all(head > base for base, head in zip(biased.base, biased.head, strict=True))
    assert host_noise([replace(evidence(), null=biased)], RULE) is None
    assert judge(replace(evidence(1.05), null=biased), RULE).verdict == "regressed"


def test_trap_drift_below_the_threshold_is_found_against_a_pinned_release():
    slowdowns = [1.01**commit for commit in range(7)]
    for before, after in itertools.pairwise(slowdowns):
        assert judge(evidence(after / before, sigma=0.005), RULE).verdict == "equivalent"
    step = judge(evidence(1.01, sigma=0.005), RULE)
    pinned = judge(evidence(slowdowns[-1], sigma=0.005), RULE)
    assert worse_of(step, pinned) == worse_of(pinned, step) == pinned
    assert pinned.verdict == "regressed"


def test_an_inconclusive_baseline_is_not_hidden_by_one_that_passes():
    assert worse_of(Judgement("equivalent", ""), Judgement("inconclusive", "")).verdict == "inconclusive"
    assert worse_of(Judgement("improved", ""), Judgement("equivalent", "")).verdict == "equivalent"


def test_trap_many_cases_and_one_of_them_stands_out_by_chance():
    lucky = stores(9, 7, 1.035, sigma=0.017, seed=2)
    alone = judge(lucky, rule_of_stores())
    assert alone.verdict == "regressed"
    assert alone.estimate is not None
    assert alone.estimate.p is not None
    assert alone.estimate.p > 0.0005
    among = judge_all([lucky, *(replace(stores(9, 7), key=str(number)) for number in range(100))], rule_of_stores())
    assert among[0].verdict == "inconclusive"
    assert "among 101 cases" in among[0].why


def test_a_real_one_stands_out_among_many():
    rows = [evidence(1.06 if seed == 3 else 1.0, seed=seed, key=str(seed)) for seed in range(30)]
    verdicts = [found.verdict for found in judge_all(rows, RULE)]
    assert verdicts[3] == "regressed"
    assert verdicts.count("regressed") == 1


def test_nothing_to_judge_is_no_error():
    assert judge_all((), RULE) == ()


# Whatever the numbers.

ratios = st.lists(st.floats(-0.2, 0.2), min_size=7, max_size=7)


def made(values):
    return Units((1.0,) * len(values), tuple(math.exp(value) for value in values))


@given(ratios, st.sampled_from(["lower", "higher"]))
@settings(deadline=None, max_examples=50)
def test_base_and_head_swapped_mirror_the_verdict(values, better):
    rule = Rule(second_stage_units=0, null_units=0)
    units = made(values)
    there = judge(Evidence("k", "m", better, units), rule).verdict
    back = judge(Evidence("k", "m", better, Units(units.head, units.base)), rule).verdict
    other = judge(Evidence("k", "m", "higher" if better == "lower" else "lower", units), rule).verdict
    assert back == other == MIRROR.get(there, there)


@given(ratios, st.sampled_from([2.0**-20, 0.5, 4.0, 2.0**20]))
@settings(deadline=None, max_examples=30)
def test_both_sides_in_another_unit_give_the_same_verdict(values, factor):
    rule = Rule(second_stage_units=0, null_units=0)
    units = made(values)
    scaled = Units(tuple(factor * x for x in units.base), tuple(factor * x for x in units.head))
    assert (
        judge(Evidence("k", "m", "lower", scaled), rule).verdict
        == judge(Evidence("k", "m", "lower", units), rule).verdict
    )


@given(ratios, st.floats(0, 0.3))
@settings(deadline=None, max_examples=30)
def test_a_larger_slowdown_never_turns_a_regression_into_anything_else(values, more):
    rule = Rule(second_stage_units=0, null_units=0)
    if judge(Evidence("k", "m", "lower", made(values)), rule).verdict == "regressed":
        slower = made([value + more for value in values])
        assert judge(Evidence("k", "m", "lower", slower), rule).verdict == "regressed"
