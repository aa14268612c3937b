"""Scales hold their values and have some ticks."""

from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.reports.charts.axis import Axis, axis_of


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=9), st.sampled_from(["log", "linear"]))
def test_an_axis_holds_its_values_and_some_ticks(values, scale):
    axis = axis_of(values, scale, 0.15)
    assert all(0 <= axis.share(value) <= 1 for value in values)
    assert 1 <= len(axis.ticks()) <= 12
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks())


def test_an_axis_has_a_length_whatever_a_record_holds():
    assert 0 < axis_of([1e18], "linear", 0.15).share(1e18) < 1


def test_ticks():
    assert Axis(0.13, 6.5, "log").ticks() == [0.2, 0.5, 1.0, 2.0, 5.0]
    assert Axis(58, 73, "linear").ticks() == [58.0, 60.0, 62.0, 64.0, 66.0, 68.0, 70.0, 72.0]
    assert Axis(1, 1e6, "log").ticks() == [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6]
