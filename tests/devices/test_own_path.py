"""No module and no program of the current folder runs by accident. Python's own safe path is off here, as in 3.10."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from co3d_bench.devices.nvpmodel import run_quietly
from co3d_bench.devices.own_path import SYSTEM_PATH, leave_current_folder, python_command, system_path


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """A current folder with modules and tools of well-known names, each of which leaves a mark."""
    for name in ("json", "psutil", "torch", "runpy", "importlib", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("open('RAN', 'w').close()\nraise ImportError('hostile')\n")
    for name in ("nvpmodel", "git"):
        (tmp_path / name).write_text("#!/bin/sh\ntouch RAN\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    return tmp_path


def test_a_process_of_ours_imports_nothing_from_there(hostile):
    for words in (("-c", "import json, psutil, sys; print(sys.argv[1:])"), ("-m", "json.tool", "--help")):
        done = subprocess.run(python_command(*words, "a"), capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    assert "--help" in done.stdout
    assert not (hostile / "RAN").exists()


def test_the_mark_is_left_where_python_is_started_plainly(hostile):
    assert subprocess.run([sys.executable, "-c", "import json"], capture_output=True, check=False).returncode
    assert (hostile / "RAN").exists()


def test_arguments_and_name_are_those_of_a_module(tmp_path):
    (tmp_path / "shows.py").write_text("import sys\nprint(__name__, sys.argv[1:], sys.modules['__main__'].__name__)\n")
    done = subprocess.run(
        python_command("-m", "shows", "a", "-c"),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.stdout == "__main__ ['a', '-c'] __main__\n"


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("PATH", ":/usr/bin", "/usr/bin"),
        ("PATH", "/usr/bin::.:bin:/bin:", "/usr/bin:/bin"),
        ("PATH", "", os.defpath),
        ("PATH", ".", os.defpath),
        ("PYTHONPATH", ":/a", "/a"),
        ("PYTHONPATH", ".", None),
        ("PYTHONPATH", "./:src:/a", "src:/a"),
        ("LD_LIBRARY_PATH", ":/usr/local/cuda/lib64", "/usr/local/cuda/lib64"),
        ("LD_LIBRARY_PATH", ":", None),
    ],
)
def test_an_empty_entry_is_left_out(monkeypatch, name, value, kept):
    monkeypatch.setenv(name, value)
    leave_current_folder()
    assert os.environ.get(name) == kept


def test_python_does_not_look_there_either(hostile, monkeypatch):
    stdlib = str(Path(os.__file__).parent)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "path", ["", str(hostile), "/bin", stdlib, str(hostile)])
    leave_current_folder()
    assert sys.path == ["/bin", stdlib, str(hostile)]  # what is installed from here stays
    monkeypatch.setenv("PYTHONPATH", str(hostile))
    monkeypatch.setattr(sys, "path", [str(hostile), stdlib])
    leave_current_folder()
    assert sys.path == [str(hostile), stdlib]  # it was asked for by name


def test_root_takes_the_tools_of_the_system_alone(hostile, monkeypatch):
    monkeypatch.setenv("PATH", f".:{hostile}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert system_path() == SYSTEM_PATH
    assert run_quietly(("nvpmodel", "-q"))[0] == 127
    assert not (hostile / "RAN").exists()
