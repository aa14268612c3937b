"""Accuracy over films: in the terminal, in data, on the page."""

import io
from typing import Any

import numpy as np
import pandas
import pytest
from rich.console import Console

import co3d_bench
from co3d_bench.bench.errors import NOTHING, UserError
from co3d_bench.bench.record.blobs import blobs_folder
from co3d_bench.bench.record.case import Drop, EvaluationSetup
from co3d_bench.bench.record.evaluation import Evaluation, FilmNote
from co3d_bench.bench.record.predictions import Predictions, write_predictions
from co3d_bench.bench.record.store import append_record, read_records
from co3d_bench.bench.stats.case_result import speed_records
from co3d_bench.bench.stats.frame import ACCURACY_FIELDS
from co3d_bench.bench.stats.scores import Scores
from co3d_bench.reports.charts.confusion import MOST_CLASSES, cells, confusion_chart
from co3d_bench.reports.commands import film_scores, render_report, write_report
from co3d_bench.reports.html import render_html
from co3d_bench.reports.select import newest_evaluations
from co3d_bench.reports.tables.accuracy import build, checkpoint_of, render_accuracy, said, summary, title_of

from ..command import call
from ..factories import make_failed_record, make_record
from .charts.specs import assert_valid


def predictions(films=40, classes=6, wrong=3, names=True):
    """Every `wrong`-th film is taken for the next class."""
    labels = np.arange(films, dtype=np.int32) % classes
    scores = np.full((films, classes), -5, np.float16)
    answers = np.where(np.arange(films) % wrong, labels, (labels + 1) % classes)
    scores[np.arange(films), answers] = 0
    given = tuple(f"class {place}" for place in range(classes)) if names else ()
    return Predictions(tuple(f"{number}.mp4" for number in range(films)), scores, labels, given)


def stored(folder, given, model="x3d-s", fps=None, **more):
    """A record in a store, with its predictions in a blob."""
    setup = EvaluationSetup(data="val", films=len(given.films), sha256="0123456789ab", fps=fps)
    figures: dict[str, Any] = Scores(given).figures()
    run = Evaluation(
        data="val",
        asked=len(given.films) + len(more.get("unreadable", ())),
        scored=len(given.films),
        classes=given.scores.shape[1],
        predictions=write_predictions(blobs_folder(folder), given),
        duration_s=10.0,
        network_s=4.0,
        waited_s=5.0,
        decoders=2,
        **figures,
        **more,
    )
    speed = make_record(model)
    case = speed.case.model_copy(update={"evaluation": setup})
    record = speed.model_copy(update={"case": case, "timing": None, "evaluation": run})
    append_record(folder, record)
    return record


def text(renderable, width=200):
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def test_the_table_has_intervals_and_the_number_of_films(tmp_path):
    record = stored(tmp_path, predictions())
    (row,) = build([record]).rows
    shown = dict(zip((column.head for column in build([record]).columns), row.cells, strict=True))
    assert shown["Top-1"].text == "65.0 (49.5 to 77.9)"  # 26 of 40, by Wilson
    assert shown["Films"].text == "40"
    assert "mAP" not in shown
    assert "Unreadable" not in shown  # there is none
    assert summary([record]) == "X3D-S (eager, float32) on val has a top-1 of 65.0 (49.5 to 77.9) %"


def on(record, data):
    """The same record, of other films."""
    setup = EvaluationSetup(data=data, films=40, sha256=f"{data:0<12}")
    return record.model_copy(update={"case": record.case.model_copy(update={"evaluation": setup})})


def trained(record, weights):
    return record.model_copy(update={"model": record.model.model_copy(update={"weights": weights})})


def test_only_accuracies_of_the_same_films_are_ranked(tmp_path):
    good, bad, even = (
        stored(tmp_path / n, predictions(wrong=w), n) for n, w in (("x3d-l", 9), ("x3d-s", 2), ("x3d-m", 2))
    )
    assert summary([on(good, "easy"), on(bad, "hard"), on(even, "hard")]).startswith(
        "X3D-S (eager, float32) on hard has the highest top-1 of 2, shared by 2: 50.0 ("
    )


def test_rows_of_the_same_films_and_networks_stand_together(tmp_path):
    first, second = (stored(tmp_path / name, predictions(), name) for name in ("x3d-s", "x3d-m"))
    rows = build([on(first, "a"), on(second, "a"), on(first, "b"), on(second, "b"), on(first, "a")]).rows
    shown = [(row.case.model, row.case.evaluation.data) for row in rows if row.case and row.case.evaluation]
    assert shown == [("x3d-s", "a"), ("x3d-s", "a"), ("x3d-m", "a"), ("x3d-s", "b"), ("x3d-m", "b")]


def test_two_checkpoints_of_a_network_are_two_rows(tmp_path):
    record = stored(tmp_path, predictions())
    texts = ["a.pth sha256:0123456789ab", "b.pth sha256:ba9876543210", "a.pth sha256:0123456789ab"]
    found = newest_evaluations([trained(record, text) for text in texts])
    assert [checkpoint_of(each) for each in found] == texts[:2]
    assert texts[1] in text(render_accuracy(found))
    assert checkpoint_of(trained(record, "as its factory makes them, torch seeded")) == ""


def test_a_narrow_terminal_keeps_the_accuracy(tmp_path):
    shown = text(render_accuracy([stored(tmp_path, predictions())]), width=50)
    assert "65.0 (49.5 to 77.9)" in shown


def test_what_is_wrong_with_films_is_said_once(tmp_path):
    notes = tuple(FilmNote(film=f"{number}.mp4", why="no film") for number in range(7))
    records = [stored(tmp_path, predictions(), model, unreadable=notes) for model in ("x3d-s", "x3d-m")]
    lines = list(said(records))
    assert lines[0] == "0.mp4: not scored: no film"
    assert lines[5:] == ["and 2 more films that were not scored"]


def test_a_failed_case_is_named(tmp_path):
    failed = make_failed_record("x3d-m")
    case = failed.case.model_copy(update={"evaluation": EvaluationSetup(data="v", films=1, sha256="0123456789ab")})
    shown = text(render_accuracy([failed.model_copy(update={"case": case})]))
    assert "X3D-M failed" in shown


def test_accuracy_has_columns_of_its_own(tmp_path):
    stored(tmp_path, predictions(), fps=15)
    append_record(tmp_path, make_record("x3d-s"))
    own = [field.name for field in ACCURACY_FIELDS]
    for by in ("process", "case"):
        table = co3d_bench.load(tmp_path, by=by)
        assert list(table["kind"]) == ["accuracy", "speed"]
        assert list(table["status"]) == ["measured"] * 2
        first, last = table.iloc[0], table.iloc[-1]
        assert (first["top1"], first["films_scored"], first["accuracy_fps"]) == (0.65, 40, 15)
        assert first["top1_low"] < 0.65 < first["top1_high"]
        assert pandas.isna(first["latency_s"])
        assert last[own].isna().all()


def test_the_key_is_of_films_and_frame_rate(tmp_path):
    first, second = stored(tmp_path, predictions()), stored(tmp_path, predictions(), fps=15)
    assert first.key.endswith("/accuracy-val-40films-0123456789ab")
    assert second.key.endswith("/accuracy-val-40films-0123456789ab-15fps")
    assert first.kind == "accuracy"
    assert [record.key for record in read_records(tmp_path)] == [first.key, second.key]


def test_a_store_without_speed_says_so(tmp_path):
    with pytest.raises(UserError, match="only records of `co3d-bench evaluate`, which have no speed") as error:
        speed_records([stored(tmp_path, predictions())], "results")
    assert error.value.exit_code == NOTHING


def test_the_page_shows_which_classes_are_taken_for_which(tmp_path):
    stored(tmp_path, predictions())
    page = write_report(tmp_path).read_text()
    assert "Accuracy, measured" in page
    assert "65.0 (49.5 to 77.9)" in page
    assert 'class="card confusion"' in page
    assert "has a top-1 of" in page
    assert "65.0 (49.5 to 77.9)" in render_report(tmp_path, "md")


def test_with_many_classes_the_worst_pairs_are_listed(tmp_path):
    record = stored(tmp_path, predictions(films=120, classes=40))
    scores = film_scores(tmp_path, [record])
    assert confusion_chart(next(iter(scores.values())), "clip") is None
    page = render_html([record], scores=scores)
    assert "Classes that X3D-S (eager, float32) on val confuses" in page
    assert "class 0" in page


def test_show_has_the_accuracy_of_a_network(tmp_path):
    stored(tmp_path / "results", predictions())
    done = call(tmp_path, "show", "x3d-s", "results")
    assert done.returncode == 0
    assert "65.0 (49.5 to 77.9)" in done.stdout


def test_a_blob_that_is_gone_leaves_the_figures(tmp_path):
    record = stored(tmp_path, predictions())
    for blob in blobs_folder(tmp_path).iterdir():
        blob.unlink()
    assert film_scores(tmp_path, [record]) == {}
    assert "cannot be read" in write_report(tmp_path).read_text()


def test_the_chart_holds_every_film_and_is_vega_lite():
    scores = Scores(predictions(names=False))
    spec = confusion_chart(scores, "clip")
    assert_valid(spec)
    assert sum(int(cell["tooltip"]["Films"].split()[0]) for cell in cells(scores)) == 40
    assert {cell["truth"] for cell in cells(scores)} == set("012345")
    assert confusion_chart(Scores(predictions(films=99, classes=MOST_CLASSES + 1)), "clip") is None


def test_a_checkpoint_whose_scores_are_gone_is_named_beside_one_whose_scores_are_there(tmp_path):
    first = trained(stored(tmp_path, predictions()), "a.pth sha256:0123456789ab")
    gone = first.evaluation.model_copy(update={"predictions": "f" * 64})
    second = trained(first, "b.pth sha256:ba9876543210").model_copy(update={"evaluation": gone})
    page = render_html([first, second], scores=film_scores(tmp_path, [first, second]))
    assert page.count("the scores of its films (in blobs, beside the records) cannot be read") == 1


def test_a_class_without_a_film_is_said_since_it_is_in_no_mean(tmp_path):
    record = stored(tmp_path, predictions(films=4))
    sentence = "val: of 2 of 6 classes no film was scored; the mean over classes is of the others"
    assert list(said([record, record])) == [sentence]
    assert sentence in text(render_accuracy([record]))


def test_what_was_dropped_is_said_and_kept_apart(tmp_path):
    record = stored(tmp_path, predictions())
    drop = Drop(share=0.25, times="ab" * 32)
    setup = record.case.evaluation.model_copy(update={"drop": drop})
    other = record.model_copy(update={"case": record.case.model_copy(update={"evaluation": setup})})
    assert title_of(other) == "X3D-S (eager, float32) on val, frames dropped: 25 % (camera)"
    assert "has the highest" not in summary([record, other])  # not of the same frames
    assert newest_evaluations([record, other]) == (record, other)
    row = build([record, other]).rows[1]
    assert "25 % (camera)" in [cell.text for cell in row.cells]
    (found,) = co3d_bench.load(tmp_path)["accuracy_drop"].isna()
    assert found
    append_record(tmp_path, other)
    assert co3d_bench.load(tmp_path)["accuracy_drop"].tolist()[1] == 0.25
    assert co3d_bench.query("SELECT accuracy_drop_times t FROM records", tmp_path)["t"].tolist()[1] == "ab" * 32
