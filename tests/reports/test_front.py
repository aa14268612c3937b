"""The front is a rule, so it is tested as one."""

from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.bench.stats.metrics import get_metric
from co3d_bench.reports.front import dominates, front, front_of_points

from ..factories import make_default_records, make_failed_record, make_model, make_record

# Few distinct values, so that ties and equal points are common.
VALUES = st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=False, allow_infinity=False))
POINTS = st.lists(st.tuples(VALUES, VALUES), max_size=12)
WAYS = st.tuples(st.sampled_from(["lower", "higher"]), st.sampled_from(["lower", "higher"]))


@given(POINTS, WAYS)
def test_no_point_of_the_front_is_dominated_and_every_other_is(points, ways):
    chosen = set(front_of_points(points, ways))
    for index, point in enumerate(points):
        dominators = [k for k, other in enumerate(points) if dominates(other, point, ways)]
        assert (index in chosen) == (not dominators)
        if dominators:  # by some point of the front, not only by another dominated one
            assert chosen & set(dominators)


@given(POINTS, WAYS, st.randoms())
def test_the_order_of_the_points_does_not_matter(points, ways, random):
    shuffled = list(points)
    random.shuffle(shuffled)
    assert sorted(points[i] for i in front_of_points(points, ways)) == sorted(
        shuffled[i] for i in front_of_points(shuffled, ways)
    )


@given(POINTS, WAYS)
def test_some_point_is_on_the_front_if_there_is_any(points, ways):
    assert bool(front_of_points(points, ways)) == bool(points)


def test_ties_are_kept_missing_is_left_out_and_zero_is_a_value():
    ways = ("lower", "higher")
    assert front_of_points([(1.0, 2.0), (1.0, 2.0), (1.0, 1.0)], ways) == (0, 1)
    assert front_of_points([(None, 9.0), (0.0, 0.0), (1.0, None)], ways) == (1,)
    assert front_of_points([(0.0, 0.0), (1.0, 0.0)], ways) == (0,)


def test_the_default_networks():
    records = case_results(make_default_records())
    macs, accuracy = get_metric("macs"), get_metric("accuracy")
    chosen = [r.case.model for r in front(records, macs, accuracy)]
    assert chosen == ["cox3d-s-13", "cox3d-m-16", "cox3d-m-64"]
    # More is better on this axis: the metric says so itself.
    fastest = [r.case.model for r in front(records, get_metric("throughput"), accuracy)]
    assert fastest == ["cox3d-s-13", "cox3d-m-16", "cox3d-m-64"]


def test_records_without_a_figure_are_not_on_the_front():
    unpublished = make_record("x3d-s", model=make_model("x3d-s", published=None))
    records = case_results([make_failed_record("x3d-m"), unpublished])
    assert front(records, get_metric("macs"), get_metric("accuracy")) == ()
