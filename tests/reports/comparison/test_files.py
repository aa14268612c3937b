"""How the both of a comparison are named, read and written, and the verb as a user meets it."""

from __future__ import annotations

import sys
import warnings

import pytest

from co3d_bench.bench.errors import ENVIRONMENT, NOTHING, USAGE, UserError
from co3d_bench.cli import main as cli
from co3d_bench.reports.comparison.files import form_of, read_record_set, render, write

from ...factories import make_default_records, make_engine_record, make_record
from .findings import EVERY, comparison


def put(folder, *records):
    folder.mkdir(exist_ok=True)
    lines = [record.model_dump_json() + "\n" for record in records]
    (folder / "records.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def in_run(number, *records):
    changes = {"run_id": f"2026112{number}-120000-abcd", "started_at": f"2026-11-2{number}T12:00:00Z"}
    return [record.model_copy(update=changes) for record in records]


@pytest.fixture
def store(tmp_path):
    return put(tmp_path / "results", *[r for n in (3, 1, 2) for r in in_run(n, make_record("x3d-s"), make_record())])


def run_ids(text):
    return {record.run_id for record in read_record_set(str(text)).records}


@pytest.mark.parametrize(
    ("asked", "run"),
    [("newest", 3), ("previous", 2), ("20261121-120000-abcd", 1), ("20261122", 2)],
)
def test_a_run_of_a_store(store, asked, run):
    assert run_ids(f"{store}@{asked}") == {f"2026112{run}-120000-abcd"}
    assert read_record_set(f"{store}@{asked}").name == f"{store}@2026112{run}-120000-abcd (commit 0123456789ab)"


def test_a_folder_or_a_file_is_a_side_also_with_an_at_in_its_name(store, tmp_path):
    assert len(run_ids(store)) == len(run_ids(store / "records.jsonl")) == 3
    odd = put(tmp_path / "a@b", make_record())
    assert run_ids(odd) == {"run-1"}
    assert run_ids(f"{odd}@newest") == {"run-1"}


@pytest.mark.parametrize(
    ("asked", "message", "code"),
    [
        ("@20261129", "no run '20261129'; the newest runs are 20261121-120000-abcd, 20261122", NOTHING),
        ("@2026", "3 runs begin with that", USAGE),
        ("@", "no run ''", NOTHING),
        ("-nowhere", "no records at ", NOTHING),
    ],
)
def test_records_that_are_not_there(store, asked, message, code):
    with pytest.raises(UserError) as caught:
        read_record_set(f"{store}{asked}")
    assert message in caught.value.message
    assert caught.value.exit_code == code


def test_a_store_of_one_run_has_no_previous_one(tmp_path):
    put(tmp_path, make_record())
    with pytest.raises(UserError, match="no run 'previous'"):
        read_record_set(f"{tmp_path}@previous")


def test_every_form_is_written_by_the_ending_of_the_file(tmp_path):
    begins = {"a.html": b"<!DOCTYPE html>", "a.md": b"### ", "a.xml": b"<?xml", "a": b"<!DOCTYPE html>"}
    for name, start in begins.items():
        assert write(comparison(*EVERY), tmp_path / name).read_bytes().startswith(start)
    assert form_of(None) == "html"
    with pytest.raises(UserError, match=r"a\.xlsx: its ending is none of \.html, .*; change it, or give"):
        form_of(tmp_path / "a.xlsx")
    assert render(comparison(*EVERY), "md").startswith("### Regressed")
    with pytest.raises(UserError, match="cannot be printed"):
        render(comparison(*EVERY), "html")
    with pytest.raises(UserError) as caught:
        write(comparison(*EVERY), tmp_path / "no" / "a.md")
    assert caught.value.exit_code == ENVIRONMENT


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """The command line in this process, since a fresh one spends its time on imports."""
    put(tmp_path / "a", *make_default_records())
    put(tmp_path / "b", *make_default_records()[:4])
    put(tmp_path / "c", make_engine_record("x3d-m", "openvino"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)  # which `main` replaces
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["co3d-bench", "compare", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, *capsys.readouterr()

    return call


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["a", "c"], 3, "co3d-bench: a (commit 0123456789ab) and c (commit 0123456789ab) have no case in common, they"),
        (["a", "nowhere"], 3, "co3d-bench: no records at nowhere/records.jsonl"),
        (["a", "a/records.jsonl/x"], 4, "co3d-bench: a/records.jsonl/x: neither a folder of records nor a .jsonl file"),
        (["a"], 2, "co3d-bench: Missing argument 'HEAD'"),
        (["a", "b", "--max-slowdown", "300%"], 2, "'300%' must be a share between 0 and 1: write 5% or 0.05"),
        (["a", "b", "--max-slowdown", "nan"], 2, "'nan' must be a share between 0 and 1"),
        (["a", "b", "--format", "html"], 2, "co3d-bench: a comparison as html cannot be printed: name a file"),
        (["a", "b", "-o", "no/x.md"], 4, "co3d-bench: no/x.md: cannot be written"),
        (["a", "b", "--by", "modle"], 2, "co3d-bench: --by: 'modle' is not a part of a case"),
    ],
)
def test_a_mistake_is_one_message_and_its_code(call, arguments, code, message):
    got, out, err = call(*arguments)
    assert (got, out) == (code, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_comparing_finds_and_does_not_fail(call, tmp_path):
    code, out, err = call("a", "b")
    assert (code, err) == (0, "")
    assert "\u2212 gone" in out
    assert call("a", "b", "-o", "x.html") == (0, "comparison: x.html\n", "")
    assert (tmp_path / "x.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert call("a", "b", "--format", "junit")[1].startswith("<?xml")


def test_in_the_log_of_actions_no_name_is_a_command(call, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    lines = call("a", "b")[1].splitlines()
    word = lines[0].removeprefix("::stop-commands::")
    assert lines[-1] == f"::{word}::"
