"""The table in the terminal, at the widths people have."""

import io

import pytest
from rich.console import Console

from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.reports.tables.results import build
from co3d_bench.reports.tables.terminal import render_table

from ...factories import (
    DEFAULT_MODELS,
    make_case,
    make_default_records,
    make_failed_record,
    make_mixed_records,
    make_model,
    make_record,
    make_samples,
    with_timing,
)
from ..device_records import on_board


def table_of(records):
    return build(case_results(records))


def printed(records, width, color=False):
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=color, color_system="truecolor" if color else None)
    console.print(render_table(case_results(records)))
    return out.getvalue()


def several():
    """Seven processes of each, as long as figures and intervals get."""
    return [
        make_record(model, process=n, samples=make_samples(0.05 * 3**place * (1 + 0.02 * n), count=15, seed=n))
        for place, model in enumerate(DEFAULT_MODELS)
        for n in range(1, 8)
    ]


@pytest.mark.parametrize("records", [make_mixed_records(), several()], ids=["mixed", "several"])
@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_no_line_is_wider_than_the_terminal_and_no_figure_is_cut(width, records):
    text = printed(records, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    table = table_of(records)
    for row in table.rows:
        line = next(line for line in text.splitlines() if line.startswith(f"{row.title} "))
        if row.error:
            assert " failed" in line
            continue
        assert f" {table.cell(row, 'throughput_per_s').text}" in line
        latency = table.cell(row, "latency_ms").text
        if width >= 60:
            assert f" {latency}" in line
        elif "Latency" in text:
            assert line.endswith(f" {latency.partition(' (')[0]}")
        assert line.startswith(f"{row.title} ! ") == bool(row.warnings)


def test_at_100_columns_the_figures_that_matter_are_there():
    text = printed(make_default_records(), 100)
    for head in ("Accuracy", "Throughput", "Latency", "p90", "Memory", "MACs", "Paper: CPU"):
        assert head in text.splitlines()[0]
    row = next(line for line in text.splitlines() if line.startswith("CoX3D-M (64)"))
    table = table_of(make_default_records())
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


def test_failures_and_warnings_are_listed_below():
    text = " ".join(printed(make_mixed_records(), 80).split())
    assert "X3D-M failed" in text
    assert "out-of-memory: the kernel ended the measuring process for want of memory" in text
    assert "! CoX3D-M (16): with a warning; other work kept up to 0.94 cores busy" in text


def test_the_conditions_of_accuracies_are_said_below_networks_together():
    text = " ".join(printed(make_default_records(), 80).split())
    assert (
        "Accuracies are as published. X3D-XS: 2.5 frames/s, one clip; X3D-S: 5 frames/s, one clip; X3D-M: 6 frames/s, "
        "one clip; CoX3D-S (13): 5 frames/s, whole film; CoX3D-M (16), CoX3D-M (64): 6 frames/s, whole film"
    ) in text
    assert "Accuracies" not in printed([make_record("x3d-m", model=make_model("x3d-m", published=None))], 80)


def test_markup_in_names_is_text():
    text = printed([make_record("x3d-m", model=make_model("x3d-m", title="[bold]X[/bold]"))], 100, color=True)
    assert "[bold]X[/bold]" in text


def test_nothing_measured_and_nothing_but_failures():
    assert printed([], 80) == "No records yet.\n"
    assert "failed" in printed([make_failed_record()], 80)
    assert render_table([]) is not None


def test_many_warnings_are_one_line_with_a_pointer_to_the_evidence():
    loud = [with_timing(record, background_load=1.0) for record in make_default_records()]
    text = printed([*loud, make_record("x3d-m", case=make_case(threads=1))], 300)
    (line,) = (line for line in text.splitlines() if line.startswith("!"))
    assert line.endswith(": with a warning; the page and `co3d-bench show NETWORK STORE` have the evidence")
    assert line.startswith("! X3D-XS")
    single = with_timing(make_record("x3d-m", case=make_case(threads=1)), background_load=1.0)
    assert "and 1 more: with a warning" in printed([*loud, single], 300)


def test_the_interval_gives_way_before_the_latency_does():
    assert "Latency" in printed(make_mixed_records(), 40).splitlines()[0]
    assert "n = 1" not in printed(make_mixed_records(), 40)
    assert "25.9 (n = 1)" in printed(make_mixed_records(), 50)
