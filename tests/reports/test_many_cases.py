"""A page of very many cases stays usable: it shows the first of them and says where the rest is."""

import pytest

from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.reports.headline import MOST_NAMES, headline
from co3d_bench.reports.html import render_html
from co3d_bench.reports.page import MOST_ROWS, page_of
from tests.factories import make_case, make_failed_record, make_record

MORE = 20


@pytest.fixture(scope="module")
def records():
    """One network by as many thread counts, after it a network under the setting that has most networks."""
    alike = make_record("cox3d-s-13")
    many = [
        alike.model_copy(update={"case": make_case("cox3d-s-13", threads=threads)})
        for threads in range(3, MOST_ROWS + MORE)
    ]
    return [*many, *(make_record(model) for model in ("x3d-xs", "x3d-m", "cox3d-m-16"))]


def test_those_worth_most_have_a_row_and_the_page_counts_the_others(records):
    page = page_of(records)
    assert len(page.records) == MOST_ROWS + MORE
    assert len(page.table.rows) == len(page.shown) == MOST_ROWS
    assert {row.model for row in page.table.rows} == {"cox3d-s-13", "x3d-xs", "x3d-m", "cox3d-m-16"}
    html = render_html(records)
    assert html.count('<tr data-model="cox3d-s-13"') == MOST_ROWS - 3
    assert f"{MORE} more cases were measured" in html
    assert f"Only those of the cases shown here; {MORE} more cases are in the store." in html
    assert html.count('\\"schema_version\\"') == MOST_ROWS  # the raw records that can be taken out of the page


def test_a_page_of_all_cases_mentions_no_others():
    html = render_html([make_record("x3d-xs")])
    assert "more cases were measured" not in html
    assert "of the cases shown here" not in html


def test_a_sentence_names_only_some_of_very_many():
    failed = [
        make_failed_record("x3d-s").model_copy(update={"case": make_case("x3d-s", threads=threads)})
        for threads in range(1, MOST_NAMES + 4)
    ]
    found = headline(case_results([make_record("x3d-m"), *failed]))
    (sentence,) = [text for text in found.sentences if text.startswith("Failed")]
    assert sentence.endswith(", and 3 more.")
    assert sentence.count("X3D-S") == MOST_NAMES
