"""Where figures were corrected for the machine's pace, every reader is told, with what was measured."""

import pytest

from co3d_bench.bench.frame import frame
from co3d_bench.bench.progress import describe, remarks
from co3d_bench.reports.html import render_html
from co3d_bench.reports.latency_chart import latency_chart
from co3d_bench.reports.table import build
from tests.factories import make_record, make_samples

TOLD = "figures are for the usual pace of this machine, which was 4% slower meanwhile (median as measured: {:.4g} ms)"


@pytest.fixture(scope="module")
def record():
    """All of its samples were taken where the machine was 4 % slower than usual."""
    samples = make_samples(0.1, disturbed_share=0.0)
    slow = {"pace_s": [1.04] * len(samples), "usual_pace_s": 1.0, "cpu_share": 1.0}
    return make_record("x3d-m", samples=samples.model_copy(update=slow))


@pytest.fixture(scope="module")
def measured_ms(record):
    ordered = sorted(record.timing.samples.latency_s)
    return 1e3 * (ordered[49] + ordered[50]) / 2


def test_in_the_table_as_a_note_at_the_row(record, measured_ms):
    table = build([record])
    assert table.cell(table.rows[0], "latency_ms").value == pytest.approx(measured_ms / 1.04)
    assert dict(table.footnotes)[table.rows[0].marks[0]] == TOLD.format(measured_ms)


def test_in_the_terminal_while_it_runs(record, measured_ms):
    assert remarks(record) == (TOLD.format(measured_ms),)
    assert describe(record).startswith(f"{measured_ms / 1.04:.4g} ms")


def test_in_the_data(record, measured_ms):
    row = frame([record]).iloc[0]
    assert row.latency_s == pytest.approx(measured_ms / 1040)
    assert row.latency_as_measured_s == pytest.approx(measured_ms / 1000)
    assert row.pace_off == pytest.approx(0.04)


def test_on_the_page_where_dots_and_lines_are_as_measured(record, measured_ms):
    assert TOLD.format(measured_ms) in render_html([record])
    rules = [layer for layer in latency_chart(record)["layer"] if layer["mark"]["type"] == "rule"]
    assert rules[0]["data"]["values"] == [{"ms": pytest.approx(measured_ms)}]
