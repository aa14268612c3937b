"""The table in the terminal, at the widths people have."""

import io

import pytest
from rich.console import Console

from co3d_bench.reports.table import build
from co3d_bench.reports.terminal import render_table

from ..factories import make_default_records, make_failed_record, make_mixed_records, make_model, make_record
from .device_records import on_board


def printed(records, width, color=False):
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=color, color_system="truecolor" if color else None)
    console.print(render_table(records))
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_no_line_is_wider_than_the_terminal_and_no_figure_is_cut(width):
    text = printed(make_mixed_records(), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    table = build(make_mixed_records())
    few = next(row for row in table.rows if row.model == "cox3d-s-13")
    assert f"{table.cell(few, 'throughput_per_s').text} a" in text


def test_at_100_columns_the_figures_that_matter_are_there():
    text = printed(make_default_records(), 100)
    for head in ("Accuracy", "Throughput", "Latency", "p90", "Memory", "MACs", "Paper: CPU"):
        assert head in text.splitlines()[0]
    row = next(line for line in text.splitlines() if line.startswith("CoX3D-M (64)"))
    table = build(make_default_records())
    for name in ("accuracy_top1_percent", "throughput_per_s", "latency_ms", "macs_g", "paper_cpu_per_s"):
        assert table.cell(table.rows[-1], name).text in row


def test_energy_and_the_papers_figure_of_the_same_board_are_there():
    head, *lines = printed([on_board("x3d-m")], 140).splitlines()
    assert "Energy" in head
    assert "Paper: Xavier" in head
    assert "Paper: CPU" not in head
    (row,) = (line for line in lines if line.startswith("X3D-M"))
    assert "750" in row
    assert "17.47" in row


def test_failures_and_doubts_are_told_below():
    text = " ".join(printed(make_mixed_records(), 80).split())
    assert "X3D-M failed" in text
    assert "out-of-memory: the kernel ended the measuring process for want of memory" in text
    assert "a few samples: 30, below the 64 a p90 needs" in text


def test_markup_in_names_is_text():
    text = printed([make_record("x3d-m", model=make_model("x3d-m", title="[bold]X[/bold]"))], 100, color=True)
    assert "[bold]X[/bold]" in text


def test_nothing_measured_and_nothing_but_failures():
    assert printed([], 80) == "No records yet.\n"
    assert "failed" in printed([make_failed_record()], 80)
    assert render_table([]) is not None


def test_where_most_is_not_steady_it_says_what_to_do():
    quiet = make_default_records()
    busy = [record.timing.model_copy(update={"others_meanwhile": 1.0}) for record in quiet]
    loud = [record.model_copy(update={"timing": timing}) for record, timing in zip(quiet, busy, strict=True)]
    assert "not steady" not in printed([*quiet[:3], *loud[3:]], 100)
    assert "4 of 6 cases are not steady: `co3d-bench doctor` says" in printed([*quiet[:2], *loud[2:]], 100)
    assert "This case is not steady" in printed(loud[:1], 100)
