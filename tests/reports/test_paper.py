"""The paper's tables as a page, Markdown, LaTeX and CSV."""

import csv
import io
import re
from functools import cache
from pathlib import Path

import pytest

from co3d_bench.bench.stats.paper import paper_of
from co3d_bench.models import published
from co3d_bench.reports.charts.paper import Spot, start_chart, tradeoff_chart
from co3d_bench.reports.paper import forms
from co3d_bench.reports.paper.page import html, lines_of, spots_of
from co3d_bench.reports.paper.tables import build

from ..factories import make_default_records, make_noisy_record
from ..paper_records import make_accuracy, make_start
from .charts.specs import assert_valid, layers

FOLDER = Path(published.__file__).parent / "paper_tables"
EMPTY = paper_of([])
RECORDS = [
    *make_default_records(),
    make_noisy_record("cox3d-s-13"),
    make_accuracy(),
    make_accuracy("cox3d-s-13", top1=0.598),
    make_accuracy("cox3d-s-13", precision="int8", top1=0.55),
    make_accuracy("x3d-m", precision="int8", data="<script>alert(1)</script>"),
    make_start("zeros"),
    make_start("replicate"),
]
FILLED = paper_of(RECORDS)


@cache
def page(*, filled=False):
    """The page takes a second."""
    return html(FILLED if filled else EMPTY)


def test_every_figure_of_the_paper_is_in_the_csv_as_it_prints_it():
    rows = list(csv.DictReader(io.StringIO(forms.csv(EMPTY))))
    with (FOLDER / "table1_kinetics400.csv").open(newline="") as file:
        table1 = list(csv.DictReader(file))
    ours = [row for row in rows if row["table"] == "1"]
    for column, key in (("Accuracy", "accuracy_top1"), ("MACs", "flops_g"), ("Xavier", "xavier_mean")):
        assert [row["paper"] for row in ours if row["column"] == column] == [row[key] for row in table1]
    assert [row["paper_std"] for row in ours if row["column"] == "TX2"] == [row["tx2_std"] for row in table1]
    assert {row["measured"] for row in rows} == {""}
    assert {row["state"] for row in rows} == {"published", "missing"}
    assert all(row["command"] or row["no_command"] for row in rows)


def test_a_measured_cell_of_the_csv_says_how():
    rows = list(csv.DictReader(io.StringIO(forms.csv(FILLED))))
    (row,) = (r for r in rows if (r["table"], r["network"], r["column"]) == ("1", "x3d-s", "Accuracy"))
    assert (row["state"], row["n"], row["n_of"], row["command"]) == ("measured", "19404", "film", "")
    assert float(row["measured_low"]) < float(row["measured"]) < float(row["measured_high"])
    assert (row["machine"], row["precision"]) == ("Imaginary Core i3-1005 @ 1.20GHz", "fp32")
    assert row["weights"] == "x3d_s.pyth sha256:0123456789ab"
    (other,) = (r for r in rows if (r["table"], r["network"], r["column"]) == ("1", "cox3d-s-13", "Accuracy"))
    assert "55.0 (54.3 to 55.7) % (int8; 19,404 films of val" in other["measured_otherwise"]


def test_the_papers_figures_are_set_in_italics_and_ours_are_not():
    text, tex = forms.markdown(FILLED), forms.latex(FILLED)
    assert '<span class="value quoted">67.24</span>' in page(filled=True)
    assert '<span class="value">64.31 (63.63 to 64.97)</span>' in page(filled=True)
    assert "*67.24*" in text
    assert "| 64.31 (63.63 to 64.97) (19,404 films, paper 64.71) |" in text
    assert r"\textit{67.24}" in tex
    assert r"& 64.31 (63.63 to 64.97) (19,404 films, paper 64.71) &" in tex


def test_a_machine_that_is_none_of_the_papers_has_a_column_once_it_is_measured():
    assert "This CPU" not in [column.head for column in build(EMPTY.tables[0], EMPTY).columns]
    table = build(FILLED.tables[0], FILLED)
    heads = [column.head for column in table.columns]
    assert heads[4:6] == ["This CPU", "CPU"]
    (row,) = (row for row in table.rows if row.title == "X3D-M")
    assert row.cells[4].text.startswith("3.4")
    assert row.cells[5].quoted
    assert row.cells[5].text == "0.83 ± 0.04"


def test_a_warning_is_marked_and_said():
    table = build(FILLED.tables[0], FILLED)
    (row,) = (row for row in table.rows if row.title == "CoX3D-S (13)")
    assert row.all_marks[0] == "!"
    assert all(why.startswith("This CPU: ") for why in row.warnings)
    assert 'id="warnings"' in page(filled=True)


def test_a_dash_has_its_command_in_every_form():
    command = "co3d-bench run --model rcu-8 --device tx2 --host user@tx2.local --backend eager"
    assert f"{command}  # RCU (8): TX2" in forms.markdown(EMPTY)
    assert f"{command}  # RCU (8): TX2" in page()
    assert command in forms.csv(EMPTY)
    assert command.replace("--", "-{}-") in forms.latex(EMPTY)


def test_latex_is_balanced_and_its_rows_are_as_wide_as_its_head():
    text = forms.latex(FILLED)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 3
    for tabular in text.split(r"\begin{tabular}")[1:]:
        columns = len(re.match(r"\{([lr]+)\}", tabular)[1])
        rows = [line for line in tabular.split(r"\bottomrule")[0].splitlines() if line.endswith(r"\\")]
        assert {line.count(" & ") + 1 for line in rows} == {columns}
    assert not re.search(r"(?<!\\)[%#](?!.)", text)
    assert all(text.count(one) == text.count(other) for one, other in ("{}", "()"))


def test_the_page_names_the_commands_that_fill_most_cells():
    head = page().split("<main")[0]
    assert "co3d-bench run --suite paper --backend eager  # 107 cells" in head
    assert "co3d-bench evaluate --suite paper-public --weights auto --data kinetics/val.csv  # 20 cells" in head
    assert "(226)" in head
    assert "(26)" in head


def test_notes_are_on_the_page_once():
    marks = re.findall(r'id="(note-\w+)"', page(filled=True))
    assert marks
    assert len(set(marks)) == len(marks)
    assert set(re.findall(r'href="#(note-\w+)"', page(filled=True))) <= set(marks)


def column(paper, key):
    return [cell.key for cell in paper.tables[0].rows[0]].index(key)


def test_figure_1_has_the_papers_points_and_ours_apart():
    spots = list(spots_of(FILLED.tables[0], column(FILLED, "macs")))
    assert len([spot for spot in spots if not spot.here]) == 21
    ours = {spot.model: spot for spot in spots if spot.here}
    assert set(ours) == {"x3d-s", "cox3d-s-13"}
    assert (ours["x3d-s"].x, ours["x3d-s"].y) == pytest.approx((2.061365744, 64.31))
    assert ours["x3d-s"].low < ours["x3d-s"].y < ours["x3d-s"].high
    spec = tradeoff_chart(spots, "Accuracy", "MACs")
    assert_valid(spec)
    assert sum(not point["hollow"] for point in spec["datasets"]["points"]) == 2
    assert len(layers(spec, "rule", strokeWidth=1.6)[0]) == 2  # the intervals of ours


def test_over_a_speed_of_this_machine_stands_the_papers_accuracy_where_none_was_measured():
    spots = {spot.model: spot for spot in spots_of(FILLED.tables[0], column(FILLED, "here"))}
    assert set(spots) == {record.case.model for record in make_default_records()}
    assert spots["x3d-s"].here
    assert not spots["x3d-m"].here
    assert spots["x3d-m"].y == 67.24
    assert not list(spots_of(EMPTY.tables[0], column(EMPTY, "here")))


def test_figure_5_draws_what_the_text_says_and_the_curves():
    for curve in (*EMPTY.curves, *FILLED.curves):
        assert_valid(start_chart(lines_of(curve)))
    small = FILLED.curves[0]
    points = layers(start_chart(lines_of(small)), "line")[0]
    assert {point["start"] for point in points} == {"zeros", "replicate"}
    assert [p["seen"] for p in points if p["start"] == "zeros"] == list(range(1, 81))
    assert points[-1]["value"] == pytest.approx(49.2)
    (peak,) = layers(start_chart(lines_of(EMPTY.curves[1])), "point")[0]
    assert (peak["seen"], peak["value"]) == (44, 57.6)
    assert not layers(start_chart(lines_of(EMPTY.curves[1])), "line")


def test_a_chart_without_networks_is_none():
    assert tradeoff_chart([], "a", "b") is None
    assert_valid(tradeoff_chart([Spot("m", "M", "clip", None, 1.0, 50.0)], "a", "b"))


def test_a_hostile_name_is_text():
    assert "<script>alert(1)" not in page(filled=True)
    assert "&lt;script&gt;alert(1)" in page(filled=True)


def test_the_page_draws_all_its_charts_and_asks_for_nothing(open_html):
    opened = open_html(page(filled=True), 390)
    assert opened.page.evaluate("document.querySelectorAll('.drawing svg').length") == 8
    assert opened.complaints == []
    assert len(opened.requests) == 1
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
