"""How numbers and marks are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench.stats.case_result import Figure
from co3d_bench.reports.notation import (
    MISSING,
    Footnotes,
    answers_due,
    fixed,
    mark,
    number,
    plus_minus,
    times,
    with_interval,
)

from ..factories import make_record


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.166565, "0.167"),
        (0.0999999, "0.100"),
        (26.4, "26.4"),
        (9.996, "10.0"),
        (99.96, "100"),
        (131.5, "132"),
        (1250.4, "1250"),
        (-3.14159, "-3.14"),
        (None, MISSING),
        (float("inf"), "inf"),
    ],
)
def test_three_figures(value, text):
    assert number(value) == text


@given(st.floats(1e-6, 1e9))
def test_a_number_is_rounded_by_less_than_a_half_in_its_third_figure(value):
    text = number(value)
    assert "e" not in text
    assert float(text) == pytest.approx(value, rel=0.00501)


@pytest.mark.parametrize(
    ("value", "spread", "text"),
    [
        (39.42, 0.68, "39.4 ± 0.7"),
        (287.0, 1.9, "287 ± 2"),
        (287.0, 0.0, "287 ± 0"),
        (287.0, 0.04, "287 ± 0.04"),
        (8.408, 0.4177, "8.41 ± 0.42"),
        (None, None, MISSING),
        (5.0, None, "5.00"),
    ],
)
def test_value_and_spread(value, spread, text):
    assert plus_minus(value, spread) == text


@pytest.mark.parametrize(
    ("value", "low", "high", "processes", "text"),
    [
        (27.4, 26.94, 28.06, 7, "27.4 (26.9 to 28.1)"),
        (27.4, 26.94, 28.06, 6, "27.4 (26.9 to 28.1)"),
        (27.4, 26.94, 28.06, 5, "27.4 (26.9 to 28.1, n = 5)"),
        (27.4, 27.4, 27.4, 1, "27.4 (n = 1)"),
        (287.4, 281.2, 290.9, 9, "287 (281 to 291)"),
    ],
)
def test_a_figure_and_its_interval(value, low, high, processes, text):
    assert with_interval(Figure(value / 1e3, low / 1e3, high / 1e3, processes, make_record())) == text
    assert with_interval(None) == MISSING


@pytest.mark.parametrize(
    ("per_s", "every", "states", "text"),
    [
        (30, 1, 1, "30/s"),
        (29.97, 1, 1, "30/s"),
        (23.976, 1, 1, "24/s"),
        (120, 1, 1, "120/s"),
        (6, 5, 1, "6/s (1 in 5)"),
        (0.5, 60, 1, "0.5/s (1 in 60)"),
        (30, 1, 5, "30/s (5 states)"),
    ],
)
def test_how_often_an_answer_is_due(per_s, every, states, text):
    assert answers_due(per_s, every, states) == text


def test_decimals_and_ratios():
    assert fixed(2)(62.8) == "62.80"
    assert fixed(2)(None) == MISSING
    assert times(11.27) == "11 times"
    assert times(8.26) == "8.3 times"


def test_marks_go_on_after_z():
    assert [mark(i) for i in (0, 1, 25, 26, 27, 51, 52, 701, 702)] == [
        "a", "b", "z", "aa", "ab", "az", "ba", "zz", "aaa",
    ]  # fmt: skip


def test_one_mark_for_one_text():
    notes = Footnotes()
    assert notes.marks(["noisy", "few samples"]) == ("a", "b")
    assert notes.marks(["few samples", "slow"]) == ("b", "c")
    assert notes.all() == (("a", "noisy"), ("b", "few samples"), ("c", "slow"))
