"""All records as a pandas table."""

import pandas
import pytest

import co3d_bench
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.frame import FIELDS, frame, load
from co3d_bench.bench.record import Record
from co3d_bench.bench.stats import clean, median
from co3d_bench.bench.store import append_record

from ..factories import make_engine_record, make_mixed_records, make_record
from ..reports.device_records import on_board, on_card, on_pc


def test_load_gives_each_record_a_row_with_units_in_the_names(tmp_path):
    records = make_mixed_records()
    for record in records:
        append_record(tmp_path, record)
    table = co3d_bench.load(tmp_path)
    assert list(table["model"]) == [record.case.model for record in records]
    assert list(table.columns) == [field.name for field in FIELDS]
    row = table.set_index("model").loc["cox3d-m-16"]
    (record,) = (each for each in records if each.case.model == "cox3d-m-16")
    assert row["latency_s"] == median(clean(record.timing.samples))
    assert row["macs"] == record.counters.macs
    assert row["started_at"] == pandas.Timestamp("2026-11-22T12:00:00Z")
    assert row["verdict"] == "noisy"
    assert row["doubts"].startswith("noisy: ")


def test_a_failed_case_has_missing_values_and_says_why():
    failed = next(record for record in make_mixed_records() if record.error)
    row = frame([failed]).iloc[0]
    assert pandas.isna(row["latency_s"])
    assert row["error"].startswith("out-of-memory: ")


def test_what_really_ran_is_in_it():
    row = frame([make_engine_record("x3d-m", "onnxruntime")]).iloc[0]
    assert (row["backend"], row["engine"], row["engine_version"]) == ("onnxruntime", "ONNX Runtime", "1.23.2")


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
    assert card["device_s"] == pytest.approx(median(clean(record.timing.samples)) / 2)
    assert (card["to_device_s"], card["to_host_s"]) == (0.00042, 0.00003)
    assert (card["cuda_reserved_bytes"], card["gpu"]) == (188_000_000, "NVIDIA GeForce RTX 3090")
    assert pandas.isna(card["available_drop_bytes"])
    assert pandas.isna(pc["gpu"])


def test_names_of_columns_are_distinct_and_explained():
    names = [field.name for field in FIELDS]
    assert len(set(names)) == len(names)
    assert all(field.explains for field in FIELDS)


def test_a_record_with_nothing_but_a_case_is_a_row():
    record = make_record()
    bare = Record(
        **{name: getattr(record, name) for name in ("run_id", "started_at", "duration_s", "case", "settings")}
    )
    assert len(frame([bare])) == 1


def test_no_store_is_told(tmp_path):
    with pytest.raises(UserError, match="no records"):
        load(tmp_path / "nothing")


def test_the_package_has_no_other_lazy_names():
    assert "load" in dir(co3d_bench)
    with pytest.raises(AttributeError, match="nonsense"):
        co3d_bench.nonsense  # noqa: B018
