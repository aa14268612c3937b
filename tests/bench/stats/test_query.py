"""SQL over the records."""

import json
import sys

import pytest

import co3d_bench
from co3d_bench.bench.errors import ENVIRONMENT, USAGE, UserError
from co3d_bench.bench.record.store import append_record
from co3d_bench.bench.stats import query as module
from co3d_bench.bench.stats.frame import CASE_FIELDS, FIELDS
from co3d_bench.cli.main import main

from ...factories import make_default_records

duckdb = pytest.importorskip("duckdb", reason="an optional extra: pip install 'co3d-bench[query]'")


@pytest.fixture
def store(tmp_path):
    for record in make_default_records():
        append_record(tmp_path, record)
    return tmp_path


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["co3d-bench", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code or 0


def test_an_answer_is_a_pandas_table(store):
    answer = co3d_bench.query("SELECT model, latency_s FROM records WHERE form = 'frame' ORDER BY latency_s", store)
    assert list(answer["model"]) == ["cox3d-s-13", "cox3d-m-16", "cox3d-m-64"]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT latency FROM records", '"latency" not found'),
        ("", "empty statement"),
        ("-- nothing", "empty statement"),
        ("SELECT * FROM read_csv('/etc/hostname')", "disabled"),
        ("COPY records TO 'copy.csv'", "disabled"),
        ("SET enable_external_access = true", "locked"),
        ("INSTALL httpfs", "disabled"),
        ("CALL start_ui()", "not in the catalog"),
        ("SELECT * FROM sql", "does not exist"),  # a variable of ours
    ],
)
def test_mistakes_and_ways_out_are_refused_in_one_line(store, sql, words):
    with pytest.raises(UserError, match=words) as error:
        module.query(sql, store)
    assert error.value.exit_code == USAGE
    assert "\n" not in error.value.message


def test_without_duckdb_it_says_how_to_install_it(store, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install duckdb"):
        module.query("SELECT 1", store)


def test_the_verb_prints_tables_csv_and_json(store, monkeypatch, capsys):
    sql = "SELECT model, batch FROM records ORDER BY model LIMIT 1"
    assert run(monkeypatch, "query", sql, store) == 0
    assert capsys.readouterr().out.split() == ["model", "batch", "cox3d-m-16", "1"]
    assert run(monkeypatch, "query", sql, store, "--format", "csv") == 0
    assert capsys.readouterr().out.splitlines() == ["model,batch", "cox3d-m-16,1"]
    assert run(monkeypatch, "query", sql, store, "--format", "json") == 0
    assert json.loads(capsys.readouterr().out) == [{"model": "cox3d-m-16", "batch": 1}]
    assert run(monkeypatch, "query", "select 0.000123456789012::double as s", store, "--format", "json") == 0
    assert json.loads(capsys.readouterr().out) == [{"s": 0.000123456789012}]  # a tenth of a microsecond is not the end


def test_the_verb_writes_what_it_found_as_parquet(store, monkeypatch, capsys, tmp_path):
    sql = 'SELECT "commit", model, batch, latency_s FROM records'
    file = tmp_path / "history.parquet"
    assert run(monkeypatch, "query", sql, store, "-o", file) == 0
    assert capsys.readouterr().out == f"table: {file}\n"
    written, expected = duckdb.read_parquet(str(file)).df(), module.query(sql, store)
    assert written.columns.tolist() == expected.columns.tolist()
    assert written["model"].tolist() == expected["model"].tolist()
    assert written["latency_s"].dropna().tolist() == expected["latency_s"].dropna().tolist()
    assert written["batch"].tolist() == expected["batch"].tolist()
    assert run(monkeypatch, "query", sql, store, "-o", tmp_path / "nowhere" / "a.parquet") == ENVIRONMENT
    assert run(monkeypatch, "query", sql, store, "-o", tmp_path / "a.csv") == USAGE


def test_the_verb_lists_the_columns_of_both_tables(monkeypatch, capsys):
    assert run(monkeypatch, "query", "--columns") == 0
    records, cases = capsys.readouterr().out.split("cases, and the facts of records:\n")
    listed = [[line.split()[0] for line in part.splitlines()] for part in (records, cases)]
    assert listed[0] == ["records:", *(field.name for field in FIELDS)]
    assert listed[1] == [field.name for field in CASE_FIELDS]


def test_no_statement_is_reported(monkeypatch, capsys):
    assert run(monkeypatch, "query") == USAGE
    assert "needs a statement" in capsys.readouterr().err
