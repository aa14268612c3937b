"""The Pareto plots as files."""

import pytest

from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.reports.charts.picture import picture, picture_spec

from ...factories import make_case, make_default_records, make_failed_record, make_record


@pytest.mark.parametrize(("format", "magic"), [("png", b"\x89PNG"), ("svg", b"<svg"), ("pdf", b"%PDF")])
def test_pictures(format, magic):
    drawn = picture(case_results(make_default_records()), format)
    assert drawn is not None
    assert drawn.startswith(magic)
    if format == "svg":
        assert b"CoX3D-M (64)" in drawn
        assert b"var(--" not in drawn  # a picture has no style sheet


def test_a_picture_has_a_row_for_each_setting_and_arrows_in_each():
    other = [make_record(name, case=make_case(name, threads=1)) for name in ("x3d-m", "cox3d-m-16")]
    spec = picture_spec(case_results(make_default_records() + other))
    assert spec is not None
    assert [row["title"]["text"].split(" · ")[4] for row in spec["vconcat"]] == ["2 threads", "1 thread"]
    plots = [plot for row in spec["vconcat"] for plot in row["hconcat"]]
    assert len({plot["name"] for plot in plots}) == 8  # scales are called by the name
    assert picture(case_results([make_failed_record()]), "png") is None
