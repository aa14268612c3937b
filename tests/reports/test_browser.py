"""The page as a reader meets it, in a real browser. Most tests share one page and leave it as they found it."""

from __future__ import annotations

import csv
import io
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from ..factories import (
    DEFAULT_MODELS,
    make_default_records,
    make_engine_records,
    make_failed_record,
    make_mixed_records,
    make_model,
)
from ..factories import make_record as record_of
from .conftest import Opened, resize
from .device_records import on_board, on_card

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"

# The models whose mark is fully drawn in a plot; faded ones have an opacity below 1.
BRIGHT = """figure => Array.from(figure.querySelectorAll(".mark-symbol path[aria-label]"))
    .filter(mark => Number(mark.getAttribute("opacity") ?? 1) === 1).map(mark => mark.getAttribute("aria-label"))"""
ORDER = "rows => rows.filter(row => row.checkVisibility()).map(row => row.dataset.model)"


@pytest.fixture(scope="module")
def mixed(open_report: Any) -> Opened:
    return open_report(make_mixed_records())


@pytest.fixture(scope="module")
def engines(open_report: Any) -> Opened:
    """Several engines and precisions, and boards and cards beside them."""
    records = [*make_engine_records(), on_board("x3d-m", fell=True), on_card("x3d-m")]
    return open_report([*make_mixed_records()[:2], *records])


def bright(page: Any) -> list[list[str]]:
    return [sorted(figure.evaluate(BRIGHT)) for figure in page.query_selector_all(".plots figure")]


def symbol(page: Any, plot: str, title: str) -> Any:
    return page.locator(f'.plot-{plot} svg .mark-symbol path[aria-label*="{title}"]')


def rows_of(page: Any) -> list[str]:
    """The networks of the rows of the table that are shown, from top to bottom."""
    return page.eval_on_selector_all(".results tbody tr", ORDER)


def field(page: Any, name: str) -> Any:
    """A field of the filters."""
    return page.locator(f".filters [name={name}]")


def taken(page: Any, click: Any) -> tuple[str, bytes]:
    """What is downloaded by a click: its name and its content."""
    with page.expect_download() as waiting:
        click()
    return waiting.value.suggested_filename, waiting.value.path().read_bytes()


def test_nothing_is_fetched_and_nothing_goes_wrong(open_report: Any) -> None:
    opened = open_report(make_mixed_records())
    assert opened.complaints == []
    assert len(opened.requests) == 1  # the file itself
    assert opened.requests[0].startswith("file:")
    assert opened.page.locator(".plots svg").count() == 4
    assert opened.page.locator(".strips svg").count() == 5  # six networks, one failed


def test_a_point_shows_its_figures_under_the_pointer(mixed: Opened) -> None:
    page = mixed.page
    symbol(page, "macs", "CoX3D-M (16)").hover()
    page.wait_for_selector("#vg-tooltip-element.visible", timeout=5000)
    shown = " ".join(page.locator("#vg-tooltip-element").inner_text().split())
    expected = [
        "CoX3D-M (16)",
        "0.325 G (paper 0.33)",
        "62.80 %",
        "other work kept up to 0.94 cores busy",
        "7.57 ± 0.14",
    ]
    assert [text for text in expected if text not in shown] == []


def test_a_point_or_a_row_highlights_its_network_everywhere(mixed: Opened) -> None:
    page = mixed.page
    everything = bright(page)
    assert [len(names) for names in everything] == [5, 4, 5, 5]  # the paper has no accuracy of X3D-XS at 15 frames/s

    symbol(page, "memory", "CoX3D-S (13)").click()
    assert bright(page) == [["CoX3D-S (13)"]] * 4
    assert page.locator(".results tr.picked").get_attribute("data-model") == "cox3d-s-13"
    assert page.locator(".strips figure.faded").count() == 4

    page.locator("tr[data-model=x3d-s] td").first.click()
    assert bright(page) == [["X3D-S"]] * 4
    page.keyboard.press("Escape")
    assert bright(page) == everything
    assert mixed.complaints == []


def test_rows_can_be_picked_and_sorted_by_keyboard(mixed: Opened) -> None:
    page = mixed.page
    button = page.locator("tr[data-model=cox3d-m-64] button.pick")
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert bright(page) == [["CoX3D-M (64)"]] * 4
    page.keyboard.press("Enter")

    planned = rows_of(page)
    page.get_by_role("button", name="Throughput").focus()
    page.keyboard.press("Enter")
    fastest = ["cox3d-s-13", "cox3d-m-64", "cox3d-m-16", "x3d-xs", "x3d-s", "x3d-m"]
    assert rows_of(page) == fastest
    page.keyboard.press("Enter")  # the failed one stays last
    assert rows_of(page) == [*reversed(fastest[:-1]), "x3d-m"]
    page.keyboard.press("Enter")
    assert rows_of(page) == planned


def test_the_front_is_said_in_words_and_leads_to_its_rows_by_keyboard(mixed: Opened) -> None:
    page = mixed.page
    said = " ".join(page.locator(".plot-throughput .members").inner_text().split())
    assert said == (
        "On the front: CoX3D-S (13) with 60.18 % at 70.7 predictions/s; "
        "CoX3D-M (64) with 71.03 % at 38.3 predictions/s."
    )
    line = page.locator('.plot-throughput path[aria-label="Pareto front: CoX3D-S (13), CoX3D-M (64)"]')
    assert line.evaluate("line => line.closest('[aria-hidden]') === null")
    marked = page.locator("tr[data-model=cox3d-m-16] th").inner_text()
    assert "on the front: MACs, memory" in marked  # not of speed, where it has a warning besides
    assert "on the front" not in page.locator("tr[data-model=x3d-s] th").inner_text()
    page.locator(".plot-throughput .members a").last.focus()
    page.keyboard.press("Enter")
    assert page.locator("tr:target").get_attribute("data-model") == "cox3d-m-64"


def test_filters_hide_rows_points_and_strips_and_are_kept_in_the_address(engines: Opened) -> None:
    page = engines.page
    count = page.locator(".filters output")
    everything = rows_of(page)
    assert count.inner_text() == f"{len(everything)} of {len(everything)} rows"
    labels = page.locator(".filters label").all_inner_texts()
    assert [text.split()[0] for text in labels] == ["Device", "Engine", "Precision", "Form", "Text"]

    field(page, "engine").select_option("eager")
    field(page, "form").select_option("frame")
    assert set(rows_of(page)) == {"cox3d-m-16", "cox3d-m-64"}
    few = len(rows_of(page))
    assert count.inner_text() == f"{few} of {len(everything)} rows"
    assert page.locator("#engines .network:visible").count() == 2  # a heading goes with its rows
    drawn = [names for names in bright(page) if names]
    assert drawn
    assert all(set(names) <= {"CoX3D-M (16)", "CoX3D-M (64)"} for names in drawn)
    assert page.locator(".plots figure:visible").count() == len(drawn)  # no plot without points
    strips = page.eval_on_selector_all(".strips figure", ORDER)
    assert set(strips) == {"cox3d-m-16", "cox3d-m-64"}

    address = page.evaluate("location.href")
    assert address.endswith("?engine=eager&form=frame")
    field(page, "text").fill("BFLOAT16  64")
    assert rows_of(page) == ["cox3d-m-64"]
    name, content = taken(page, lambda: page.get_by_role("button", name="Download these rows").click())
    (line,) = csv.DictReader(io.StringIO(content.decode()))
    assert name == "table.csv"
    assert (line["model"], line["backend"], line["precision"]) == ("cox3d-m-64", "eager", "bf16")

    page.get_by_role("button", name="Reset").click()
    page.wait_for_url(lambda url: "?" not in url)
    assert rows_of(page) == everything
    page.goto(f"{address}&other=1#pareto")
    page.wait_for_selector("body[data-drawn]")
    assert len(rows_of(page)) == few
    assert field(page, "engine").input_value() == "eager"
    assert page.evaluate("location.search + location.hash") == "?other=1&engine=eager&form=frame#pareto"
    page.goto(address.replace("eager", "gone").replace("&form=frame", "&text=<img src=x>"))
    page.wait_for_selector("body[data-drawn]")
    assert field(page, "engine").input_value() == ""  # what no case has is no filter
    assert (field(page, "text").input_value(), rows_of(page)) == ("<img src=x>", [])
    assert page.locator("#pareto .legend:visible").count() == 0  # where nothing is left, the heading says so
    page.get_by_role("button", name="Reset").click()
    page.wait_for_url(lambda url: "?" not in url)
    assert page.locator("img").count() == 0
    assert engines.complaints == []


def test_paper_shows_everything_and_what_columns_mean(mixed: Opened) -> None:
    page = mixed.page
    meaning = page.locator("#table .explained dd").first
    assert not meaning.is_visible()
    page.locator("#table .explained summary").focus()
    page.keyboard.press("Enter")
    assert "of the published weights" in meaning.inner_text()
    page.keyboard.press("Enter")
    assert not meaning.is_visible()
    field(page, "form").select_option("frame")
    assert len(rows_of(page)) == 3
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert meaning.is_visible()
    assert len(rows_of(page)) == 6
    assert [len(names) for names in bright(page)] == [5, 4, 5, 5]
    assert page.locator(".filters:visible, .savers:visible, .download:visible").count() == 0
    page.emulate_media(media="screen")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert len(rows_of(page)) == 3
    field(page, "form").select_option("")


def test_without_scripts_everything_is_there(open_report: Any) -> None:
    page = open_report(make_mixed_records(), javascript=False).page
    assert page.locator(".results tbody tr:visible").count() == 6
    assert page.locator("form.filters:visible, button.download:visible").count() == 0
    assert page.locator("noscript .warning:visible").count() == 1
    assert page.locator(".members:visible").count() == 4


def test_the_head_of_a_long_table_stays_in_sight_on_a_phone(engines: Opened) -> None:
    page = engines.page
    resize(page, 390)
    tops = page.eval_on_selector(
        "#table .scroll",
        """box => { box.scrollTo(150, 400);
            const head = box.querySelector("thead th button").closest("th").getBoundingClientRect();
            const row = Array.from(box.querySelectorAll("tbody th"), each => each.getBoundingClientRect())
                .find(each => each.top >= head.bottom);
            const own = box.getBoundingClientRect();
            return [box.scrollTop, head.top - own.top, head.left - own.left, row.left - own.left, own.height]; }""",
    )
    assert tops[0] == 400
    assert 0 <= tops[1] < 40  # below the line of groups
    assert tops[2] == pytest.approx(1)  # the border: the first column stays, too, while the others move
    assert tops[3] == pytest.approx(1)
    assert tops[4] < 900
    resize(page, 1280)


def test_the_page_never_scrolls_sideways(engines: Opened) -> None:
    page = engines.page
    assert page.locator("#device table").count() == 3
    too_wide = "boxes => boxes.filter(box => box.querySelector('svg').clientWidth > box.clientWidth + 1).length"
    for width in (320, 390, 768, 1280):
        resize(page, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.eval_on_selector_all(".drawing", too_wide) == 0  # every chart fits its card


def test_names_in_the_plots_do_not_lie_on_each_other(open_report: Any) -> None:
    collisions = """figure => {
        const names = Array.from(figure.querySelectorAll(".mark-text text")).filter(t => /X3D/.test(t.textContent));
        const boxes = new Map(names.map(t => [t.textContent, t.getBoundingClientRect()]));
        const found = [];
        for (const [a, p] of boxes) for (const [b, q] of boxes)
            if (a < b && p.left < q.right && q.left < p.right && p.top < q.bottom && q.top < p.bottom)
                found.push([a, b]);
        return found; }"""
    page = open_report(make_default_records()).page
    for width in (390, 900, 1280):
        resize(page, width)
        for figure in page.query_selector_all(".plots figure"):
            assert figure.evaluate(collisions) == [], width


def test_light_and_dark_differ_also_inside_the_charts(mixed: Opened) -> None:
    page = mixed.page
    colours = """() => [getComputedStyle(document.body).backgroundColor,
        getComputedStyle(document.querySelector('.plots svg .mark-symbol path[aria-label]')).fill,
        getComputedStyle(document.querySelector('.plots svg text')).fill]"""
    light = page.evaluate(colours)
    page.emulate_media(color_scheme="dark")  # while the page is open, as when the evening comes
    dark = page.evaluate(colours)
    assert all(a != b for a, b in zip(light, dark, strict=True))
    page.emulate_media(color_scheme="dark", media="print")  # paper is white
    assert page.evaluate(colours)[1:] == light[1:]
    page.emulate_media(color_scheme="light", media="screen")


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
    _, content = taken(opened.page, opened.page.locator(".strips .savers button").first.click)
    assert ElementTree.fromstring(content.decode()).find(".//{*}img") is None  # noqa: S314 - made by our page
    field(opened.page, "text").fill("onerror=alert")
    assert opened.page.locator(".results tbody tr:visible").count() == 1
    assert opened.complaints == []


def test_records_rows_and_charts_can_be_taken_away(mixed: Opened) -> None:
    page, records = mixed.page, make_mixed_records()
    name, content = taken(page, lambda: page.get_by_role("button", name="Raw records").click())
    lines = content.decode().splitlines()
    assert (name, len(lines)) == ("records.jsonl", len(DEFAULT_MODELS))
    assert type(records[0]).model_validate_json(lines[0]) == records[0]

    page.get_by_role("button", name="Throughput").click()
    _, content = taken(page, lambda: page.get_by_role("button", name="Download these rows").click())
    page.get_by_role("button", name="Throughput").dblclick()
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert [row["model"] for row in rows[:2]] == ["cox3d-s-13", "cox3d-m-64"]  # as they stand in the table
    given = next(record for record in records if record.case.model == "cox3d-s-13")
    assert given.timing is not None
    samples = given.timing.samples.latency_s
    assert float(rows[0]["throughput_per_s"]) == len(samples) / sum(samples)  # every digit

    buttons = page.locator(".plot-macs .savers button")
    name, content = taken(page, buttons.first.click)
    assert name == "accuracy-against-computation-cpu-eager-float32-batch-1-2-threads-random-0.svg"
    assert content.startswith(b"<svg")
    assert b"var(--" not in content
    assert b"CoX3D-M (64)" in content
    assert b"Accuracy against computation: cpu" in content
    name, content = taken(page, buttons.last.click)
    assert name.endswith(".png")
    assert content.startswith(b"\x89PNG")
    assert mixed.complaints == []


def test_controls_have_names_and_headings_descend(mixed: Opened) -> None:
    page = mixed.page
    unnamed = "els => els.filter(e => !(e.textContent.trim() || e.getAttribute('aria-label'))).length"
    assert page.eval_on_selector_all("button, a, summary", unnamed) == 0
    assert page.eval_on_selector_all("select, input", "els => els.filter(e => !e.labels.length).length") == 0
    assert page.eval_on_selector_all("th", "els => els.filter(e => !e.scope).length") == 0
    assert [page.get_by_role(role).count() for role in ("banner", "main", "contentinfo", "search")] == [1, 1, 1, 1]
    levels = page.eval_on_selector_all("h1, h2, h3", "els => els.map(e => Number(e.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert page.locator("table.results caption").count() == 1


def test_the_policy_stops_scripts_that_are_not_ours(open_report: Any) -> None:
    opened = open_report(make_default_records())
    opened.page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.bad = 1';"
        " document.body.append(s); }"
    )
    assert opened.page.evaluate("window.bad") is None
    assert any("Content Security Policy" in text for text in opened.complaints)
