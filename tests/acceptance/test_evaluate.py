"""`co3d-bench evaluate` as its users have it: the installed executable, an empty folder, films, and kill -9."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

EXECUTABLE = Path(sys.executable).with_name("co3d-bench")
MOVING = Path(__file__).parents[1] / "bench/evaluate"
pytestmark = pytest.mark.acceptance

SLOW = """
import time

from moving import Clip

class Slow(Clip):
    def forward(self, clip):
        time.sleep(0.15)
        with open(LOG, "a") as file:
            file.write("called\\n")
        return super().forward(clip)

def clip():
    return Slow()
"""


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    sys.path.insert(0, str(MOVING))
    import moving

    return moving.make_films(tmp_path_factory.mktemp("acceptance") / "films", each=12)


@pytest.fixture
def folder(tmp_path):
    shutil.copy(MOVING / "moving.py", tmp_path)
    log = tmp_path / "calls"
    (tmp_path / "slow.py").write_text(f"LOG = {str(log)!r}\n{SLOW}")
    return tmp_path


def command(films, *arguments):
    return [EXECUTABLE, "evaluate", *("--data", str(films), "--backend", "eager"), *map(str, arguments)]


def evaluate(folder, films, *arguments):
    return subprocess.run(
        command(films, *arguments), cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )


def records_of(folder):
    return [json.loads(line) for line in (folder / "results/records.jsonl").read_text().splitlines()]


def predictions_of(folder, record):
    with np.load(folder / "results/blobs" / record["evaluation"]["predictions"], allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def films_noted(folder):
    return sum(len(file.read_text().splitlines()) - 1 for file in folder.glob("results/scoring/*.jsonl"))


def stopped_in_the_middle(folder, films, number, *, whole_group):
    process = subprocess.Popen(
        command(films, "--model", "slow.py:clip"), cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until = time.monotonic() + 120
    while films_noted(folder) < 10 and time.monotonic() < until:
        time.sleep(0.1)
    (os.killpg if whole_group else os.kill)(process.pid, number)
    _, errors = process.communicate(timeout=60)
    return films_noted(folder), errors


def test_kill_9_in_the_middle_and_resume_lose_no_film_and_count_none_twice(folder, films):
    done, _ = stopped_in_the_middle(folder, films, signal.SIGKILL, whole_group=True)
    assert 10 <= done < 60
    time.sleep(1)  # what the parent's guard kills when its parent is gone
    assert films_noted(folder) == done  # nothing of it lives on
    calls = folder / "calls"
    before = len(calls.read_text().splitlines())
    again = evaluate(folder, films, "--model", "slow.py:clip", "--resume")
    assert again.returncode == 0, again.stderr
    (record,) = records_of(folder)
    assert record["evaluation"]["scored"] == record["evaluation"]["asked"] == 60
    assert not (folder / "results/scoring").exists()
    resumed = len(calls.read_text().splitlines()) - before
    whole = evaluate(folder, films, "--model", "slow.py:clip")
    assert whole.returncode == 0
    fresh = len(calls.read_text().splitlines()) - before - resumed
    assert fresh - resumed == done  # those films were not shown again
    first, second = (predictions_of(folder, each) for each in records_of(folder))
    assert len(set(first["films"])) == 60
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_ctrl_c_keeps_what_was_scored(folder, films):
    done, errors = stopped_in_the_middle(folder, films, signal.SIGINT, whole_group=False)
    assert f"{done} of 60 films are scored and kept" in errors
    assert "--resume" in errors
    assert evaluate(folder, films, "--model", "slow.py:clip", "--resume").returncode == 0
    assert records_of(folder)[0]["evaluation"]["scored"] == 60


def test_clip_and_frame_networks_from_the_command_line_to_the_page(folder, films):
    done = evaluate(folder, films, "--model", "moving.py:clip", "--model", "moving.py:frames")
    assert done.returncode == 0, done.stderr
    assert "Top-1" in done.stdout
    assert [record["evaluation"]["scored"] for record in records_of(folder)] == [60, 60]
    page = subprocess.run([EXECUTABLE, "report"], cwd=folder, capture_output=True, text=True, check=True)
    assert "Accuracy, measured" in (folder / page.stdout.split()[-1]).read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--data", "gone"), "no such file or folder"),
        (("--model", "x3d-xs"), "has 5 classes"),
        (("--classes", "gone.txt"), "cannot be read"),
        (("--fps", "0"), "--fps = 0"),
        (("--limit", "some"), "--limit"),
        (("--films", "gone"), "not a folder"),
    ],
)
def test_bad_input_is_one_clear_line(folder, films, arguments, words):
    done = evaluate(folder, films, "--model", "moving.py:clip", *arguments)
    assert done.returncode not in (0, 70)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "results/records.jsonl").exists()
