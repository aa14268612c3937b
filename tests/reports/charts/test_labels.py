"""Names of points keep out of each other's way, at every width a page may have."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from co3d_bench.reports.charts.labels import WIDTHS_PX, Line, Point, label_positions, overlapping

HEIGHT_PX = 320.0

# Six networks as they lie in the plot of accuracy against computation.
NETWORKS = [
    Point(0.42, 0.87, "X3D-XS"),
    Point(0.68, 0.52, "X3D-S"),
    Point(0.88, 0.36, "X3D-M"),
    Point(0.11, 0.82, "CoX3D-S (13)"),
    Point(0.27, 0.66, "CoX3D-M (16)"),
    Point(0.27, 0.12, "CoX3D-M (64)"),
]


@pytest.mark.parametrize("width", [280, 320, 400, 500, 700, 1040, 1200])
def test_the_default_networks_never_collide(width):
    positions = label_positions(NETWORKS, height_px=HEIGHT_PX)
    assert overlapping(NETWORKS, positions, width, HEIGHT_PX) == []


def test_a_lonely_point_has_its_name_above():
    (spot,) = label_positions([Point(0.5, 0.5, "X3D-M")])
    assert (spot.dx, spot.align, spot.far) == (0.0, "center", False)
    assert spot.dy < 0


def test_names_stay_inside_where_there_is_room():
    for x, align in ((0.0, "left"), (1.0, "right")):
        (spot,) = label_positions([Point(x, 0.5, "CoX3D-M (64)")])
        assert spot.align == align


def test_a_name_makes_way_for_a_line():
    lonely = Point(0.5, 0.5, "X3D-M")
    (spot,) = label_positions([lonely], [Line((0.0, 0.44), (1.0, 0.44), 10.0)])  # where the name would stand
    assert spot.dy >= 0


def test_equal_points_get_different_positions():
    twins = [Point(0.5, 0.5, "A"), Point(0.5, 0.5, "B")]
    positions = label_positions(twins)
    assert positions[0] != positions[1]
    assert all(overlapping(twins, positions, width, HEIGHT_PX) == [] for width in WIDTHS_PX)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.builds(Point, st.floats(0.1, 0.9), st.floats(0.1, 0.9), st.just("CoX3D")), max_size=7))
def test_placing_is_deterministic_and_never_worse_than_all_names_above(points):
    positions = label_positions(points, height_px=HEIGHT_PX)
    assert positions == label_positions(points, height_px=HEIGHT_PX)
    above = label_positions([Point(0.5, 0.5, "x")]) * len(points)
    assert sum(len(overlapping(points, positions, w, HEIGHT_PX)) for w in WIDTHS_PX) <= sum(
        len(overlapping(points, above, w, HEIGHT_PX)) for w in WIDTHS_PX
    )
