import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from co3d_bench.bench.stats import summary as stats
from co3d_bench.bench.stats.compare import estimate
from co3d_bench.bench.stats.compare.estimate import BOOTSTRAP_FROM, call_by_call, unpaired, within

figures = st.floats(1e-3, 1e3)
pairs = st.lists(st.tuples(figures, figures), min_size=1, max_size=9)


# Of the intervals of resampling, no property below asks for the last digit.
@pytest.fixture(autouse=True, scope="module")
def few_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "RESAMPLES", 999)
        yield


close = {"rel": 1e-6, "abs": 1e-9}


def ends(estimate):
    return estimate.slowdown, estimate.low, estimate.high


def inverse(value):
    return math.inf if value == 0 else 1 / value


def noisy(replicates, slowdown=1.0, sigma=0.02, seed=0):
    noise = np.random.default_rng(seed)
    return noise.lognormal(0, sigma, replicates), slowdown * noise.lognormal(0, sigma, replicates)


def test_a_constant_slowdown_of_equal_processes_is_found_exactly():
    found = unpaired([2.0] * 7, [2.1] * 7, better="lower")
    assert ends(found) == pytest.approx((1.05,) * 3)
    assert (found.replicates, found.paired, found.sigma) == (7, False, pytest.approx(0, abs=1e-9))


def test_the_estimate_is_the_median_of_the_differences_of_all_with_all():
    before, after = [0.01, 0.05, -0.02], [0.30, 0.02]
    by_hand = statistics.median(b - a for a in before for b in after)
    found = unpaired([math.exp(x) for x in before], [math.exp(x) for x in after], better="lower")
    assert math.log(found.slowdown) == pytest.approx(by_hand)


@pytest.mark.parametrize("both", [(4, 4), (5, 3), (5, 7), (7, 30)])
@pytest.mark.parametrize("seed", range(10))
def test_few_processes_likewise(both, seed):
    base, head = noisy(both[0], seed=seed)[0], noisy(both[1], slowdown=1.04, seed=seed + 100)[1]
    found = unpaired(base, head, better="lower")
    chance = scipy_stats.mannwhitneyu(head, base, method="exact").pvalue
    assert (found.low > 1 or found.high < 1) == (chance <= 0.05)


def test_many_processes_are_resampled_and_the_same_seed_gives_the_same_interval():
    base, head = noisy(BOOTSTRAP_FROM + 4, slowdown=1.05)
    assert unpaired(base, head, better="lower", seed=1) == unpaired(base, head, better="lower", seed=1)
    assert unpaired(base, head, better="lower", seed=1) != unpaired(base, head, better="lower", seed=2)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    held = 0
    for seed in range(150):
        base, head = noisy(12, slowdown=1.05, seed=seed)
        found = unpaired(base, head, better="lower")
        held += found.low <= 1.05 <= found.high
    assert held >= 130  # of 95 % in 150 fewer than that happens once in a thousand; a bootstrap of 12 holds about 92 %


@pytest.mark.parametrize("replicates", [1, 2, 3])
def test_too_few_units_leave_the_interval_open(replicates):
    found = unpaired([1.0, 1.01, 1.02][:replicates], [1.5, 1.51, 1.52][:replicates], better="lower")
    assert (found.low, found.high) == (0, math.inf)
    assert found.slowdown == pytest.approx(1.5, rel=0.02)
    assert (found.sigma is None) == (replicates == 1)


def test_processes_of_two_stores_need_not_be_as_many():
    base, head = noisy(20, seed=1)[0], noisy(9, slowdown=1.1, seed=2)[1]
    found = unpaired(base, head, better="lower")
    assert 1.05 < found.low < found.slowdown < found.high < 1.15
    assert (found.replicates, found.paired) == (9, False)


@given(pairs)
@settings(deadline=None, max_examples=25)
def test_base_and_head_swapped_turn_the_estimate_over(given_pairs):
    base, head = zip(*given_pairs, strict=True)
    there, back = unpaired(base, head, better="lower"), unpaired(head, base, better="lower")
    assert back.slowdown == pytest.approx(1 / there.slowdown, **close)
    if len(given_pairs) < BOOTSTRAP_FROM:  # exact; a bootstrap of other numbers draws others
        assert (back.low, back.high) == pytest.approx((inverse(there.high), inverse(there.low)), **close)


@given(pairs)
@settings(deadline=None, max_examples=25)
def test_a_better_direction_turned_over_is_base_and_head_swapped(given_pairs):
    base, head = zip(*given_pairs, strict=True)
    low = unpaired(base, head, better="lower")
    assert unpaired(base, head, better="higher").slowdown == pytest.approx(1 / low.slowdown, **close)


@given(pairs, st.floats(1e-2, 1e2))
@settings(deadline=None, max_examples=25)
def test_both_sides_scaled_change_nothing(given_pairs, factor):
    base, head = zip(*given_pairs, strict=True)
    there = unpaired(base, head, better="lower")
    scaled = unpaired([factor * x for x in base], [factor * x for x in head], better="lower")
    assert scaled.slowdown == pytest.approx(there.slowdown, **close)


@given(pairs)
@settings(deadline=None, max_examples=25)
def test_the_order_of_the_processes_is_nothing_to_the_estimate(given_pairs):
    base, head = zip(*given_pairs, strict=True)
    there = unpaired(base, head, better="lower").slowdown
    assert unpaired(base[::-1], head, better="lower").slowdown == pytest.approx(there, **close)


@given(st.lists(figures, min_size=1, max_size=50))
def test_median_of_an_even_count_lies_between_the_two_in_the_middle(values):
    assert stats.median(values) == pytest.approx(statistics.median(values), rel=1e-12)
    doubled = [each for value in values for each in (value, value)]  # always even
    assert stats.median(doubled) == pytest.approx(statistics.median(values), rel=1e-12)


@given(st.lists(figures, min_size=2, max_size=30))
@settings(deadline=None, max_examples=10)
def test_within_two_processes_the_ratio_is_that_of_their_medians(samples):
    found = within(samples, [2 * each for each in samples])
    assert found.slowdown == pytest.approx(2)
    assert found.replicates == 1  # whatever the samples: no verdict can come of it


def test_all_equal_is_no_difference_without_an_error():
    for replicates in (7, 12):
        found = unpaired([3.0] * replicates, [3.0] * replicates, better="lower")
        assert ends(found) == (1, 1, 1)
        assert found.p == 1


def test_a_zero_has_no_ratio():
    assert ends(unpaired([0.0] * 8, [1.0] * 8, better="lower")) == (math.inf, 0, math.inf)
    assert ends(unpaired([0.0] * 8, [1.0] * 8, better="higher")) == (0, 0, math.inf)
    assert ends(unpaired([0.0] * 8, [0.0] * 8, better="lower")) == (1, 0, math.inf)


def test_less_than_nothing_has_no_ratio_either():
    """Energy above idle is less than 0 where the device took more while it was idle."""
    assert ends(unpaired([-1.0] * 8, [1.0] * 8, better="lower")) == (math.inf, 0, math.inf)
    assert ends(unpaired([-1.0] * 8, [-2.0] * 8, better="lower")) == (math.inf, 0, math.inf)
    assert ends(unpaired([-1.0, *[1.0] * 7], [2.0] * 8, better="lower")) == (2, 0, math.inf)


@pytest.mark.parametrize(
    ("base", "head", "said"),
    [
        ([], [], "no figures"),
        ([math.nan], [1.0], "finite"),
    ],
)
def test_what_is_no_figure_is_refused(base, head, said):
    with pytest.raises(ValueError, match=said):
        unpaired(base, head, better="lower")


@given(pairs, st.data())
def test_what_slows_two_calls_beside_each_other_drops_out(calls, data):
    base, head = zip(*calls, strict=True)
    slow = data.draw(st.lists(figures, min_size=len(calls), max_size=len(calls)))
    beside = [[factor * each for factor, each in zip(slow, side, strict=True)] for side in (base, head)]
    assert call_by_call(*beside) == pytest.approx(call_by_call(base, head), rel=1e-6)
    assert call_by_call(head, base) == pytest.approx(1 / call_by_call(base, head), rel=1e-6)


def test_interleaved_calls_say_more_than_two_medians_on_a_machine_that_changes_within_a_second():
    """Each call's speed is the machine's of that moment, in waves of 20 %, and 1 % of its own."""
    noise = np.random.default_rng(0)
    by_calls, by_medians = [], []
    for _ in range(200):
        wave = 0.2 * np.sin(noise.uniform(0, 7) + np.arange(60) / noise.uniform(1, 9))
        base, head = np.exp(wave[::2] + noise.normal(0, 0.01, 30)), np.exp(wave[1::2] + noise.normal(0, 0.01, 30))
        by_calls.append(math.log(call_by_call(base.tolist(), head.tolist())))
        by_medians.append(math.log(np.median(head) / np.median(base)))
    assert np.std(by_calls) < np.std(by_medians) / 2


def test_one_that_went_on_alone_is_left_out_there():
    assert call_by_call([1.0, 2.0, 3.0], [1.1, 2.2, 3.3, 99.0, 99.0]) == pytest.approx(1.1)
