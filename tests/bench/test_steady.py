"""Whether a series has come to rest."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench.steady import SteadyRule, is_steady, largest_change, median

RULE = SteadyRule()


def test_too_few_values_are_not_steady():
    assert not is_steady([1.0] * (RULE.window - 1))
    assert is_steady([1.0] * RULE.window)


@pytest.mark.parametrize(("level", "steady"), [(1.019, True), (1.021, False), (0.981, True), (0.979, False)])
def test_a_change_that_stands_out_matters_from_two_percent(level, steady):
    assert is_steady([1.0] * 8 + [level] * 8) is steady


def test_a_change_within_the_scatter_is_none():
    draw = random.Random(1)
    assert is_steady([1.0 + draw.uniform(-0.2, 0.2) for _ in range(16)])


def test_one_slow_value_among_fast_ones_is_no_change_of_level():
    assert is_steady([1.0] * 7 + [30.0] + [1.0] * 8)


def test_latencies_that_still_fall_are_found_out():
    falling = [1.0 + 0.5 * 0.8**n for n in range(16)]
    change = largest_change(falling, RULE.shortest)
    assert change.relative < -RULE.tolerance
    assert not is_steady(falling)
    assert is_steady([*falling, *[1.0] * 16])


def test_the_place_of_a_change_is_where_it_was_made():
    draw = random.Random(2)
    values = [draw.gauss(1.0, 0.01) for _ in range(30)] + [draw.gauss(1.1, 0.01) for _ in range(70)]
    change = largest_change(values, 8)
    assert change.place == 30
    assert change.relative == pytest.approx(0.1, abs=0.01)
    assert change.errors > 10


def test_a_series_too_short_to_be_parted_is_an_error():
    with pytest.raises(ValueError, match="7 values cannot be parted into two times 4"):
        largest_change([1.0] * 7, 4)


@given(st.lists(st.floats(1e-6, 1e3), min_size=8, max_size=60), st.floats(1e-3, 1e3))
def test_what_counts_does_not_depend_on_the_unit(values, scale):
    one, other = largest_change(values, 4), largest_change([scale * v for v in values], 4)
    assert other.relative == pytest.approx(one.relative, rel=1e-6, abs=1e-9)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=101))
def test_the_median_has_as_many_values_below_as_above(values):
    middle = median(values)
    assert sum(v < middle for v in values) <= len(values) / 2
    assert sum(v > middle for v in values) <= len(values) / 2
    if len(values) % 2 == 0:  # of an even count it is between the two, not the upper one
        low, high = sorted(values)[len(values) // 2 - 1 : len(values) // 2 + 1]
        assert middle == (low + high) / 2
