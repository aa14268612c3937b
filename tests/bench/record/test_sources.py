"""Several stores read as one: whose each record is, and what counts once."""

import shutil
import warnings

import pytest
from records import make_record

from co3d_bench.bench.record import store
from co3d_bench.bench.record.record import Record
from co3d_bench.bench.record.sources import read_sources, source_names, stores_of
from co3d_bench.bench.record.store import StoreWarning
from co3d_bench.bench.stats.case_result import case_results


@pytest.fixture
def two(tmp_path):
    """The same case, measured by two machines."""
    for name, latency_s in (("a", (0.1, 0.2)), ("b", (0.3, 0.4))):
        for process in (1, 2):
            store.append_record(
                tmp_path / name, make_record(run_id=f"run-{name}", latency_s=latency_s, process=process)
            )
    return tmp_path / "a", tmp_path / "b"


def test_the_same_case_of_two_machines_is_two_cases(two):
    results = case_results(read_sources(two))
    assert [(result.source, result.value("latency_s")) for result in results] == [
        ("a", pytest.approx(0.15)),
        ("b", pytest.approx(0.35)),
    ]
    assert len({result.key for result in results}) == len({result.case for result in results}) == 2
    assert [result.case.own_key for result in results] == [case_results(read_sources(two[0]))[0].key] * 2


def test_of_one_store_there_is_no_source(two):
    assert read_sources(two[0]) == read_sources([two[0], two[0]]) == store.read_records(two[0])
    assert all(record.case.source == "" for record in read_sources(two[0]))


def test_a_row_of_several_is_the_row_of_its_own_store(two):
    together = {result.source: result for result in case_results(read_sources(two))}
    for folder in two:
        (alone,) = case_results(read_sources(folder))
        assert together[folder.name].latency_s == alone.latency_s
        assert together[folder.name].figure("latency_s").low == alone.figure("latency_s").low


def test_no_record_brings_its_source_along(two):
    (first, *_) = read_sources(two)
    text = first.model_dump_json()
    assert "source" not in text.partition('"case":')[2].partition("}")[0]
    assert Record.model_validate_json(text).case.source == ""


def test_a_store_that_is_in_another_one_counts_once(two, tmp_path):
    shutil.copytree(two[0], tmp_path / "copy")
    with pytest.warns(StoreWarning, match="copy: all of its records are in another source too"):
        records = read_sources([*two, tmp_path / "copy"])
    assert [record.case.source for record in records] == ["a", "a", "b", "b"]


def test_the_longer_copy_of_a_run_is_the_one_that_counts(two, tmp_path):
    shutil.copytree(two[0], tmp_path / "longer")
    store.append_record(tmp_path / "longer", make_record(run_id="run-a", latency_s=(0.1, 0.2), process=3))
    with pytest.warns(StoreWarning, match="a: all of its records"):
        records = read_sources([*two, tmp_path / "longer"])
    assert [(result.source, len(result.records)) for result in case_results(records)] == [("b", 2), ("longer", 3)]


def test_a_store_and_nothing_but_its_copy_is_one_store(two, tmp_path):
    shutil.copytree(two[0], tmp_path / "copy")
    with pytest.warns(StoreWarning):
        assert read_sources([two[0], tmp_path / "copy"]) == read_sources(two[0])


def test_two_runs_that_went_on_apart_are_two(two, tmp_path):
    shutil.copytree(two[0], tmp_path / "other")
    store.append_record(two[0], make_record(run_id="run-a", process=3, latency_s=(0.5,)))
    store.append_record(tmp_path / "other", make_record(run_id="run-a", process=3, latency_s=(0.7,)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = case_results(read_sources([two[0], tmp_path / "other"]))
    assert [(result.source, len(result.records)) for result in results] == [("a", 3), ("other", 3)]


def test_sources_are_called_by_the_ends_of_their_paths(tmp_path):
    paths = stores_of([tmp_path / "x" / "results", str(tmp_path / "y" / "results"), tmp_path / "x" / "results"])
    assert source_names(paths) == ("x/results", "y/results")
    assert source_names([tmp_path / "a.zip", tmp_path / "b\x1b.zip"]) == ("a.zip", "b\ufffd.zip")
