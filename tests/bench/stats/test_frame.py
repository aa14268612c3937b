"""All records as a pandas table."""

from statistics import median

import pandas
import pytest

import co3d_bench
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.record.record import ModelSource
from co3d_bench.bench.record.store import append_record
from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.bench.stats.frame import CAMERA_FIELDS, CASE_FIELDS, FACTS, FIELDS, case_frame, frame, load

from ...factories import (
    make_engine_record,
    make_failed_record,
    make_mixed_records,
    make_model,
    make_record,
    make_samples,
)
from ...reports.device_records import on_board, on_card, on_pc
from ...reports.test_camera import watched


def test_load_gives_each_record_a_row_with_units_in_the_names(tmp_path):
    records = make_mixed_records()
    for record in records:
        append_record(tmp_path, record)
    table = co3d_bench.load(tmp_path)
    assert list(table["model"]) == [record.case.model for record in records]
    assert list(table.columns) == [field.name for field in FIELDS]
    row = table.set_index("model").loc["cox3d-m-16"]
    (record,) = (each for each in records if each.case.model == "cox3d-m-16")
    assert row["latency_s"] == median(record.timing.samples.latency_s)
    assert row["macs"] == record.counters.macs
    assert row["started_at"] == pandas.Timestamp("2026-11-22T12:00:00Z")
    assert row["warnings"] == "other work kept 0.94 cores busy"
    assert row["background_load"] == 0.94


def test_the_commit_is_that_of_the_network_and_ours_stands_beside_it():
    ours = make_record()
    source = ModelSource(file="net.py", sha256="0" * 64, git_commit="a" * 40, git_dirty=True)
    own = make_record(model=ours.model.model_copy(update={"source": source}))
    table = frame([ours, own])
    bench = ours.environment.git_commit
    assert list(table["commit"]) == [bench, "a" * 40]
    assert list(table["dirty"]) == [False, True]
    assert list(table["bench_commit"]) == [bench, bench]


def test_a_failed_case_has_missing_values_and_says_why():
    failed = next(record for record in make_mixed_records() if record.error)
    row = frame([failed]).iloc[0]
    assert pandas.isna(row["latency_s"])
    assert row["error"].startswith("out-of-memory: ")


def test_what_really_ran_is_in_it():
    row = frame([make_engine_record("x3d-m", "onnxruntime")]).iloc[0]
    assert (row["backend"], row["engine"], row["engine_version"]) == ("onnxruntime", "ONNX Runtime", "1.23.2")


def test_an_accuracy_has_its_conditions():
    (row,) = frame([make_record("cox3d-m-64")]).to_dict("records")
    names = ("top1_percent", "frames_per_s", "view", "source", "15fps_percent")
    source = "Hedegaard and Iosifidis, ECCV 2022, Table 1"
    assert [row[f"accuracy_{name}"] for name in names] == [71.03, 6.0, "whole film", source, 64.9]
    (row,) = frame([make_record("x3d-m", model=make_model("x3d-m", published=None))]).to_dict("records")
    assert all(pandas.isna(row[f"accuracy_{name}"]) for name in names)


def test_what_the_device_did_is_in_it_in_our_units():
    pc, board, card = (row for _, row in frame([on_pc(), on_board(fell=True), on_card()]).iterrows())
    assert (pc["energy_j"], pc["energy_above_idle_j"]) == (
        pytest.approx(0.5),
        pytest.approx(0.375),
    )  # 20 and 15 W, 25 ms
    assert (pc["highest_temperature_c"], board["highest_temperature_c"], card["highest_temperature_c"]) == (
        71,
        55,
        68.5,
    )
    assert pc["energy_quantity"].startswith("of all packages")
    assert (board["device"], board["device_kind"]) == ("my-xavier", "xavier")
    assert "the cap of its clock fell" in board["throttled"]
    assert pandas.isna(pc["throttled"])
    record = on_card()
    assert card["device_s"] == pytest.approx(median(record.timing.samples.latency_s) / 2)
    assert (card["to_device_s"], card["to_host_s"]) == (0.00042, 0.00003)
    assert (card["cuda_reserved_bytes"], card["gpu"]) == (188_000_000, "NVIDIA GeForce RTX 3090")
    assert pandas.isna(card["available_drop_bytes"])
    assert pandas.isna(pc["gpu"])


def test_names_of_columns_are_distinct_and_explained():
    for fields in (FIELDS, CASE_FIELDS):
        names = [field.name for field in fields]
        assert len(set(names)) == len(names)
        assert all(field.explains for field in fields)


def even(model, typical_s, **changes):
    return make_record(model, samples=make_samples(typical_s, 10, spread=0.0, disturbed_share=0.0), **changes)


def test_by_case_a_row_is_the_newest_run_of_a_case_in_the_figures_of_the_report(tmp_path):
    counting = even("x3d-s", 0.4, run_id="b", process=1)
    others = [even("x3d-s", s, run_id="b", process=n, counters=None) for n, s in ((2, 0.2), (3, 0.3))]
    failed = make_failed_record("x3d-s", run_id="b", process=4)
    for record in (even("x3d-s", 9.0, run_id="a"), counting, *others, failed, make_failed_record("x3d-m")):
        append_record(tmp_path, record)
    table = co3d_bench.load(tmp_path, by="case").set_index("model")
    row = table.loc["x3d-s"]
    assert row["run_id"] == "b"
    assert (row["latency_s"], row["latency_low_s"], row["latency_high_s"]) == pytest.approx((0.3, 0.2, 0.4))
    assert row["throughput_per_s"] == pytest.approx(1 / 0.3)
    assert (row["processes"], row["failed_processes"], row["samples"]) == (3, 1, 30)
    assert row["macs"] == counting.counters.macs  # which one process counted for all
    assert row["status"] == "measured"
    assert row["warnings"] == "noisy: its 3 processes range over ±33.3%"
    assert table.loc["x3d-m", "status"] == "failed"
    assert table.loc["x3d-m", "error"].startswith("out-of-memory: ")
    assert pandas.isna(table.loc["x3d-m", "latency_s"])


def test_cameras_have_columns_of_their_own_and_speed_has_none_of_them(tmp_path):
    speed, camera = make_record("cox3d-s-13"), watched(late=2, dropped=1)
    for record in (speed, watched(late=9, run_id="a"), camera.model_copy(update={"run_id": "b"})):
        append_record(tmp_path, record)
    own = [field.name for field in CAMERA_FIELDS]
    for by, count in (("process", 3), ("case", 2)):
        table = load(tmp_path, by=by)
        assert list(table["kind"]) == ["speed", *["camera"] * (count - 1)]
        assert list(table["status"]) == ["measured"] * count
        first, last = table.iloc[0], table.iloc[-1]
        assert first[own].isna().all()
        assert pandas.isna(last["latency_s"])
        assert (last["due"], last["late"], last["dropped"], last["missed_share"]) == (120, 2, 1, 3 / 120)
        assert (last["due_latency_p50_s"], last["due_latency_p90_s"]) == (0.0082, 0.0101)
        assert pandas.isna(last["due_latency_p99_s"])
        assert (last["camera_fps"], last["camera_every"], last["reaction_half_s"]) == (30, 5, 7.0)
        assert (last["network_cpu_s"], last["memory_growth_bytes"]) == (2.5, 36_000_000)


def test_by_case_every_fact_has_a_column_and_no_figure_of_one_process_has():
    columns = list(case_frame(case_results([on_card()])).columns)
    assert columns == [field.name for field in (*FACTS, *CASE_FIELDS)]
    missing = {field.name for field in FIELDS} - set(columns)
    assert missing == {"process", "reference_s", "background_load"}


def test_rows_are_by_process_or_by_case(tmp_path):
    with pytest.raises(ValueError, match="'process' or 'case'"):
        load(tmp_path, by="run")


def test_no_store_is_reported(tmp_path):
    with pytest.raises(UserError, match="no records"):
        load(tmp_path / "nothing")


def test_the_package_has_no_other_lazy_names():
    assert "load" in dir(co3d_bench)
    with pytest.raises(AttributeError, match="nonsense"):
        co3d_bench.nonsense  # noqa: B018
