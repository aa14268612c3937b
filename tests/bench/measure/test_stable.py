"""Whether a network is warm."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench.measure.stable import WINDOW, is_stable, median


def test_too_few_values_are_not_stable():
    assert not is_stable([1.0] * (WINDOW - 1))
    assert is_stable([1.0] * WINDOW)


@pytest.mark.parametrize(("level", "stable"), [(0.981, True), (0.979, False), (1.021, True), (3.0, True)])
def test_what_still_gets_faster_by_more_than_two_percent_is_not_warm(level, stable):
    assert is_stable([1.0] * 8 + [level] * 8) is stable


def test_only_the_newest_values_are_looked_at():
    assert is_stable([9.0] * 50 + [1.0] * WINDOW)


def test_noise_does_not_keep_a_warm_network_waiting():
    draw = random.Random(1)
    latencies = [1.0 + draw.uniform(-0.2, 0.2) for _ in range(64)]
    ends = [count for count in range(WINDOW, 65) if is_stable(latencies[:count])]
    assert ends[0] < 2 * WINDOW


def test_one_slow_value_among_fast_ones_changes_nothing():
    assert is_stable([1.0] * 7 + [30.0] + [1.0] * 8)


def test_latencies_that_still_fall_are_found_out():
    falling = [1.0 + 0.5 * 0.8**n for n in range(16)]
    assert not is_stable(falling)
    assert is_stable([*falling, *[1.0] * 16])


@given(st.lists(st.floats(1e-6, 1e3), min_size=16, max_size=60))
def test_what_counts_does_not_depend_on_the_unit(values):
    assert is_stable(values) == is_stable([4 * value for value in values])


def test_the_median_of_an_even_count_is_between_the_two_in_the_middle():
    assert (median([3.0, 1.0, 2.0]), median([4.0, 1.0, 3.0, 2.0])) == (2.0, 2.5)
    with pytest.raises(ValueError, match="no values"):
        median([])
