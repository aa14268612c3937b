"""The page of a comparison: as text, and as a reader meets it in a real browser."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from co3d_bench.reports import theme
from co3d_bench.reports.comparison import words
from co3d_bench.reports.comparison.html import html
from co3d_bench.reports.comparison.plot import MOST_ROWS, axis_of, drawn, interval_chart, ticks
from co3d_bench.reports.html import _bundle

from ..charts.specs import assert_valid
from ..conftest import Opened, resize
from .findings import (
    EQUIVALENT,
    EVERY,
    FAILED,
    GONE,
    IMPROVED,
    INCONCLUSIVE,
    REGRESSED,
    comparison,
    estimate,
    hostile,
    judged,
)
from .test_forms import NAMES


class Elements(HTMLParser):
    """Every tag of a page with the names of its attributes, without what stands between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page.replace(_bundle(), ""))  # which is ours, and long

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


@settings(max_examples=15, deadline=None)
@given(NAMES)
def test_names_make_no_elements(name: str) -> None:
    one = len(words.short_keys(hostile(name).findings).common) > 0  # which is shown where there is one
    expected = Elements(html(hostile("a/b" if one else "a"))).found
    assert Elements(html(hostile(name))).found == expected


def test_the_page_brings_everything_and_allows_nothing_else() -> None:
    page = html(comparison(*EVERY))
    without_code = re.sub(r"<script[^>]*>.*?</script>", "", page, flags=re.DOTALL)
    assert re.findall(r"""(?:src|href)=["'](?!#)""", without_code) == []
    assert not re.search(r"url\(|@import", without_code)
    assert not re.search(r"""\son\w+=|\sstyle=["']""", without_code)
    assert "default-src &#39;none&#39;" in page
    assert "unsafe" not in page.partition("</head>")[0].partition("content=")[2].partition(">")[0]


def test_empty_sections_are_left_out() -> None:
    def sections(*findings: Any) -> list[str]:
        return re.findall(r"<section id=\"(\w+)\"", html(comparison(*findings)))

    assert sections(*EVERY) == ["intervals", "rows", "aside", "exact", "method"]
    assert sections(REGRESSED) == ["intervals", "rows", "method"]
    assert sections(GONE, FAILED) == ["aside", "method"]


def test_exact_figures_that_are_the_same_are_folded() -> None:
    page = html(comparison(*EVERY))
    assert "1 of 2 are the same in base and head." in page
    assert "<details><summary>Unchanged figures</summary>" in page


slowdowns = st.floats(1e-3, 1e3)


@given(st.lists(st.tuples(slowdowns, slowdowns, slowdowns), min_size=1, max_size=8), st.floats(0.001, 0.9))
def test_every_estimate_and_the_band_lie_inside_the_axis_and_no_change_has_a_tick(triples: Any, limit: float) -> None:
    found = [judged("a", "inconclusive", estimate(*(sorted(t)[i] for i in (1, 0, 2)))) for t in triples]
    axis = axis_of(found, limit)
    assert axis.low < 1 / (1 + limit) < 1 + limit < axis.high
    for finding in found:
        slowdown = words.estimate(finding).slowdown  # type: ignore[union-attr]
        assert axis.low <= min(max(slowdown, 0.01), 100) <= axis.high
    marks = ticks(axis)
    assert any(math.isclose(mark, 1) for mark in marks)
    assert len(marks) <= 12
    assert all(axis.low <= mark <= axis.high for mark in marks)


def test_an_interval_without_ends_is_drawn_to_the_edges() -> None:
    endless = judged("x3d-s", "inconclusive", estimate(1.1, 0.0, math.inf, 1))
    spec = interval_chart(comparison(REGRESSED, endless))
    assert_valid(spec)
    text = str(spec)
    assert "inf" not in text.replace("Interval", "")
    assert "'cut': ['low', 'high']" in text


def test_many_rows_draw_those_that_need_a_reader() -> None:
    many = [replace(EQUIVALENT, key=f"n{n}") for n in range(MOST_ROWS)]
    shown = drawn(comparison(*many, REGRESSED))
    assert len(shown) == MOST_ROWS
    assert shown[0] == REGRESSED
    assert "1 more rows are in the table." in html(comparison(*many, REGRESSED))


def test_nothing_judged_draws_nothing() -> None:
    assert interval_chart(comparison(GONE, FAILED)) is None
    lost = replace(REGRESSED, judgement=replace(REGRESSED.judgement, estimate=estimate(math.inf, 0.0, math.inf)))
    assert interval_chart(comparison(lost)) is None


@pytest.fixture(scope="module")
def open_page(open_html: Callable[..., Opened]) -> Callable[..., Opened]:
    """Write the page of a comparison, open it, wait until its plot is drawn."""
    return lambda found, **options: open_html(html(found), **options)


# Every mark of an estimate: its name, its outline, its colour, whether it is filled.
MARKS = """() => Array.from(document.querySelectorAll("#intervals .mark-symbol path[aria-label]")).map(mark => [
    mark.getAttribute("aria-label"), mark.getAttribute("d"), getComputedStyle(mark).stroke,
    getComputedStyle(mark).fill === getComputedStyle(mark).stroke])"""


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"


def test_verdicts_differ_in_shape_and_in_colour(open_page: Any) -> None:
    opened = open_page(comparison(REGRESSED, INCONCLUSIVE, IMPROVED, EQUIVALENT))
    assert opened.complaints == []
    assert len(opened.requests) == 1
    marks = opened.page.evaluate(MARKS)
    assert [name for name, *_ in marks] == ["x3d-m", "x3d-s", "cox3d-s-13", "x3d-xs"]
    assert len({outline for _, outline, _, _ in marks}) == 4
    colours = [rgb(theme.LIGHT[name]) for name in ("error", "warn", "frame", "muted")]
    assert [colour for _, _, colour, _ in marks] == colours
    assert [filled for *_, filled in marks] == [True, False, True, True]
    opened.page.emulate_media(color_scheme="dark")
    assert opened.page.evaluate(MARKS)[0][2] == rgb(theme.DARK["error"])


def test_marks_and_band_lie_where_the_figures_are(open_page: Any) -> None:
    page = open_page(comparison(REGRESSED, INCONCLUSIVE, IMPROVED, EQUIVALENT)).page
    middles = page.evaluate("""() => Array.from(document.querySelectorAll("#intervals .mark-symbol path[aria-label]"))
        .map(mark => { const box = mark.getBoundingClientRect(); return (box.left + box.right) / 2; })""")
    slow = [1.091, 1.03, 0.88, 1.004]
    scale = (middles[0] - middles[2]) / (slow[0] - slow[2])  # two of them give the scale, the others and the band obey
    at = [middles[0] + scale * (value - slow[0]) for value in slow]
    assert middles == pytest.approx(at, abs=1.0)
    band = page.evaluate("""() => { const box = document.querySelector("#intervals .mark-rect path")
        .getBoundingClientRect(); return [box.left, box.right]; }""")
    ends = [middles[0] + scale * (value - slow[0]) for value in (1 / 1.05, 1.05)]
    assert band == pytest.approx(ends, abs=1.5)


def test_the_page_never_scrolls_sideways_and_the_plot_fits(open_page: Any) -> None:
    page = open_page(comparison(*EVERY, notes=("the host was noisy",))).page
    for width in (320, 390, 1280):
        resize(page, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.eval_on_selector(".drawing", "box => box.querySelector('svg').clientWidth <= box.clientWidth + 1")


def test_names_are_not_crossed_by_verdicts_on_a_phone(open_page: Any) -> None:
    long = [replace(REGRESSED, key=f"path/to/a-rather-long-name-of-a-network-{n}.py:factory") for n in range(3)]
    page = open_page(comparison(*long), width=390).page
    boxes = page.evaluate("""() => Array.from(document.querySelectorAll("#intervals .mark-text text"))
        .map(text => [text.textContent, text.getBoundingClientRect()])
        .map(([text, box]) => [text, box.left, box.right, box.top])""")
    verdicts = [box for box in boxes if "regressed" in box[0]]
    names = [box for box in boxes if "regressed" not in box[0]]
    assert len(verdicts) == 3
    for _, left, _, top in verdicts:
        assert all(right <= left for _, _, right, other in names if abs(other - top) < 5)


def test_a_mark_shows_its_figures_under_the_pointer(open_page: Any) -> None:
    page = open_page(comparison(*EVERY)).page
    page.locator('#intervals .mark-symbol path[aria-label="x3d-s"]').hover()
    page.wait_for_selector("#vg-tooltip-element.visible", timeout=5000)
    shown = " ".join(page.locator("#vg-tooltip-element").inner_text().split())
    for text in ("x3d-s", "inconclusive", "+3.0 % time", "\u22126.0 to +13.0 %", "21 more pairs needed"):
        assert text in shown


def test_the_table_sorts_and_headings_are_in_order(open_page: Any) -> None:
    page = open_page(comparison(*EVERY)).page
    order = "rows => rows.map(row => row.cells[0].dataset.value)"
    planned = ["x3d-m", "x3d-s", "cox3d-s-13", "x3d-xs"]
    assert page.eval_on_selector_all("#rows tbody tr", order) == planned
    page.locator("#rows").get_by_role("button", name="Cost").click()
    assert page.eval_on_selector_all("#rows tbody tr", order) == ["x3d-m", "x3d-s", "x3d-xs", "cox3d-s-13"]
    page.locator("#rows").get_by_role("button", name="Outcome").click()
    assert page.eval_on_selector_all("#rows tbody tr", order) == planned
    levels = page.eval_on_selector_all("h1, h2, h3", "els => els.map(e => Number(e.tagName[1]))")
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_hostile_names_are_text_in_the_browser(open_page: Any) -> None:
    opened = open_page(hostile("</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>"))
    assert opened.complaints == []
    assert len(opened.requests) == 1
    assert "<img src=x onerror=alert(2)>" in opened.page.locator("#aside").inner_text()
