"""Which accuracy stands beside a network, in every reader: that of the same artefact, else published for float32."""

import io
import re

import pandas
import pytest
from rich.console import Console

import co3d_bench
from co3d_bench.bench.record.blobs import blobs_folder
from co3d_bench.bench.record.case import CameraSetup
from co3d_bench.bench.record.store import append_record
from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.models.weights.sources import public_files
from co3d_bench.models.zoo import find_model
from co3d_bench.reports.charts.pareto import PLOTS, front_of, pareto_chart
from co3d_bench.reports.commands import render_report
from co3d_bench.reports.headline import headline
from co3d_bench.reports.html import render_html
from co3d_bench.reports.tables import terminal
from co3d_bench.reports.tables.camera import build as build_cameras
from co3d_bench.reports.tables.choose import build as build_choice
from co3d_bench.reports.tables.choose import choice_of, render_choice
from co3d_bench.reports.tables.results import build

from ..factories import make_accuracy_record, make_case, make_engine_record, make_model
from .charts.specs import assert_valid, layers
from .test_accuracy import predictions, stored

CLIP, FRAMES = "x3d-m", "cox3d-m-16"


def timed(model=CLIP, precision="int8", backend="openvino", weights=None):
    weights = weights or f"{public_files(find_model(model))[0]} sha256:0123456789ab"
    return make_engine_record(model, backend, precision, model=make_model(model, weights=weights))


def text(renderable):
    console = Console(file=io.StringIO(), width=300)
    console.print(renderable)
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def accuracy_cell(table, row=0):
    return table.cell(table.rows[row], "accuracy_top1_percent")


INT8 = {"precision": "int8", "backend": "openvino"}
MEASURED = [timed(), timed(FRAMES), make_accuracy_record(top1=0.5, **INT8), make_accuracy_record(FRAMES, 0.4, **INT8)]


@pytest.mark.parametrize(
    "setting",
    [{"precision": "bf16"}, {"precision": "int8"}, {"precision": "fp32", "weights": "tuned.pyth sha256:0123456789ab"}],
)
def test_no_other_precision_or_weights_carry_the_published_accuracy(setting, tmp_path):
    record = timed(**setting)
    table = build(case_results([record]))
    assert (accuracy_cell(table).value, accuracy_cell(table).detail) == (None, "not measured")
    assert "67.2" not in text(terminal.render(table))
    assert "(`co3d-bench evaluate` measures them)" in text(terminal.render(table))
    assert "accuracy" not in headline(case_results([record])).title
    assert pareto_chart(case_results([record]), PLOTS[0]) is None
    verdict = build_choice(choice_of([record], {}))
    assert accuracy_cell(verdict).value is None
    assert "accuracy is measured by `co3d-bench evaluate`" in text(render_choice(choice_of([record], {"accuracy": 60})))
    append_record(tmp_path, record)
    for by in ("process", "case"):
        row = co3d_bench.load(tmp_path, by=by).iloc[0]
        assert pandas.isna(row["accuracy_top1_percent"])
        assert pandas.isna(row["accuracy_source"])
    for form in ("md", "csv", "latex"):
        assert "67.24" not in render_report(tmp_path, form)
    shown = re.sub(r"<script.*?</script>", "", render_html([record]), flags=re.DOTALL)  # without the records themselves
    assert "67.2" not in shown
    assert "not measured" in shown


def test_what_was_measured_stands_in_every_reader_with_its_interval_and_films(tmp_path):
    cases = case_results(MEASURED)
    cell = accuracy_cell(build(cases))
    assert (cell.text, cell.detail) == ("50.0 (45.0 to 55.0)", "measured on val, 500 films, 6 frames/s, one clip")
    assert "Accuracies: X3D-M: measured on val" in text(terminal.render(build(cases)))
    mixed = case_results([*MEASURED, timed("x3d-s", "fp32")])
    assert "Accuracies are as published, but where it is said. X3D-M: measured on" in text(
        terminal.render(build(mixed))
    )
    said = headline(cases)
    assert "X3D-M by openvino has the highest measured accuracy of all that keep up" in said.title
    assert "50.0 (45.0 to 55.0)" in said.title
    assert any("Accuracies are measured on val, 500 films, with 95\u00a0% intervals" in each for each in said.sentences)
    found = {
        row.model: accuracy_cell(build_choice(choice_of(MEASURED, {})), n).text
        for n, row in enumerate(build_choice(choice_of(MEASURED, {})).rows)
    }
    assert found == {CLIP: "50.0 (45.0 to 55.0)", FRAMES: "40.0 (35.0 to 45.0)"}
    for record in MEASURED:
        append_record(tmp_path, record)
    row = co3d_bench.load(tmp_path, by="case").set_index("kind").loc["speed"].iloc[0]
    names = ("accuracy_top1_percent", "accuracy_low_percent", "accuracy_high_percent", "accuracy_frames_per_s")
    assert [row[name] for name in names] == pytest.approx([50, 45, 55, 6])
    assert (row["accuracy_source"], row["accuracy_view"]) == ("measured on val, 500 films", "one clip")
    csv = pandas.read_csv(io.StringIO(render_report(tmp_path, "csv"))).iloc[0]
    assert [csv[name] for name in names] == pytest.approx([50, 45, 55, 6])
    assert "50.0 (45.0 to 55.0) (measured on val, 500 films, 6 frames/s, one clip)" in render_report(tmp_path, "md")


def test_the_plot_has_intervals_and_one_set_of_films():
    spec = pareto_chart(case_results(MEASURED), PLOTS[0])
    assert_valid(spec)
    assert spec
    assert "top-1 on val, 500 films, %" in str(spec)
    bars = layers(spec, "tick")[0]
    assert [(row["low"], row["high"]) for row in bars] == [pytest.approx((45, 55)), pytest.approx((35, 45))]
    assert len(layers(spec, "tick")) == 2
    # A network whose accuracy is published is of other films: it is no point here, and not on the front.
    mixed = case_results([*MEASURED, timed("x3d-s", "fp32")])
    assert {case.case.model for case in front_of(mixed, PLOTS[0])} <= {CLIP, FRAMES}
    published = case_results([timed(model, "fp32") for model in (CLIP, FRAMES)])
    assert layers(pareto_chart(published, PLOTS[0]), "tick") == []


def test_without_speed_the_accuracies_are_the_csv(tmp_path):
    stored(tmp_path, predictions())
    stored(tmp_path, predictions(wrong=4), fps=15.0)
    found = pandas.read_csv(io.StringIO(render_report(tmp_path, "csv")))
    assert list(found["model"]) == ["x3d-s", "x3d-s"]
    assert found["top1_percent"].tolist() == pytest.approx([65, 75])
    assert found["top1_low_percent"][0] == pytest.approx(49.5, abs=0.1)
    assert found["films_scored"].tolist() == [40, 40]
    assert found["data"].tolist() == ["val", "val"]
    assert "tabular" in render_report(tmp_path, "latex")
    assert blobs_folder(tmp_path).is_dir()


def test_a_case_of_another_store_knows_nothing_of_it():
    assert case_results([MEASURED[0]])[0].accuracy.main is None
    assert make_case(CLIP).key == "x3d-m/cpu/eager/fp32/b1/t2/random-0"


def test_accuracies_of_other_films_stay_out_of_headline_and_plots_and_that_is_said():
    """Two of three networks were measured here; of the third a higher accuracy is published, of other films."""
    models = (CLIP, FRAMES, "x3d-s")
    records = [timed(model, "fp32") for model in models]
    records += [make_accuracy_record(CLIP, 0.5), make_accuracy_record(FRAMES, 0.4)]
    said = headline(case_results(records))
    assert "X3D-M by openvino has the highest measured accuracy" in said.title
    last = next(each for each in said.sentences if each.startswith("Accuracies"))
    assert last.endswith("with 95\u00a0% intervals over films; 1 more is as published.")
    assert "1 more has an accuracy of other films" in render_html(records)
    assert "more has an accuracy of other films" not in render_html(records[:3])


def test_before_a_camera_it_is_that_of_the_rate_at_which_frames_are_seen():
    setup = CameraSetup(fps=30.0, every=5)
    record = timed(FRAMES, "int8").model_copy(update={"timing": None})
    record = record.model_copy(update={"case": record.case.model_copy(update={"camera": setup})})
    at_30 = record.model_copy(update={"case": record.case.model_copy(update={"camera": CameraSetup(fps=30.0)})})
    rows = build_cameras([record, at_30], MEASURED).rows
    found = [[cell.text for cell in row.cells if "(35.0 to 45.0)" in cell.text] for row in rows]
    assert found == [["40.0 (35.0 to 45.0)"], []]
    assert all("62.8" not in cell.text for row in build_cameras([record]).rows for cell in row.cells)
