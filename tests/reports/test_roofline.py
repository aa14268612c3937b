"""Profiles in the terminal and on the page."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from co3d_bench.bench.profile.operator_profile import append_profile
from co3d_bench.bench.record.store import append_record
from co3d_bench.reports.charts.axis import Axis
from co3d_bench.reports.charts.roofline import NAMED, roof, roofline_chart
from co3d_bench.reports.commands import write_report
from co3d_bench.reports.html import render_html
from co3d_bench.reports.notation import MISSING
from co3d_bench.reports.page import page_of
from co3d_bench.reports.profile_table import percent, render_profile
from co3d_bench.reports.sections.roofline import render

from ..factories import make_default_records, make_model, make_record
from ..profiles import make_operator, make_profile
from .charts.specs import assert_valid
from .conftest import resize

HOSTILE = "<script>alert(1)</script>"


def points(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (layer,) = [layer for layer in spec["layer"] if layer["mark"]["type"] == "point"]
    return {point["kind"]: point for point in layer["data"]["values"]}


def shown_in(width: int, **changes: Any) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(render_profile(make_profile(**changes)))
    return captured.get()


def test_each_kind_is_a_point_at_its_intensity_and_rate():
    spec = roofline_chart(make_profile(traced_step_s=24e-3))
    assert_valid(spec)
    found = points(spec)
    assert set(found) == {"matrix product", "depthwise convolution 3 x 3", "batch norm", "silu", "add"}
    product = found["matrix product"]  # 54 x 4 M in 8 ms, 54 x 0.3 MB
    assert product["x"] == pytest.approx(4 / 0.3)
    assert product["y"] == pytest.approx(54 * 4e6 / 8e-3 / 1e9)
    assert (product["bound"], found["batch norm"]["bound"], found["add"]["bound"]) == ("compute", "memory", "calls")
    assert product["size"] > found["silu"]["size"]
    assert "27 % of the matrix product" in product["tooltip"]["Rate"]


def test_the_roof_bends_where_both_ceilings_meet():
    line = roof(make_profile(), Axis(0.1, 100.0, "log"))
    assert [(p["x"], p["y"]) for p in line] == [(0.1, 1.0), (10.0, 100.0), (100.0, 100.0)]
    flat = roof(make_profile(), Axis(20.0, 100.0, "log"))
    assert [p["y"] for p in flat] == [100.0, 100.0]


def test_the_dearest_kinds_have_their_names_in_the_plot():
    operators = tuple(make_operator(f"kind {place}", traced_s=1e-3 / (place + 1)) for place in range(9))
    spec = roofline_chart(make_profile(operators=operators))
    assert spec is not None
    (names, _) = [
        layer["data"]["values"]
        for layer in spec["layer"]
        if layer["mark"]["type"] == "text" and len(layer["data"]["values"]) > 1
    ]
    assert [point["kind"] for point in names] == [f"kind {place}" for place in range(NAMED)]


def test_there_is_no_plot_of_copies_alone():
    assert roofline_chart(make_profile(operators=(make_operator("copy", macs=0),))) is None


def test_the_section_has_the_dearest_operators_and_what_is_left():
    html = str(render(page_of([make_record()], [make_profile(traced_step_s=24e-3)])))
    assert html.count('<th scope="row"') == 7  # five, the others, and between operators
    assert "2 others" in html
    assert "1x24x56x56, 54x24" in html
    assert ">3.40</span>" in html  # 24 ms less 20.6
    assert "matrix product 100 GMAC/s, copy 10.0 GB/s" in html


def test_without_profiles_there_is_no_section():
    assert render(page_of([make_record()])) is None


def test_names_are_escaped():
    shown = {
        "model": make_model(title=HOSTILE),
        "notes": (HOSTILE,),
        "operators": (make_operator(HOSTILE, name=HOSTILE),),
    }
    hostile = make_profile().model_copy(update=shown)
    assert HOSTILE not in str(render(page_of([make_record()], [hostile])))


def test_the_report_of_a_store_has_the_profiles_that_lie_in_it(tmp_path):
    append_record(tmp_path, make_record())
    assert "Roofline of" not in write_report(tmp_path).read_text(encoding="utf-8")
    append_profile(tmp_path, make_profile())
    assert "Roofline of CoX3D-M (16)" in write_report(tmp_path).read_text(encoding="utf-8")


def test_the_terminal_shows_all_columns_where_there_is_room():
    text = shown_in(160, traced_step_s=24e-3)
    for part in ("CoX3D-M (16)", "GMAC/s", "of copy", "matrix product", "3.40 ms (14 %) lies between", "1x24x56x56"):
        assert part in text
    assert "Traceback" not in text


@pytest.mark.parametrize("width", [60, 80, 120, 160])
def test_the_terminal_never_breaks_a_row(width):
    table = [line for line in shown_in(width).splitlines() if "depthwise convolution" in line]
    assert len(table) == 2  # by kind and one by one, a line each
    assert all(len(line) <= width for line in table)
    assert "6.00" in table[0]


def test_percent_has_a_decimal_only_where_it_matters():
    assert percent(None) == MISSING
    assert [percent(share) for share in (0.0, 0.0312, 0.0996, 0.5, 2.4)] == ["0.0", "3.1", "10", "50", "240"]


def test_the_page_draws_it_and_shows_figures_under_the_pointer(open_html: Any) -> None:
    opened = open_html(render_html(make_default_records(), [make_profile()]))
    page = opened.page
    for width, scheme in ((390, "dark"), (1280, "light")):
        page.emulate_media(color_scheme=scheme)
        resize(page, width)
        page.locator('.roofline svg .mark-symbol path[aria-label*="matrix product"]').first.hover()
        page.wait_for_selector("#vg-tooltip-element.visible", timeout=5000)
        assert "27 % of the matrix product" in " ".join(page.locator("#vg-tooltip-element").inner_text().split())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.complaints == []
