"""The page as text: what may not be in it, and what must."""

import base64
import hashlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench.stats.metrics import get_metric
from co3d_bench.reports import theme
from co3d_bench.reports.html import content_security_policy, inline_script, render_html
from co3d_bench.reports.page import fragment, json_text
from co3d_bench.reports.sections import all_sections

from ..factories import make_default_records, make_failed_record, make_mixed_records, make_record
from .contrast import contrast
from .device_records import on_card


@pytest.fixture(scope="module")
def page() -> str:
    return render_html(make_mixed_records())


def scripts(page: str) -> list[tuple[str, str]]:
    """Attributes and content of every script element, as an HTML parser would see them."""
    return re.findall(r"<script([^>]*)>(.*?)</script>", page, flags=re.DOTALL)


def test_the_policy_names_exactly_the_scripts_and_the_style_of_the_page(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    text = policy[1].replace("&#39;", "'")
    assert "default-src 'none'" in text
    assert "unsafe" not in text
    code = [content for attributes, content in scripts(page) if not attributes]
    style = re.findall(r"<style>(.*?)</style>", page, flags=re.DOTALL)
    assert (len(code), len(style)) == (2, 1)
    for content in code + style:
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in text


def test_nothing_of_the_page_lies_elsewhere(page):
    without_code = re.sub(r"<script[^>]*>.*?</script>", "", page, flags=re.DOTALL)
    assert re.findall(r"""(?:src|href)=["'](?!#)""", without_code) == []
    assert not re.search(r"url\(|@import", without_code)
    assert not re.search(r"""\son\w+=|\sstyle=["']""", without_code)  # the policy would forbid them anyway


def test_all_data_in_the_page_is_json(page):
    blocks = [content for attributes, content in scripts(page) if attributes]
    assert len(blocks) == 3 + 4 + 1 + 5 + 2  # configuration, cases and choice, plots, equal work, strips, downloads
    for block in blocks:
        json.loads(block)
        assert not re.search("[<>&\u2028\u2029]", block)


def test_the_sections_stand_in_order_and_are_linked(page):
    titles = re.findall(r"<h2 id=\"(\w+)-title\">", page)
    assert titles == [
        "choose",
        "table",
        "pareto",
        "equal_work",
        "latency",
        "problems",
        "counting",
        "environment",
        "method",
    ]
    assert re.findall(r'<a href="#(\w+)">', page) == titles


def test_empty_sections_are_left_out():
    assert 'id="problems"' not in render_html(make_default_records())
    failed = render_html([make_failed_record()])
    assert 'id="pareto"' not in failed
    assert 'id="latency"' not in failed
    assert 'id="problems"' in failed
    assert "<h1" in render_html([])


def test_what_the_device_did_stands_behind_the_latencies():
    text = render_html([on_card("x3d-m"), on_card("cox3d-m-16")])
    titles = re.findall(r"<h2 id=\"(\w+)-title\">", text)
    assert titles[1:6] == ["table", "pareto", "equal_work", "latency", "device"]
    assert not re.search(r"""\son\w+=|\sstyle=["']""", re.sub(r"<script[^>]*>.*?</script>", "", text, flags=re.DOTALL))


def test_every_section_has_a_distinct_order():
    orders = [section.order for _, section in all_sections()]
    assert orders == sorted(set(orders))


HOSTILE = "</script><script>alert('1')</script>\u2028<!-- \"&"


def test_hostile_text_never_becomes_markup():
    record = make_failed_record("x3d-m", message=HOSTILE, detail=HOSTILE)
    record = record.model_copy(update={"case": record.case.model_copy(update={"model": HOSTILE, "input": HOSTILE})})
    page = render_html([record, make_record("x3d-s")])
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(&#39;1&#39;)" in page
    assert len(scripts(page)) == len(scripts(render_html([make_failed_record(), make_record("x3d-s")])))


@given(st.text())
def test_json_in_a_script_element_means_the_same_and_cannot_end_it(text):
    written = json_text({text: [text]})
    assert json.loads(written) == {text: [text]}
    assert not re.search("[<>&\u2028\u2029]", written)


@given(st.text())
def test_fragments_escape(text):
    shown = fragment("<p title='{{ text }}'>{{ text }}</p>", text=text)
    assert shown.count("<") == 2
    assert shown.count("'") == 2


def test_scripts_are_made_safe_without_changing_their_meaning():
    assert inline_script("'</script>' + '</SCRIPT >' + '<!--' + a<b") == (
        r"'\x3c/script>' + '\x3c/SCRIPT >' + '\x3c!--' + a<b"
    )
    assert content_security_policy([], []).startswith("default-src 'none'")


@pytest.mark.parametrize("palette", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_text_and_marks_have_contrast(palette):
    for text in ("ink", "muted", "warn", "error", "frame"):
        for ground in ("surface", "page"):
            assert contrast(palette[text], palette[ground]) >= 4.5, (text, ground)  # WCAG AA, text
    assert contrast(palette["warn"], palette["warn-soft"]) >= 4.5
    assert contrast(palette["ink"], palette["frame-soft"]) >= 4.5
    for mark in ("clip", "frame", "input", "highlight"):
        assert contrast(palette[mark], palette["surface"]) >= 3  # WCAG AA, graphics


def test_both_palettes_know_the_same_colours():
    assert set(theme.LIGHT) == set(theme.DARK) == set(theme.VARIABLES)


def test_the_metrics_of_the_plots_exist():
    from co3d_bench.reports.charts.pareto import PLOTS

    for plot in PLOTS:
        assert get_metric(plot.metric).word == plot.metric
