"""`co3d-bench paper`, and that every command it names is one."""

import csv
import io
import shlex

import pytest

from co3d_bench.bench.errors import NOTHING, USAGE
from co3d_bench.bench.plan.config import read_config
from co3d_bench.bench.record.store import append_record
from co3d_bench.bench.stats.paper import paper_of
from co3d_bench.cli.verbs import app

from ..factories import make_default_records
from ..paper_records import make_accuracy

PAPER = paper_of([])
COMMANDS = {c.command.words for c in PAPER.cells if c.command}
COMMANDS |= {command.words for command, _ in PAPER.commands(99)}
STARTS = {curve.command.words for curve in PAPER.curves}


def config_of(words, out=()):
    verb = app.commands[words[0]]
    given = verb.given(verb.make_context(verb.name, [*words[1:], *out]))
    return read_config(given.config, given.overrides)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_command_is_one_that_the_command_line_takes():
    assert len(COMMANDS) > 100
    for words in sorted(COMMANDS):
        assert config_of(words).plan.models, words


@pytest.mark.skipif("transient" not in app.commands, reason="there is no such verb here")
@pytest.mark.parametrize("words", sorted(STARTS))
def test_a_start_has_a_command_too(words):
    verb = app.commands["transient"]
    context = verb.make_context("transient", list(words[1:]))
    assert context.params["model"] == (words[1],)
    assert verb.given(context).value("evaluate.fps") == 15


def models_of(table, key):
    """What the commands of a column ask for, one by one."""
    cells = [c for row in PAPER.tables[table - 1].rows for c in row if c.key == key and c.command]
    return [config_of(c.command.words).plan.models[0] for c in cells]


SUITES = [("paper", 1, "here"), ("paper-public", 1, "accuracy"), ("paper-table3", 3, "accuracy")]


@pytest.mark.parametrize(("suite", "table", "key"), SUITES)
def test_a_suite_is_what_the_commands_of_its_table_ask_for(suite, table, key):
    together = {c.command.together for row in PAPER.tables[table - 1].rows for c in row if c.key == key and c.command}
    (words,) = together
    assert words[1:3] == ("--suite", suite)
    assert list(config_of(words).plan.models) == models_of(table, key)


def test_the_cases_of_the_suite_are_those_of_table_1(call):
    done = call("plan", "--suite", "paper", "--backend", "eager")
    cases = done.stdout.split()
    assert [case.split("/")[0] for case in cases] == models_of(1, "here")
    assert {case.split("/")[2] for case in cases} == {"eager"}


def test_without_a_store_the_page_is_here_and_with_one_beside_its_records(call, tmp_path):
    done = call("paper")
    assert (done.returncode, done.stdout) == (0, "paper: paper.html\n")
    assert "nothing is measured here yet" in (tmp_path / "paper.html").read_text()
    for record in (*make_default_records(), make_accuracy()):
        append_record(tmp_path / "results", record)
    assert call("paper").stdout == "paper: results/paper.html\n"
    assert "cells measured here" in (tmp_path / "results" / "paper.html").read_text()
    assert call("paper", "results", "-o", "p.tex").stdout == "paper: p.tex\n"
    assert "64.31 (63.63 to 64.97)" in (tmp_path / "p.tex").read_text()


def test_another_store_is_named_in_the_commands(call, tmp_path):
    append_record(tmp_path / "there", make_accuracy())
    rows = list(csv.DictReader(io.StringIO(call("paper", "there", "--format", "csv").stdout)))
    commands = [row["command"] for row in rows if row["command"]]
    assert commands
    assert all(command.endswith("--out there") for command in commands)
    for command in {*commands}:
        assert config_of(shlex.split(command)[1:]).run.out.endswith("there")


def test_a_store_that_is_named_and_not_there_is_an_error(call, tmp_path):
    done = call("paper", "nowhere")
    assert done.returncode == NOTHING
    assert done.stderr == "co3d-bench: no records at nowhere/records.jsonl; `co3d-bench run` writes them\n"
    (tmp_path / "records.jsonl").touch()
    done = call("paper", ".")
    assert done.returncode == NOTHING
    assert done.stderr == "co3d-bench: .: holds no records; without a STORE the paper's own figures are shown\n"
    assert not list(tmp_path.glob("paper*"))


@pytest.mark.parametrize("arguments", [("-o", "paper.png"), ("--format", "png"), ("a", "b")])
def test_wrong_arguments_are_one_line(call, tmp_path, arguments):
    done = call("paper", *arguments)
    assert done.returncode == USAGE
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
