"""Frames since a start: in the terminal, in data, on the page."""

import io

import numpy as np
import pandas
import pytest
from rich.console import Console

import co3d_bench
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.record.blobs import blobs_folder
from co3d_bench.bench.record.case import EvaluationSetup, TransientSetup
from co3d_bench.bench.record.evaluation import Evaluation, FilmNote, Share
from co3d_bench.bench.record.store import append_record, read_records
from co3d_bench.bench.record.transient import Transient
from co3d_bench.bench.record.transient_answers import Answers, write_transient
from co3d_bench.bench.stats.frame import TRANSIENT_FIELDS
from co3d_bench.bench.stats.transient import curve_of
from co3d_bench.reports.charts.transient import transient_chart
from co3d_bench.reports.commands import render_report, write_report
from co3d_bench.reports.html import render_html
from co3d_bench.reports.sections.transient import clip_levels, groups
from co3d_bench.reports.tables.transient import build, render_transient, said, summary

from ..command import call
from ..factories import make_failed_record, make_record
from .charts.specs import assert_valid, layers

FILMS = EvaluationSetup(data="val", films=40, sha256="0123456789ab", fps=15)


def stored(folder, start="zeros", data=False, frames=90, model="cox3d-m-16", **more):
    """A record in a store: of an error that falls to nothing in 80 frames, or of films that are right from 80 on."""
    if data:
        values = np.where(np.arange(frames) < np.arange(2, 82, 2)[:, None], 5, 0).astype(np.uint16)
    else:
        values = np.clip(np.linspace(0.8, -0.1, 90)[None, :frames] * np.arange(1, 5)[:, None], 0, None)
    names = tuple(f"{number}.mp4" for number in range(len(values)))
    run = Transient(
        start=start,
        measure="top1" if data else "error",
        source="val" if data else "noise",
        shown=len(values),
        curve=curve_of("top1" if data else "error", values),
        answers=write_transient(blobs_folder(folder), Answers(names, values)),
        duration_s=10.0,
        network_s=8.0,
        **more,
    )
    speed = make_record(model)
    setup = {"transient": TransientSetup(start=start), "evaluation": FILMS if data else None}
    case = speed.case.model_copy(update=setup)
    facts = speed.model.model_copy(update={"receptive_field": 72, "delay": 43, "counterpart": "x3d-m"})
    record = speed.model_copy(update={"case": case, "timing": None, "transient": run, "model": facts})
    append_record(folder, record)
    return record


def cells_of(record):
    table = build([record])
    return dict(
        zip((column.head for column in table.columns), (cell.text for cell in table.rows[0].cells), strict=True)
    )


def text(renderable, width=250):
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def test_the_table_has_what_is_read_off_the_curve(tmp_path):
    shown = cells_of(stored(tmp_path))
    assert (shown["Start"], shown["Of"], shown["Shown"], shown["Data"]) == ("zeros", "error", "4", "noise")
    assert shown["First answer"] == "200 (80.0 to 320)"
    assert shown["Steady"] == "< 0.001"
    assert (shown["Delay"], shown["Receptive field"]) == ("43", "72")
    assert "Unreadable" not in shown
    assert "Weights" not in shown
    films = cells_of(stored(tmp_path, data=True))
    assert films["First answer"] == "0.0 (0.0 to 8.8)"
    assert films["After the delay"] == "52.5 (37.5 to 67.1)"  # 21 of 40, by Wilson
    assert films["Steady"] == "100.0 (91.2 to 100.0)"
    assert (films["Half way"], films["Nine tenths"], films["Frames"]) == ("41", "73", "15/s")


def test_sentences(tmp_path):
    notes = (FilmNote(film="a.mp4", why="no film"),)
    short = stored(tmp_path, frames=60)
    assert list(said([short, stored(tmp_path, data=True, unreadable=notes)])) == [
        "a.mp4: not scored: no film",
        "CoX3D-M (16): no steady figure: it needs 72 frames, its receptive field",
        "CoX3D-M (16): random weights: the error says how a start is forgotten, not what it costs in accuracy",
    ]
    assert summary([]) == "No start could be measured"
    assert summary([short]) == (
        "CoX3D-M (16) (eager, float32): error against the steady answer in 4 scenes of noise: from a start of zeros "
        "200 (80.0 to 320) % at the first frame, 50.8 (20.3 to 81.3) % at frame 60"
    )
    assert summary([stored(tmp_path, "cut", data=True, frames=1)]).endswith(
        "after a cut 0.0 (0.0 to 8.8) % at the first frame"
    )
    assert summary([short, stored(tmp_path)]) == (
        "CoX3D-M (16) (eager, float32): error against the steady answer in 4 scenes of noise: from a start of zeros "
        "nine tenths of the way takes 73 frames"
    )
    failed = make_failed_record("x3d-m")
    case = failed.case.model_copy(update={"transient": TransientSetup(start="cut")})
    assert "X3D-M failed" in text(render_transient([failed.model_copy(update={"case": case})]))


def test_starts_of_one_network_stand_in_one_plot_with_delay_and_receptive_field(tmp_path):
    records = [stored(tmp_path, start) for start in ("zeros", "replicate", "cut")]
    (group,) = groups([*records, stored(tmp_path, data=True)])[:1]
    assert group == records
    spec = transient_chart(group)
    assert_valid(spec)
    (points,) = layers(spec, "point")
    assert [row["frames"] for row in points[:90]] == list(range(1, 91))
    assert len(points) == 270
    assert points[0]["value"] == pytest.approx(100 * records[0].transient.curve[0].value)
    (rules,) = layers(spec, "rule")
    assert [(row["frames"], row["text"]) for row in rules] == [(43, "delay 43"), (72, "receptive field 72")]
    dashes = next(layer["encoding"]["strokeDash"] for layer in spec["layer"] if layer["mark"]["type"] == "line")
    assert len({tuple(dash) for dash in dashes["scale"]["range"]}) == 3  # not by colour alone
    (rules,) = layers(transient_chart([stored(tmp_path, frames=50)]), "rule")
    assert [row["text"] for row in rules] == ["delay 43"]


def test_the_clip_network_of_the_same_films_is_the_level(tmp_path):
    record, clip = stored(tmp_path, data=True), make_record("x3d-m")
    share = Share(value=0.562, low=0.5, high=0.6)
    scored = Evaluation(data="val", asked=40, scored=40, classes=400, top1=share, predictions="0" * 64, duration_s=1.0,
                        network_s=1.0, waited_s=0.0, decoders=1)  # fmt: skip
    case = clip.case.model_copy(update={"evaluation": FILMS})
    clip = clip.model_copy(update={"case": case, "evaluation": scored, "timing": None})
    others = case.model_copy(update={"evaluation": FILMS.model_copy(update={"fps": None})})
    levels = clip_levels(record, [clip, clip.model_copy(update={"case": others})])
    assert levels == {"X3D-M, one clip": 0.562}
    spec = transient_chart([record], levels)
    assert_valid(spec)
    assert [row["value"] for row in layers(spec, "rule")[1]] == [pytest.approx(56.2)]


def test_starts_have_columns_of_their_own(tmp_path):
    stored(tmp_path)
    append_record(tmp_path, make_record("x3d-s"))
    own = [field.name for field in TRANSIENT_FIELDS]
    for by in ("process", "case"):
        table = co3d_bench.load(tmp_path, by=by)
        assert list(table["kind"]) == ["transient", "speed"]
        assert list(table["status"]) == ["measured"] * 2
        first, last = table.iloc[0], table.iloc[-1]
        assert (first["transient_start"], first["transient_measure"], first["transient_frames"]) == (
            "zeros",
            "error",
            90,
        )
        assert (first["transient_delay_frames"], first["transient_receptive_field_frames"]) == (43, 72)
        assert first["transient_steady"] == 0
        assert pandas.isna(first["latency_s"])
        assert last[own].isna().all()


def test_every_reader_of_a_store_takes_them(tmp_path):
    stored(tmp_path)
    stored(tmp_path, "cut", data=True)
    assert render_report(tmp_path).count("| CoX3D-M (16) | frame |") == 2
    page = write_report(tmp_path).read_text()
    assert "After a start" in page
    assert page.count('class="card transient"') == 2
    assert "nine tenths of the way takes" in page
    shown = call(tmp_path, "show", "cox3d-m-16", ".")
    assert "Nine tenths" in shown.stdout
    with pytest.raises(UserError, match="only records of `co3d-bench transient`, which have no speed"):
        render_report(tmp_path, "csv")
    append_record(tmp_path, make_record("x3d-s"))
    assert render_report(tmp_path).count("CoX3D-M (16)") == 2
    assert "After a start" in render_html(read_records(tmp_path), ())
