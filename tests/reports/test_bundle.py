"""A bundle is a function of its records: what it holds, what its check finds, what it does not send unseen."""

import csv
import hashlib
import io
import json
import zipfile

import numpy as np
import pytest

from co3d_bench.bench.errors import ENVIRONMENT, NOTHING, UserError
from co3d_bench.bench.record import archive
from co3d_bench.bench.record.blobs import blobs_folder, write_blob
from co3d_bench.bench.record.fleet import FleetFacts
from co3d_bench.bench.record.predictions import Predictions, write_predictions
from co3d_bench.bench.record.record import Failure, ModelSource, Settings
from co3d_bench.bench.record.store import append_record, read_records
from co3d_bench.bench.stats.camera import PERCENTS, FrameTimes
from co3d_bench.reports.bundle import members as bundling
from co3d_bench.reports.bundle.check import check_bundle
from co3d_bench.reports.bundle.members import read_contents, without_private, write_bundle
from co3d_bench.reports.bundle.private import private_texts
from co3d_bench.reports.bundle.repeat import repeat_commands
from co3d_bench.reports.commands import render_report, write_report

from ..factories import make_case, make_engine_record, make_failed_record, make_model, make_record
from . import test_accuracy, test_transient
from .test_camera import watched


def store_of(folder, *records):
    for record in records:
        append_record(folder, record)
    return folder


def camera_record(folder):
    """A camera's record whose figures are those of its blob."""
    due = np.arange(700) / 10
    answered = np.where(np.arange(700) % 100, due + 0.01 + np.arange(700) / 1e4, np.nan)
    times = FrameTimes(due, answered, 70.0, 0.05)
    file = io.BytesIO()
    np.savez(file, due_s=due, answered_s=answered)
    record = watched()
    figures = {
        "times": write_blob(blobs_folder(folder), file.getvalue()),
        "latency_s": {f"p{p:g}": s for p in PERCENTS if (s := times.percentile_s(p)) is not None and s < np.inf},
        **{name: getattr(times, name) for name in ("due", "in_time", "late", "dropped", "deadline_s")},
        **{name: getattr(times, name) for name in ("mean_age_s", "peak_age_s", "longest_gap_s")},
        "duration_s": 70.0,
    }
    record = record.model_copy(update={"camera": record.camera.model_copy(update=figures)})
    append_record(folder, record)
    return record


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A store with records of every kind, and its bundle."""
    folder = store_of(tmp_path_factory.mktemp("store") / "results", make_record("x3d-s"), make_engine_record("x3d-m"))
    camera_record(folder)
    test_accuracy.stored(folder, test_accuracy.predictions())
    test_transient.stored(folder)
    return folder, write_bundle(read_contents(folder), folder.parent / "results.zip")


def repacked(path, changes, manifest=True):
    """The bundle with members changed: the bytes of one, or None for one left out; with a manifest that agrees."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    made_with = json.loads(members.pop(archive.MANIFEST))["made_with"]
    members = {name: data for name, data in {**members, **changes}.items() if data is not None}
    if manifest:
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
        members[archive.MANIFEST] = archive.manifest_text(hashes, made_with)
    other = path.with_name("changed.zip")
    with other.open("wb") as file:
        archive.write_archive(file, sorted(members.items()))
    return other


def member(path, name):
    with zipfile.ZipFile(path) as file:
        return file.read(name)


def test_a_bundle_is_the_store_and_its_check_finds_nothing(everything):
    folder, path = everything
    found = check_bundle(path)
    assert (found.records, found.cases, found.blobs) == (5, 5, 3)
    assert found.differences == found.notes == ()
    assert read_records(path) == read_records(folder)
    assert member(path, archive.RECORDS) == (folder / "records.jsonl").read_bytes()
    assert member(path, archive.PAGE) == write_report(folder).read_bytes()
    assert render_report(path, "md") == render_report(folder, "md")


def test_a_bundle_of_a_bundle_is_the_same_file(everything, tmp_path):
    _, path = everything
    again = write_bundle(read_contents(path), tmp_path / "again.zip")
    assert again.read_bytes() == path.read_bytes()


def test_a_bundle_is_read_and_not_unpacked_or_written_into(everything):
    folder, path = everything
    page = write_report(path, path.parent / "a.html")  # with what is in its blobs
    assert page.read_bytes() == write_report(folder).read_bytes()
    with pytest.raises(UserError, match="a bundle is only read; choose another folder with --out"):
        append_record(path, make_record())


def test_a_figure_that_was_changed_is_named(everything):
    _, path = everything
    table = member(path, archive.FIGURES).decode()
    row = next(csv.DictReader(io.StringIO(table)))
    changed = repacked(path, {archive.FIGURES: table.replace(f",{row['latency_s']},", ",0.001,", 1).encode()})
    said = [str(each) for each in check_bundle(changed).differences]
    where = "results.csv: x3d-s/cpu/eager/fp32/b1/t2/random-0"
    assert said == [f"{where}: latency_s is 0.001, computed again {row['latency_s']}"]


def test_rows_that_are_too_long_or_too_short_are_named(everything):
    _, path = everything
    table = member(path, archive.FIGURES)
    longer = repacked(path, {archive.FIGURES: table.replace(b"\n", b",more\n").replace(b",more\n", b"\n", 1)})
    said = [str(each) for each in check_bundle(longer).differences]
    assert "random-0: beyond its last column is ['more'], computed again missing" in said[0]
    said = [str(each) for each in check_bundle(repacked(path, {archive.FIGURES: table + b"run-1\n"})).differences]
    assert said == ["results.csv: no record has it"]


def test_cameras_of_other_frames_than_a_blob_has_are_said(tmp_path):
    record = camera_record(tmp_path / "one")
    file = io.BytesIO()
    due = np.arange(700) / 10
    np.savez(file, due_s=due, answered_s=due, stream=np.zeros(3))
    run = record.camera.model_copy(update={"times": write_blob(blobs_folder(tmp_path / "two"), file.getvalue())})
    append_record(tmp_path / "two", record.model_copy(update={"camera": run}))
    path = write_bundle(read_contents(tmp_path / "two"), tmp_path / "a.zip")
    (only,) = check_bundle(path).differences
    assert "does not say of 700 frames which camera's they are" in str(only)


def test_predictions_of_no_film_are_none(tmp_path):
    record = test_accuracy.stored(tmp_path / "one", test_accuracy.predictions())
    none = Predictions((), np.zeros((0, 4), np.float16), np.zeros(0, np.int64))
    run = record.evaluation.model_copy(update={"predictions": write_predictions(blobs_folder(tmp_path / "two"), none)})
    append_record(tmp_path / "two", record.model_copy(update={"evaluation": run}))
    path = write_bundle(read_contents(tmp_path / "two"), tmp_path / "a.zip")
    (only,) = check_bundle(path).differences
    assert "holds no predictions" in str(only)


def test_a_record_that_was_changed_changes_its_figures(everything):
    _, path = everything
    lines = member(path, archive.RECORDS).replace(b'"peak_rss_bytes":412000000', b'"peak_rss_bytes":312000000', 1)
    said = {str(each) for each in check_bundle(repacked(path, {archive.RECORDS: lines})).differences}
    assert any("peak_rss_bytes is 412000000" in each and "computed again 312000000" in each for each in said)
    assert any(each.startswith("report.html: computed again it differs, from byte") for each in said)


@pytest.mark.parametrize(
    ("was", "now", "figure"),
    [
        (b'"missed_share"', b'"missed_share"', None),
        (b'"in_time":', b'"in_time":1', "camera.in_time"),
        (b'"p50":0.', b'"p50":0.1', "camera.latency_s.p50"),
        (b'"mean_age_s":0.', b'"mean_age_s":0.9', "camera.mean_age_s"),
        (b'"top1":{"value":0.', b'"top1":{"value":0.1', "evaluation.top1.value"),
        (b'"curve":[{"value":', b'"curve":[{"value":1', "transient.curve.0.value"),
    ],
)
def test_a_figure_of_a_record_that_its_blob_does_not_give_is_named(everything, was, now, figure):
    _, path = everything
    lines = member(path, archive.RECORDS).replace(was, now)
    found = [each.figure for each in check_bundle(repacked(path, {archive.RECORDS: lines})).differences if each.figure]
    assert (figure in found) is (figure is not None)


def test_members_that_are_missing_or_that_nothing_names_are_said(everything):
    _, path = everything
    blob = next(name for name in zipfile.ZipFile(path).namelist() if name.startswith(archive.BLOBS))
    said = [str(each) for each in check_bundle(repacked(path, {blob: None, archive.COMMANDS: None})).differences]
    assert f"{blob}: missing" in said
    assert "repeat.txt: missing" in said
    more = repacked(path, {f"{archive.BLOBS}{'0' * 64}": b"x", archive.PAGE: b"<script>alert(1)</script>"})
    said = " / ".join(str(each) for each in check_bundle(more).differences)
    assert f"{'0' * 64}: no record names it" in said
    assert f"{'0' * 64}: its name is not its sha256" in said
    assert "report.html: computed again it differs, from byte 1 on" in said
    assert "alert" not in write_report(more, path.parent / "b.html").read_text()  # its own page is never shown


def test_another_packing_is_said(everything):
    _, path = everything
    other = path.with_name("packed.zip")
    with zipfile.ZipFile(path) as file, zipfile.ZipFile(other, "w") as again:
        for name in reversed(file.namelist()):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100644 << 16
            again.writestr(entry, file.read(name))
    (only,) = check_bundle(other).differences
    assert str(only) == "packed.zip: packed in another way: order, times or permissions of its members"


def test_made_by_another_version_its_figures_are_compared_and_its_page_is_not(everything, monkeypatch):
    _, path = everything
    monkeypatch.setattr(bundling, "__version__", "9.9.9")
    found = check_bundle(path)
    assert found.differences == ()
    assert "this is co3d_bench 9.9.9: report.html, environment.json, repeat.txt were not compared" in found.notes[0]
    table = member(path, archive.FIGURES).replace(b"latency_p90_s", b"latency_p90_of_old_s").replace(b"412000000", b"1")
    said = [str(each) for each in check_bundle(repacked(path, {archive.FIGURES: table})).differences]
    assert said
    assert all("peak_rss_bytes" in each for each in said)


def test_a_blob_that_is_gone_is_no_bundle(tmp_path):
    record = camera_record(tmp_path / "results")
    (blobs_folder(tmp_path / "results") / record.camera.times).unlink()
    with pytest.raises(UserError, match="cannot be read") as raised:
        write_bundle(read_contents(tmp_path / "results"), tmp_path / "a.zip")
    assert raised.value.exit_code == ENVIRONMENT
    assert {each.name for each in tmp_path.iterdir()} == {"results"}  # and no half of one


def test_a_torn_line_is_no_part_of_it_and_no_store_is_said(tmp_path):
    store = store_of(tmp_path / "results", make_record())
    with (store / "records.jsonl").open("ab") as file:
        file.write(b'{"torn')
    with pytest.warns(UserWarning, match="torn"):
        path = write_bundle(read_contents(store), tmp_path / "a.zip")
    assert check_bundle(path).differences == ()
    with pytest.raises(UserError, match="holds no records") as raised:
        read_contents(tmp_path / "nothing")
    assert raised.value.exit_code == NOTHING


PRIVATE = {
    "/home/alice/nets/net.py": "a path",
    "alice@board.local": "a user or a host",
    "rtsp://10.0.0.5/stream": "an address",
    "https://bob:secret@films.example/x": "an address",
}
PUBLIC = ("a/b.py", "1/2", "/usr/lib/python3.11/site.py", "/dev/video0", "https://arxiv.org/abs/2106.00050", "9.1.0.70")


def test_texts_that_name_somebody_are_found_and_others_are_not():
    for text, what in PRIVATE.items():
        record = make_failed_record(message=f"cannot read {text}: no")
        assert [(each.what, each.text) for each in private_texts([("k", record)])] == [(what, text)]
    failed = make_failed_record(message=" ".join(PUBLIC), detail='File "/usr/lib/python3/x.py", line 1')
    assert private_texts([("k", failed), ("k", make_engine_record())]) == ()


def test_the_host_of_a_fleet_is_found_whatever_it_looks_like():
    fleet = FleetFacts(board="lab-1", host="orin7", seed=0, order=1)
    (found,) = private_texts([("k", make_record("x3d-m").model_copy(update={"fleet": fleet}))])
    assert str(found) == "a user or a host: orin7 (fleet.host of k)"


def test_a_case_is_left_out_whole(tmp_path):
    failed = make_record("x3d-m").model_copy(
        update={"process": 2, "error": Failure(kind="crash", message="x", detail="File '/home/alice/net.py'")}
    )
    store = store_of(tmp_path / "results", make_record("x3d-m"), failed, make_record("x3d-s"))
    kept, keys = without_private(read_contents(store))
    assert keys == (failed.key,)
    assert [record.case.model for _, record in kept.records] == ["x3d-s"]


def test_the_commands_measure_the_cases_again():
    records = [
        *(make_engine_record(model, backend) for model in ("x3d-s", "x3d-m") for backend in ("eager", "openvino")),
        make_record("x3d-s", case=make_case("x3d-s", input="video:a film.mp4:0123456789ab", batch=4)),
        make_record(
            "x3d-s",
            case=make_case("net.py:tiny", precision="bf16"),
            model=make_model("x3d-s", source=ModelSource(file="nets/net.py"), weights="mine.pth sha256:0123456789ab"),
            settings=Settings(runs=15, processes=7),
        ),
    ]
    both, film, own = repeat_commands(records)
    assert both == (
        "co3d-bench run --model x3d-s --model x3d-m --backend eager --backend openvino --device cpu --precision fp32 "
        "--threads 2 --batch 1 --processes 1 --runs 100"
    )
    assert "--batch 4 --video 'a film.mp4'" in film
    assert "--model nets/net.py:tiny" in own
    assert "--weights mine.pth" in own
    assert "--processes 7 --runs 105" in own


def test_the_commands_of_other_kinds_are_those_of_their_verbs(everything):
    folder, _ = everything
    commands = repeat_commands(read_records(folder))
    camera, accuracy, transient = commands[-3:]
    assert camera.startswith("co3d-bench camera --model cox3d-s-13 --backend eager ")
    assert "--source random --fps 30 --every 5 --queue 1" in camera
    assert "--deadline 50ms" in camera
    assert accuracy.startswith("co3d-bench evaluate --model x3d-s ")
    assert "--data val --limit 40" in accuracy
    assert transient.startswith("co3d-bench transient cox3d-m-16 --backend eager ")
    assert "--start zeros" in transient
