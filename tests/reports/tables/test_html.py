"""A table on the page, whatever it shows: groups, headings, errors, and nothing hostile."""

import re

from co3d_bench.bench.stats.metrics import MS
from co3d_bench.reports.tables.html import table_html
from co3d_bench.reports.tables.table import WORDS, Cell, Column, Heading, Row, Table, cells, figure, filled

from ...factories import make_case

HOSTILE = "<script>alert(1)</script>"
TIME = figure("Time", lambda row: row.get("time"), MS, explains="how long", group="measured", noisy=True)
NOTE = Column("Note", lambda row: Cell(row["note"], row["note"]) if "note" in row else Cell(), kind=WORDS)


def table_of(*rows, columns=(TIME, NOTE), **changes):
    found = (Row(f"row {n}", cells(columns, row), **changes) for n, row in enumerate(rows, 1))
    return Table("What", columns, tuple(found))


def html_of(table, **options):
    return str(table_html(table, "A table", "kind", **options))


def test_values_are_in_si_and_texts_in_the_unit():
    html = html_of(table_of({"time": 0.0254, "note": "fine"}))
    assert '<td data-value="0.0254"><span class="value">25.4</span>' in html
    assert '<td data-value="fine" class="words"><span class="value">fine</span>' in html
    assert 'title="how long">Time' in html
    assert '<span class="unit">ms</span>' in html
    assert '<th colspan="1" scope="colgroup">measured</th>' in html


def test_what_is_missing_has_no_value_to_be_sorted_by():
    assert '<td><span class="value">\u2013</span>' in html_of(table_of({}, columns=(TIME,)))
    assert filled((TIME, NOTE), [{"note": "fine"}, {}]) == (NOTE,)


def test_a_warning_has_its_mark_at_the_row_and_colours_what_is_noisy():
    html = html_of(table_of({"time": 0.1, "note": "fine"}, warnings=("busy",), case=make_case()))
    assert html.count('href="#warnings"') == 1
    assert 'class="value warned">100' in html
    assert 'class="value">fine' in html


def test_an_error_stands_across_what_is_missing_and_no_further():
    html = html_of(table_of({"note": "known"}, error="crash: it fell"))
    assert '<td class="error" colspan="1"><span><strong>failed</strong> crash: it fell' in html
    assert ">known</span>" in html
    assert '<td class="error" colspan="2">' in html_of(table_of({}, error="crash: it fell"))
    # Sorting finds a cell by its place, so none may move.
    assert '<td class="error" colspan="2">' in html_of(table_of({"note": "known"}, error="crash"), sortable=True)


def test_a_sign_is_for_the_eye_and_a_tone_is_a_class():
    verdict = Column("Verdict", lambda row: Cell("worse", 1.0, sign="\u25b2", tone="error"))
    html = html_of(table_of({}, columns=(verdict,)), sortable=True)
    assert '<span class="value outcome tone-error"><span class="sign" aria-hidden="true">\u25b2</span>worse' in html
    assert 'class="pick"' not in html  # a row without a case is not to be picked


def test_rows_below_one_heading_are_one_body():
    rows = [*table_of({}, {}, below=Heading("X3D-M", "clip", "2 threads")).rows, *table_of({}).rows]
    html = html_of(Table("What", (TIME,), tuple(rows)))
    assert re.findall(r"<tbody[^>]*>", html) == ['<tbody class="clip">', "<tbody>"]
    assert "clip by clip · 2 threads" in html


def test_only_a_sortable_table_has_buttons():
    table = table_of({"time": 1.0}, case=make_case())
    assert "<button" not in html_of(table)
    assert html_of(table, sortable=True).count('class="sort"') == 3
    assert 'data-column="2"' in html_of(table, sortable=True)


def test_nothing_of_a_row_or_a_column_is_html():
    columns = (Column(HOSTILE, lambda row: Cell(HOSTILE, HOSTILE, detail=HOSTILE), explains=HOSTILE, group=HOSTILE),)
    row = Row(HOSTILE, cells(columns, {}), detail=HOSTILE, error=HOSTILE, warnings=(HOSTILE,), below=Heading(HOSTILE))
    table = Table(HOSTILE, columns, (row, Row(HOSTILE, cells(columns, {}), setting=HOSTILE)))
    assert HOSTILE not in html_of(table)
    assert HOSTILE not in str(table_html(table, HOSTILE, HOSTILE, sortable=True))
