"""What the sections of the page share: marks of the front, links to rows, files to take away."""

import csv
import io
from statistics import median

from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.bench.stats.metrics import MS
from co3d_bench.reports.downloads import csv_lines
from co3d_bench.reports.page import costs_on_front, page_of
from co3d_bench.reports.sections.filters import render as filters
from co3d_bench.reports.tables.html import explained
from co3d_bench.reports.tables.table import Cell, Column

from ..factories import make_case, make_failed_record, make_mixed_records, make_record


def test_each_setting_has_fronts_of_its_own():
    alone = make_record("x3d-s", case=make_case("x3d-s", threads=1))
    pair = [make_record(name, case=make_case(name, batch=8)) for name in ("x3d-xs", "x3d-m")]
    found = costs_on_front(case_results([*make_mixed_records(), alone, *pair]))
    assert {key.split("/cpu")[0]: costs for key, costs in found.items() if "b1/t2" in key} == {
        "cox3d-s-13": ("speed", "speed at 15 frames/s", "MACs", "memory"),
        "cox3d-m-16": ("MACs", "memory"),
        "cox3d-m-64": ("speed", "speed at 15 frames/s", "MACs", "memory"),
    }
    assert [key for key in found if "b8" in key] == [record.key for record in pair]  # the one cheap, the other accurate
    assert alone.key not in found  # nothing to compare it with


def test_a_row_can_be_linked_to():
    page = page_of(make_mixed_records())
    assert [page.row_id(row.key) for row in page.table.rows] == [f"row-{n}" for n in range(1, 7)]
    assert page.row_id("gone") is None


def test_the_lines_of_the_csv_are_those_of_the_data_frame_and_keep_hostile_text_in_its_cell():
    records = [make_record("x3d-m"), make_failed_record("x3d-s", message='a "b",\n=c')]
    lines = csv_lines(case_results(records))
    assert list(lines) == ["", *(record.key for record in records)]
    good, failed = csv.DictReader(io.StringIO("".join(lines.values())))
    assert failed["error"] == 'out-of-memory: a "b",\n=c'
    assert (failed["latency_s"], failed["throughput_per_s"]) == ("", "")
    assert records[0].timing is not None
    assert float(good["latency_s"]) == median(records[0].timing.samples.latency_s)  # to the last digit
    assert good["accuracy_top1_percent"] == "67.24"


def test_explanations_are_escaped_and_columns_without_one_are_left_out():
    html = explained([Column("A<", lambda _: Cell(), MS, "more < less"), Column("B", lambda _: Cell())])
    assert "<dt>A&lt;, ms</dt><dd>more &lt; less</dd>" in html
    assert html.count("<dt>") == 1


def test_only_what_differs_can_be_chosen():
    html = filters(page_of(make_mixed_records()))
    assert html is not None
    assert [name for name in ("device", "engine", "precision", "form", "text") if f'name="{name}"' in html] == [
        "form",
        "text",
    ]
    assert filters(page_of([make_record()])) is None
