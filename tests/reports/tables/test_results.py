"""The table as data, and as Markdown, CSV and LaTeX."""

import io
import re
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.reports.tables.render import csv, escape_latex, frame, latex, markdown
from co3d_bench.reports.tables.results import build

from ...factories import (
    PUBLISHED,
    make_case,
    make_default_records,
    make_failed_record,
    make_mixed_records,
    make_model,
    make_noisy_record,
    make_record,
    make_samples,
    with_timing,
)
from ..device_records import on_board, on_card, on_locked_pc, on_pc

EVEN = make_samples(0.025, count=100, spread=0.0, disturbed_share=0.0)  # 40 predictions a second, no spread


def table_of(records):
    return build(case_results(records))


def test_clip_networks_come_first_else_as_planned():
    assert [row.model for row in table_of(make_default_records()[::-1]).rows] == [
        "x3d-m", "x3d-s", "x3d-xs", "cox3d-m-64", "cox3d-m-16", "cox3d-s-13",
    ]  # fmt: skip


def test_measured_figures_stand_beside_the_papers():
    table = table_of([make_record("cox3d-m-64", samples=EVEN)])
    row = table.rows[0]
    shown = {column.name: (cell.text, cell.paper_text) for column, cell in zip(table.columns, row.cells, strict=True)}
    assert shown == {
        "accuracy_top1_percent": ("71.03", None),
        "throughput_per_s": ("40.0 ± 0.0", None),
        "latency_ms": ("25.0 (n = 1)", None),
        "latency_p90_ms": ("25.0", None),
        "peak_allocated_mb": ("26.5", "68.96"),
        "macs_g": ("0.325", "0.33"),
        "parameters_m": ("3.79", "3.79"),
        "state_mb": ("4.10", None),
        "first_prediction_ms": ("80.3", None),
        "paper_cpu_per_s": ("7.51 ± 0.17", None),
        "paper_tx2_per_s": ("7.04 ± 0.03", None),
        "paper_xavier_per_s": ("86.42 ± 4.87", None),
        "paper_rtx2080ti_per_s": ("796.32 ± 65.47", None),
    }
    assert row.marks == ()
    assert row.warnings == ()


def test_one_mark_stands_at_a_row_with_warnings_however_many_they_are():
    table = table_of(make_mixed_records())
    assert {row.model: row.all_marks for row in table.rows if row.all_marks} == {"cox3d-m-16": ("!",)}
    assert table.warnings == (("CoX3D-M (16)", "other work kept up to 0.94 cores busy"),)
    few = next(row for row in table.rows if row.model == "cox3d-s-13")
    assert table.cell(few, "latency_p90_ms").text == "\u2013"  # not enough samples to claim one
    noisy = [make_noisy_record("x3d-m", process=n, notes=("a note",)) for n in (1, 2)]
    slow = noisy[1].model_copy(update={"timing": make_record("x3d-s").timing})
    (row,) = table_of([noisy[0], slow]).rows
    assert len(row.warnings) == 2
    assert row.all_marks == ("!", "a")


def test_a_failed_case_keeps_its_row_and_shows_no_speed():
    row = table_of([make_failed_record("x3d-m")]).rows[0]
    assert row.error == "out-of-memory: the kernel ended the measuring process for want of memory"
    assert row.title == "X3D-M"
    wrong = make_record("x3d-m").model_copy(update={"error": make_failed_record(kind="wrong-answer").error})
    table = table_of([wrong])  # it was timed, but a wrong answer has no speed
    assert table.cell(table.rows[0], "throughput_per_s").value is None
    assert table.cell(table.rows[0], "macs_g").text == "4.97"


def test_a_misprint_becomes_a_footnote_at_the_name():
    published = PUBLISHED["x3d-m"].model_copy(update={"note": "66.25 M is the FLOPs figure printed twice"})
    table = table_of([make_record("x3d-m", model=make_model("x3d-m", published=published))])
    assert table.rows[0].marks == ("a",)
    assert table.footnotes == (("a", "the paper's figures: 66.25 M is the FLOPs figure printed twice"),)


def test_what_the_measuring_noted_becomes_a_footnote_at_the_name():
    table = table_of([make_record("x3d-m", notes=("the video looped 3 times",))])
    assert table.rows[0].marks == ("a",)
    assert table.footnotes == (("a", "the video looped 3 times"),)
    assert table.rows[0].warnings == ()


def test_a_network_the_paper_does_not_know_has_its_own_figures_only():
    table = table_of([make_record("x3d-m", model=make_model("x3d-m", published=None))])
    assert [column.name for column in table.columns if column.name.startswith("paper_")] == []
    assert table.cell(table.rows[0], "accuracy_top1_percent").text == "\u2013"
    assert table.cell(table.rows[0], "macs_g").paper_text is None


def names(table, beginning):
    return [column.name for column in table.columns if column.name.startswith(beginning)]


def test_energy_has_columns_where_some_record_has_it():
    assert names(table_of([on_locked_pc("x3d-s"), make_record("x3d-m")]), "energy") == []
    table = table_of([on_pc("x3d-m"), on_locked_pc("x3d-s")])
    assert names(table, "energy") == ["energy_mj", "energy_above_idle_mj"]
    some, none = table.rows
    assert [table.cell(some, name).text for name in ("energy_mj", "energy_above_idle_mj")] == ["500", "375"]
    assert (table.cell(none, "energy_mj").value, table.cell(none, "energy_mj").text) == (None, "\u2013")
    assert "Energy, mJ" in markdown(table)
    assert pd.read_csv(io.StringIO(csv(table))).loc[0, "energy_mj"] == pytest.approx(500)
    assert some.marks == ()


def test_energies_of_different_quantities_name_them():
    table = table_of([on_pc("x3d-m"), on_card("x3d-m"), on_locked_pc("x3d-s")])
    texts = dict(table.footnotes)
    assert [[texts[mark] for mark in row.marks] for row in table.rows] == [
        ["energy: of all packages; memory and the board are not in it"],
        [],
        ["energy: of the whole card"],
    ]


def test_the_papers_figures_of_the_same_kind_of_device_come_first():
    def papers(*records):
        return names(table_of(records), "paper_")

    assert papers(make_record()) == [
        "paper_cpu_per_s",
        "paper_tx2_per_s",
        "paper_xavier_per_s",
        "paper_rtx2080ti_per_s",
    ]
    board = on_board()  # called my-xavier, and a xavier in the end
    assert papers(board)[:2] == ["paper_xavier_per_s", "paper_cpu_per_s"]
    assert papers(board.model_copy(update={"device_kind": None}))[0] == "paper_cpu_per_s"  # its kind is unknown
    old = make_record(case=make_case(device="tx2"))
    assert (old.device_kind, papers(old)[0]) == (None, "paper_tx2_per_s")
    table = table_of([board])
    explained = {column.name: column.explains for column in table.columns}
    assert "a device of the same kind" in explained["paper_xavier_per_s"]
    assert "its own device" in explained["paper_cpu_per_s"]


def test_no_records_no_rows():
    assert table_of([]).rows == ()
    assert list(frame(table_of([])).columns) == []


def test_the_frame_holds_plain_numbers():
    data = frame(table_of(make_mixed_records())).set_index("model")
    assert data.loc["x3d-s", "macs_g"] == pytest.approx(2.061365744)
    assert data.loc["x3d-s", "paper_macs_g"] == 2.06
    assert data.loc["x3d-s", "paper_cpu_per_s"] == 2.23
    assert data.loc["x3d-s", "paper_cpu_std_per_s"] == 0.11
    assert pd.isna(data.loc["x3d-m", "throughput_per_s"])
    assert pd.isna(data.loc["x3d-s", "state_mb"])
    assert str(data.loc["x3d-m", "error"]).startswith("out-of-memory")
    assert data.loc["cox3d-m-16", "warnings"] == "other work kept up to 0.94 cores busy"
    assert pd.isna(data.loc["x3d-s", "warnings"])


def test_csv_reads_back():
    table = table_of(make_mixed_records())
    back = pd.read_csv(io.StringIO(csv(table)))
    assert list(back["model"]) == [row.model for row in table.rows]
    assert list(back.columns) == list(frame(table).columns)


def short(table):
    """The first four columns of a table, so that expected texts can be read."""
    rows = tuple(replace(row, cells=row.cells[:5]) for row in table.rows)
    return replace(table, columns=table.columns[:5], rows=rows)


def mixed():
    few = make_samples(0.25, count=10, spread=0.0, disturbed_share=0.0)
    return [
        with_timing(make_record("x3d-m", samples=few, notes=("the video looped",)), background_load=1.0),
        make_failed_record("x3d-s", message="100 % | of_it"),
        make_record("cox3d-m-64", samples=EVEN),
    ]


def test_markdown():
    assert markdown(short(table_of(mixed()))) == (
        "| Network | Form | Accuracy, % | Throughput, predictions/s | Latency, ms | p90, ms | Memory, MB (paper) |\n"
        "|---|---|---:|---:|---:|---:|---:|\n"
        "| X3D-M <sup>!,a</sup> | clip | 67.24 (6 frames/s, one clip) "
        "| 4.00 ± 0.00 | 250 (n = 1) | \u2013 | 132 (126.29) |\n"
        "| X3D-S | clip | 64.71 (5 frames/s, one clip) | \u2013 | \u2013 | \u2013 | \u2013 (61.29) |\n"
        "| CoX3D-M (64) | frame | 71.03 (6 frames/s, whole film) | 40.0 ± 0.0 | 25.0 (n = 1) | 25.0 | 26.5 (68.96) |\n"
        "\n"
        "- **X3D-S** failed: out-of-memory: 100 % \\| of\\_it\n"
        "\n"
        "- <sup>!</sup> X3D-M: other work kept up to 1 core busy\n"
        "- <sup>a</sup> the video looped\n"
    )


def test_latex():
    assert latex(short(table_of(mixed()))) == (
        "% needs \\usepackage{booktabs,textcomp} and \\usepackage[T1]{fontenc}; "
        "in parentheses: the paper's figures, and the conditions of accuracies\n"
        "\\begin{tabular}{lrrrrr}\n"
        "\\toprule\n"
        "Network & Accuracy (\\%) & Throughput (predictions/s) & Latency (ms) & p90 (ms) & Memory (MB) \\\\\n"
        "\\midrule\n"
        "X3D-M\\textsuperscript{!,a} & 67.24 (6 frames/s, one clip) "
        "& 4.00 $\\pm$ 0.00 & 250 (n = 1) & -- & 132 (126.29) \\\\\n"
        "X3D-S & \\multicolumn{5}{l}{failed: out-of-memory: 100 \\% \\textbar{} of\\_it} \\\\\n"
        "\\midrule\n"
        "CoX3D-M (64) & 71.03 (6 frames/s, whole film) & 40.0 $\\pm$ 0.0 & 25.0 (n = 1) & 25.0 & 26.5 (68.96) \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
        "\n"
        "\\par\\footnotesize\n"
        "\\textsuperscript{!} X3D-M: other work kept up to 1 core busy\\\\\n"
        "\\textsuperscript{a} the video looped\\\\\n"
    )


def test_several_settings_are_distinguished():
    two = [make_record("x3d-m"), make_record("x3d-m", case=make_case("x3d-m", threads=1))]
    text = markdown(table_of(two))
    assert "| X3D-M \\[1 thread\\] |" in text
    assert "| X3D-M \\[2 threads\\] |" in text


@given(st.text())
def test_a_name_cannot_break_a_markdown_table(name):
    records = [make_record("x3d-m", samples=EVEN, model=make_model("x3d-m", title=name or "x"))]
    lines = markdown(table_of(records)).split("\n")
    assert len(lines) == 4  # head, rule, row, end
    assert lines[2].replace("\\\\", "").replace("\\|", "").count("|") == lines[0].count("|")


@given(st.text(alphabet='\\&%$#_{}~^<>|"±\u00d7·\u2013ab '))
def test_latex_has_no_bare_special_character(text):
    plain = re.sub(r"\\text\w+\{\}|\$\\(pm|times|cdot)\$|\\[&%$#_{}]", "", escape_latex(text))
    assert not re.search(r"[\\&%$#_{}~^<>|\"±\u00d7·\u2013]", plain)


def test_a_warning_is_never_without_its_mark_in_any_form():
    table = table_of([make_noisy_record("cox3d-m-16")])
    assert "| CoX3D-M (16) <sup>!</sup> |" in markdown(table)
    assert "CoX3D-M (16)\\textsuperscript{!} &" in latex(table)
    for form in (markdown, latex, csv):
        assert "other work kept up to 0.94 cores busy" in form(table)
