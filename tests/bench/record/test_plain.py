"""Text from outside: no terminal, log or spreadsheet takes it for a command."""

import json

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import make_record

from co3d_bench.bench.record import store
from co3d_bench.bench.record.case import Case
from co3d_bench.bench.record.plain import cleaned, inert_table, needs_cleaning, plain, plain_lines
from co3d_bench.bench.record.record import Failure

ESCAPES = (
    "\x1b]52;c;cHduZWQ=\x07",
    "\x9b31m",
    "a\u202eb",
    "\u2066x",
    "\u200f",
    "one\ntwo",
    "\r",
    "\x7f",
    "\u2028",
    "\ufeff",
)


@pytest.mark.parametrize("text", ESCAPES)
def test_a_text_is_one_line_without_commands(text):
    assert plain(f"a{text}b").isprintable()


@given(st.text())
def test_what_json_may_hide_is_noticed(text):
    for ascii_only in (True, False):
        line = json.dumps({"notes": [text]}, ensure_ascii=ascii_only).encode(errors="replace")
        raw = json.loads(line)
        assert needs_cleaning(line) or cleaned(raw) == raw
        (note,) = cleaned(raw)["notes"]
        assert plain(note) == " ".join(note.split())


def test_only_the_end_of_a_traceback_has_lines(tmp_path):
    error = Failure(kind="crash", message="a\n::error::b", detail="first\n\tsecond\x1b[31m")
    record = make_record(timing=None, error=error, case=Case(model="m\x1b]0;x\x07"), notes=("n\nm",))
    store.append_record(tmp_path, record)
    (read,) = store.read_records(tmp_path)
    assert read.error.message == "a ::error::b"
    assert read.error.detail == "first\n\tsecond\ufffd[31m"
    assert read.case.model == "m\ufffd]0;x\ufffd"
    assert read.notes == ("n m",)


def test_what_is_plain_stays_as_it_is(tmp_path):
    record = make_record(notes=("5 % ± 2, 3 x 3 „Größe“ \U0001f600  double",))
    store.append_record(tmp_path, record)
    assert store.read_records(tmp_path) == [record]
    assert plain_lines("a\tb\nc") == "a\tb\nc"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\uff1d1"])
def test_no_cell_is_a_formula(text):
    table = inert_table(pandas.DataFrame({text: [text], "n": [-1.5], "w": ["a=b"], "e": [None]}))
    assert list(table.columns) == [f"'{text}", "n", "w", "e"]
    assert list(table.iloc[0, :3]) == [f"'{text}", -1.5, "a=b"]
