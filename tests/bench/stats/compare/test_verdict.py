import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from co3d_bench.bench.record.case import Case
from co3d_bench.bench.stats.compare import estimate
from co3d_bench.bench.stats.compare.estimate import within
from co3d_bench.bench.stats.compare.rule import Rule, rule_of_stores
from co3d_bench.bench.stats.compare.verdict import Evidence, Replicates, judge, judge_all

RULE = Rule()
MIRROR = {"regressed": "improved", "improved": "regressed"}


@pytest.fixture(autouse=True, scope="module")
def few_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "RESAMPLES", 999)
        yield


def stores(base=10, head=8, slowdown=1.0, sigma=0.01, seed=0, key="x3d-xs"):
    """What two stores have of one case."""
    noise = np.random.default_rng(seed)
    both = noise.lognormal(0, sigma, base), slowdown * noise.lognormal(0, sigma, head)
    return Evidence(key, "latency", "lower", Replicates(*(tuple(side.tolist()) for side in both)))


@pytest.mark.parametrize(
    ("slowdown", "verdict"),
    [(1.05, "regressed"), (1.10, "regressed"), (1.0, "equivalent"), (1.01, "equivalent"), (1 / 1.05, "improved")],
)
def test_four_verdicts_of_an_idle_host(slowdown, verdict):
    found = judge(stores(slowdown=slowdown), RULE)
    assert found.verdict == verdict
    assert found.estimate is not None
    assert found.estimate.slowdown == pytest.approx(slowdown, rel=0.01)
    assert found.replicates_needed is None


def test_a_noisy_host_gives_neither_a_pass_nor_a_failure_and_says_what_is_missing():
    found = judge(stores(sigma=0.15, seed=1), RULE)
    assert found.verdict == "inconclusive"
    assert found.detectable is not None
    assert found.detectable > 0.1
    assert found.replicates_needed is not None
    assert found.replicates_needed > 50


def test_too_few_processes_allow_no_verdict_and_say_how_many_are_missing():
    found = judge(stores(10, 6, 1.5), rule_of_stores())
    assert (found.verdict, found.replicates_needed) == ("inconclusive", 1)
    assert "6 of at least 7 fresh processes each of base and head" in found.why


def test_a_slowdown_just_as_large_as_must_not_pass_does_not_pass_for_equivalent():
    verdicts = [judge(stores(10, 10, 1.05, 0.012, seed), RULE).verdict for seed in range(40)]
    assert "equivalent" not in verdicts
    assert verdicts.count("regressed") >= 36


def test_what_must_not_pass_is_the_users():
    assert judge(stores(slowdown=1.05), Rule(max_slowdown=0.2)).verdict == "equivalent"
    assert judge(stores(slowdown=1.012, sigma=0.002), Rule(max_slowdown=0.01)).verdict == "regressed"


def test_trap_many_samples_of_few_processes():
    noise = np.random.default_rng(0)
    base, head = noise.normal(1, 1e-3, 10_000), noise.normal(1.05, 1e-3, 10_000)
    shown = within(base.tolist(), head.tolist())
    assert shown.low > 1.04  # as sure as can be, of these two processes
    assert shown.replicates == 1
    medians = tuple(float(np.median(side)) for side in (base, head))
    for count in (1, 2):
        replicates = Replicates((medians[0],) * count, (medians[1],) * count)
        for rule in (RULE, Rule(min_replicates=1)):
            assert judge(replace(stores(), first=replicates), rule).verdict == "inconclusive"


@pytest.mark.parametrize(("better", "verdict"), [("lower", "regressed"), ("higher", "improved")])
def test_trap_a_throughput_taken_for_a_latency(better, verdict):
    assert judge(replace(stores(slowdown=1.06), better=better), RULE).verdict == verdict


def test_trap_one_batch_compared_with_another():
    keys = {Case(model="x3d-xs", batch=batch).key for batch in (4, 8)}
    assert len(keys) == 2


def test_trap_many_cases_and_one_of_them_stands_out_by_chance():
    lucky = stores(9, 7, 1.035, sigma=0.017, seed=2)
    alone = judge(lucky, RULE)
    assert alone.verdict == "regressed"
    assert alone.estimate is not None
    assert alone.estimate.p is not None
    assert alone.estimate.p > 0.0005
    among = judge_all([lucky, *(stores(9, 7, key=str(number)) for number in range(100))], RULE)
    assert among[0].verdict == "inconclusive"
    assert "among 101 cases" in among[0].why


def test_a_real_one_stands_out_among_many():
    rows = [stores(slowdown=1.06 if seed == 3 else 1.0, seed=seed, key=str(seed)) for seed in range(30)]
    verdicts = [found.verdict for found in judge_all(rows, RULE)]
    assert verdicts[3] == "regressed"
    assert verdicts.count("regressed") == 1


def test_nothing_to_judge_is_no_error():
    assert judge_all((), RULE) == ()


# Whatever the numbers.

# No two so close that another unit would make them equal.
ratios = st.lists(st.integers(-2000, 2000).map(lambda value: value / 1e4), min_size=7, max_size=7)


def made(values):
    return Replicates((1.0,) * len(values), tuple(math.exp(value) for value in values))


@given(ratios, st.sampled_from(["lower", "higher"]))
@settings(deadline=None, max_examples=50)
def test_base_and_head_swapped_mirror_the_verdict(values, better):
    replicates = made(values)
    there = judge(Evidence("k", "m", better, replicates), RULE).verdict
    back = judge(Evidence("k", "m", better, Replicates(replicates.head, replicates.base)), RULE).verdict
    other = judge(Evidence("k", "m", "higher" if better == "lower" else "lower", replicates), RULE).verdict
    assert back == other == MIRROR.get(there, there)


@given(ratios, st.sampled_from([2.0**-20, 0.5, 4.0, 2.0**20]))
@settings(deadline=None, max_examples=30)
def test_both_sides_in_another_unit_give_the_same_verdict(values, factor):
    replicates = made(values)
    scaled = Replicates(tuple(factor * x for x in replicates.base), tuple(factor * x for x in replicates.head))
    assert (
        judge(Evidence("k", "m", "lower", scaled), RULE).verdict
        == judge(Evidence("k", "m", "lower", replicates), RULE).verdict
    )


@given(ratios, st.floats(0, 0.3))
@settings(deadline=None, max_examples=30)
def test_a_larger_slowdown_never_turns_a_regression_into_anything_else(values, more):
    if judge(Evidence("k", "m", "lower", made(values)), RULE).verdict == "regressed":
        slower = made([value + more for value in values])
        assert judge(Evidence("k", "m", "lower", slower), RULE).verdict == "regressed"
