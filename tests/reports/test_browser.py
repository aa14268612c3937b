"""The page as a reader meets it, in a real browser."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from ..factories import DEFAULT_MODELS, make_default_records, make_failed_record, make_mixed_records, make_model
from ..factories import make_record as record_of
from .device_records import on_board, on_card

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"

# The models whose mark is fully drawn in a plot; faded ones have an opacity below 1.
BRIGHT = """figure => Array.from(figure.querySelectorAll(".mark-symbol path[aria-label]"))
    .filter(mark => Number(mark.getAttribute("opacity") ?? 1) === 1).map(mark => mark.getAttribute("aria-label"))"""


def bright(page: Any) -> list[list[str]]:
    return [sorted(figure.evaluate(BRIGHT)) for figure in page.query_selector_all(".plots figure")]


def symbol(page: Any, plot: str, title: str) -> Any:
    return page.locator(f'.plot-{plot} svg .mark-symbol path[aria-label*="{title}"]')


def test_nothing_is_fetched_and_nothing_goes_wrong(open_report: Any) -> None:
    opened = open_report(make_mixed_records())
    assert opened.complaints == []
    assert len(opened.requests) == 1  # the file itself
    assert opened.requests[0].startswith("file:")
    assert opened.page.locator(".plots svg").count() == 3
    assert opened.page.locator(".strips svg").count() == 5  # six networks, one failed


def test_a_point_shows_its_figures_under_the_pointer(open_report: Any) -> None:
    page = open_report(make_mixed_records()).page
    symbol(page, "macs", "CoX3D-M (16)").hover()
    page.wait_for_selector("#vg-tooltip-element.visible", timeout=5000)
    shown = page.locator("#vg-tooltip-element").inner_text()
    for text in (
        "CoX3D-M (16)",
        "0.325 G (paper 0.33)",
        "62.80 %",
        "other work kept up to 0.94 cores busy",
        "7.57 ± 0.14",
    ):
        assert text in " ".join(shown.split())


def test_a_point_or_a_row_highlights_its_network_everywhere(open_report: Any) -> None:
    opened = open_report(make_default_records())
    page = opened.page
    everything = bright(page)
    assert [len(names) for names in everything] == [6, 6, 6]

    symbol(page, "memory", "CoX3D-S (13)").click()
    assert bright(page) == [["CoX3D-S (13)"]] * 3
    assert page.locator("tr.picked").get_attribute("data-model") == "cox3d-s-13"
    assert page.locator(".strips figure.faded").count() == 5

    page.locator("tr[data-model=x3d-m] td").first.click()
    assert bright(page) == [["X3D-M"]] * 3
    page.keyboard.press("Escape")
    assert bright(page) == everything
    assert opened.complaints == []


def test_rows_can_be_picked_and_sorted_by_keyboard(open_report: Any) -> None:
    page = open_report(make_mixed_records()).page
    page.locator("tr[data-model=cox3d-m-64] button.pick").focus()
    page.keyboard.press("Enter")
    assert page.locator("tr[data-model=cox3d-m-64] button.pick").get_attribute("aria-pressed") == "true"
    assert bright(page) == [["CoX3D-M (64)"]] * 3

    order = "rows => rows.map(row => row.dataset.model)"
    planned = page.eval_on_selector_all(".results tbody tr", order)
    page.get_by_role("button", name="Throughput").focus()
    page.keyboard.press("Enter")
    fastest = ["cox3d-s-13", "cox3d-m-64", "cox3d-m-16", "x3d-xs", "x3d-s", "x3d-m"]
    assert page.eval_on_selector_all(".results tbody tr", order) == fastest
    page.keyboard.press("Enter")  # the failed one stays last
    assert page.eval_on_selector_all(".results tbody tr", order) == [*reversed(fastest[:-1]), "x3d-m"]
    page.keyboard.press("Enter")
    assert page.eval_on_selector_all(".results tbody tr", order) == planned


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_page_never_scrolls_sideways(open_report: Any, width: int) -> None:
    page = open_report([*make_mixed_records(), on_board("x3d-m", fell=True), on_card("x3d-m")], width=width).page
    assert page.locator("#device table").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = page.eval_on_selector_all(
        ".drawing", "boxes => boxes.filter(box => box.querySelector('svg').clientWidth > box.clientWidth + 1).length"
    )
    assert wide == 0  # every chart fits its card


def test_names_in_the_plots_do_not_lie_on_each_other(open_report: Any) -> None:
    collisions = """figure => {
        const names = Array.from(figure.querySelectorAll(".mark-text text")).filter(t => /X3D/.test(t.textContent));
        const boxes = new Map(names.map(t => [t.textContent, t.getBoundingClientRect()]));
        const found = [];
        for (const [a, p] of boxes) for (const [b, q] of boxes)
            if (a < b && p.left < q.right && q.left < p.right && p.top < q.bottom && q.top < p.bottom)
                found.push([a, b]);
        return found; }"""
    for width in (390, 900, 1280):
        page = open_report(make_default_records(), width=width).page
        for figure in page.query_selector_all(".plots figure"):
            assert figure.evaluate(collisions) == [], width


def test_light_and_dark_differ_also_inside_the_charts(open_report: Any) -> None:
    page = open_report(make_default_records(), scheme="light").page
    colours = """() => [getComputedStyle(document.body).backgroundColor,
        getComputedStyle(document.querySelector('.plots svg .mark-symbol path[aria-label]')).fill,
        getComputedStyle(document.querySelector('.plots svg text')).fill]"""
    light = page.evaluate(colours)
    page.emulate_media(color_scheme="dark")  # while the page is open, as when the evening comes
    dark = page.evaluate(colours)
    assert all(a != b for a, b in zip(light, dark, strict=True))
    page.emulate_media(color_scheme="dark", media="print")  # paper is white
    assert page.evaluate(colours)[1:] == light[1:]


def test_hostile_names_and_errors_are_text(open_report: Any) -> None:
    facts = make_model("x3d-m", name=HOSTILE, title=HOSTILE)
    records = [
        record_of("x3d-m", model=facts),
        make_failed_record("x3d-s", message=f"</script>{HOSTILE}", detail=f"</pre></details>{HOSTILE}"),
        record_of("cox3d-m-16"),
    ]
    opened = open_report(records)
    assert opened.complaints == []
    assert opened.page.locator("img").count() == 0
    assert HOSTILE in opened.page.locator("table.results").inner_text()
    symbol(opened.page, "macs", "alert").hover()
    opened.page.wait_for_selector("#vg-tooltip-element.visible")
    assert opened.page.locator("#vg-tooltip-element img, #vg-tooltip-element script").count() == 0
    assert opened.complaints == []


def test_the_policy_stops_scripts_that_are_not_ours(open_report: Any) -> None:
    opened = open_report(make_default_records())
    opened.page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.bad = 1';"
        " document.body.append(s); }"
    )
    assert opened.page.evaluate("window.bad") is None
    assert any("Content Security Policy" in text for text in opened.complaints)


def test_the_records_can_be_taken_away(open_report: Any) -> None:
    page = open_report(make_default_records()).page
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Raw records").click()
    lines = waiting.value.path().read_text(encoding="utf-8").splitlines()
    assert waiting.value.suggested_filename == "records.jsonl"
    assert len(lines) == len(DEFAULT_MODELS)
    assert type(make_default_records()[0]).model_validate_json(lines[0]) == make_default_records()[0]


def test_controls_have_names_and_headings_descend(open_report: Any) -> None:
    page = open_report(make_mixed_records()).page
    unnamed = "els => els.filter(e => !(e.textContent.trim() || e.getAttribute('aria-label'))).length"
    assert page.eval_on_selector_all("button, a", unnamed) == 0
    levels = page.eval_on_selector_all("h1, h2, h3", "els => els.map(e => Number(e.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert page.locator("table.results caption").count() == 1
