"""`co3d-bench demo` without measuring: which commands it runs, what it says where one ends early, and when a browser
opens."""

from __future__ import annotations

import shlex

import click
import pytest

from co3d_bench.bench.errors import FAILED, INTERRUPTED, NOTHING, UserError
from co3d_bench.cli import demo as cli
from co3d_bench.cli import verbs
from co3d_bench.cli.demo import STEPS, has_display
from co3d_bench.cli.verbs import app

COMMANDS = [shlex.split(command) for _, command in STEPS]


@pytest.fixture
def called(monkeypatch):
    """The commands that were called, and a dict: what one ends with, by its verb."""
    found, ends = [], {}

    def call(words):
        found.append(list(words))
        end = ends.get(words[0], 0)
        if isinstance(end, BaseException):
            raise end
        return end

    monkeypatch.setattr(verbs, "call", call)
    monkeypatch.setattr("co3d_bench.bench.demo.folder.FILMS_EACH", 1)
    monkeypatch.setattr("co3d_bench.bench.demo.folder.SCENES", 1)
    return found, ends


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """`co3d-bench demo` in an empty folder, with those words."""

    def run(*words):
        monkeypatch.chdir(tmp_path)
        with app.make_context("co3d-bench", ["demo", *words]) as context:
            return app.invoke(context)

    return run


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_each_step_is_a_command_that_can_be_typed(words):
    command = app.commands[words[0]]
    context = command.make_context(words[0], words[1:])
    assert isinstance(context, click.Context)


def test_the_steps_run_in_the_new_folder_in_their_order_and_are_printed(called, demo, tmp_path, capsys):
    found, ends = called
    ends["choose"] = NOTHING  # that no network fits is an answer
    assert demo("--no-open") == 0
    assert found == COMMANDS
    said = capsys.readouterr().out
    assert [line[2:] for line in said.splitlines() if line.startswith("$ ")] == [
        "cd co3d-bench-demo",
        *(f"co3d-bench {command}" for _, command in STEPS),
    ]
    assert f"Its page: {tmp_path / 'co3d-bench-demo/results/report.html'}" in said
    assert "The demo took" in said


def test_a_failed_case_is_its_exit_code_and_the_rest_goes_on(called, demo):
    found, ends = called
    ends["run"] = FAILED
    assert demo("--no-open") == FAILED
    assert found == COMMANDS


@pytest.mark.parametrize("ends_with", [KeyboardInterrupt(), UserError("stopped by Ctrl-C: 1 of 2; more", INTERRUPTED)])
def test_ctrl_c_says_how_to_see_what_was_measured_and_how_to_go_on(called, demo, tmp_path, ends_with):
    found, ends = called
    ends["run"] = ends_with
    (tmp_path / "my folder/results").mkdir(parents=True)
    (tmp_path / "my folder/results/records.jsonl").write_text("{}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("co3d_bench.bench.demo.folder.new_folder", lambda asked: asked)
        with pytest.raises(UserError) as caught:
            demo("-o", "my folder")
    assert found == COMMANDS[:2]
    assert caught.value.exit_code == INTERRUPTED
    first, kept, on = caught.value.message.splitlines()
    assert first.startswith("stopped by Ctrl-C")
    assert kept == "what was measured is kept: cd 'my folder' && co3d-bench report"
    assert on == "to continue: cd 'my folder' && co3d-bench run --time 60s --resume"


def test_an_error_before_anything_was_measured_says_so(called, demo, tmp_path):
    called[1]["evaluate"] = UserError("no engine", NOTHING)
    (tmp_path / "empty/results").mkdir(parents=True)
    (tmp_path / "empty/results/records.jsonl").touch()  # as a run does before its first record
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("co3d_bench.bench.demo.folder.new_folder", lambda asked: asked)
        with pytest.raises(UserError) as caught:
            demo("-o", "empty")
    assert caught.value.message == "no engine\nnothing is measured yet"
    assert caught.value.exit_code == NOTHING


@pytest.mark.parametrize(
    ("environ", "seen"),
    [
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"DISPLAY": ":0", "CI": "true"}, False),
        ({"DISPLAY": ""}, False),
        ({}, False),
    ],
)
def test_a_browser_opens_where_somebody_sees_it(called, demo, monkeypatch, environ, seen):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "CI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert has_display(environ) is seen
    assert demo() == 0
    assert [page.endswith("/co3d-bench-demo/results/report.html") for page in opened] == [True] * seen
    assert demo("--no-open") == 0
    assert len(opened) == seen


def test_training_writes_over_nothing_unasked(demo, tmp_path):
    (tmp_path / cli.WEIGHTS).write_text("mine")
    for words, why in (
        ((), "is there already"),
        (("-o", "."), "is a folder"),
        (("-o", "no/net"), "cannot be written: No such file"),
    ):
        with pytest.raises(UserError, match=why):
            demo("--train", *words)
    assert (tmp_path / cli.WEIGHTS).read_text() == "mine"
