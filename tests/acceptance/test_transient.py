"""`co3d-bench transient` as its users have it: the installed executable, an empty folder, films, and Ctrl-C."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

EXECUTABLE = Path(sys.executable).with_name("co3d-bench")
MOVING = Path(__file__).parents[1] / "bench/evaluate"
pytestmark = pytest.mark.acceptance

SLOW = """
import time

from moving import Frames

class Slow(Frames):
    def step(self, frame, state):
        time.sleep(0.02)
        return super().step(frame, state)

def frames():
    return Slow()
"""


@pytest.fixture
def folder(tmp_path):
    shutil.copy(MOVING / "moving.py", tmp_path)
    (tmp_path / "slow.py").write_text(SLOW)
    return tmp_path


def call(folder, *arguments):
    return subprocess.run(
        [EXECUTABLE, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )


def records_of(folder, store="results"):
    return [json.loads(line) for line in (folder / store / "records.jsonl").read_text().splitlines()]


def noted(folder):
    return sum(len(file.read_text().splitlines()) - 1 for file in folder.glob("results/scoring/*.jsonl"))


def test_ctrl_c_keeps_the_films_and_the_page_has_the_curves(folder, tmp_path_factory):
    sys.path.insert(0, str(MOVING))
    import moving

    films = moving.make_films(tmp_path_factory.mktemp("acceptance") / "films", each=8)
    what = ["transient", "slow.py:frames", "--data", films, "--backend", "eager", "--start", "cut", "--start", "zeros"]
    process = subprocess.Popen(
        [EXECUTABLE, *map(str, what)], cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until = time.monotonic() + 120
    while noted(folder) < 10 and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "of 40 films are scored and kept" in errors
    again = call(folder, *what, "--resume")
    assert again.returncode == 0, again.stderr
    whole = call(folder, *what, "--out", "whole")
    assert whole.returncode == 0, whole.stderr
    resumed, at_once = (
        [each["transient"]["answers"] for each in records_of(folder, store)] for store in ("results", "whole")
    )
    assert resumed == at_once
    assert not (folder / "results/scoring").exists()
    assert "Nine tenths" in again.stdout
    assert call(folder, "report").returncode == 0
    assert "After a start" in (folder / "results/report.html").read_text()


def test_without_films_there_is_the_error(folder):
    done = call(folder, "transient", "moving.py:frames", "--backend", "eager", "--backend", "openvino")
    assert done.returncode == 0, done.stderr
    runs = [each["transient"] for each in records_of(folder)]
    assert [(run["start"], run["measure"], run["shown"]) for run in runs] == [
        (start, "error", 4) for _ in range(2) for start in ("zeros", "replicate")
    ]
    for run in runs:
        assert run["curve"][6]["value"] > 1e-3
        assert run["curve"][7]["high"] < 1e-5  # eight frames are its receptive field
