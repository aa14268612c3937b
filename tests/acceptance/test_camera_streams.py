"""`co3d-bench camera --streams` as its users have it: the installed executable, an empty folder, a custom network."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXECUTABLE = Path(sys.executable).with_name("co3d-bench")
pytestmark = pytest.mark.acceptance
# A network whose step takes a known time, so that the number of cameras is known: a step for each frame, whether one
# after the other or in one call.
NETWORK = """
import time

import torch
from torch import nn


class Constant(nn.Module):
    input_shape = (3, 8, 8)

    def __init__(self, seconds):
        super().__init__()
        self.scores, self.seconds = nn.Conv2d(3, 5, 8), seconds

    def step(self, frame, state):
        time.sleep(self.seconds * len(frame))
        seen = 0.5 * state[0] + self.scores(frame).flatten(1)
        return seen, (seen,)

    def initial_state(self, batch_size):
        return (torch.zeros(batch_size, 5),)


def quick():
    return Constant(0.02)


def slow():
    return Constant(0.3)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "net.py").write_text(NETWORK)
    return tmp_path


def camera(folder, *arguments):
    command = [EXECUTABLE, "camera", "--backend", "eager", "--every", "1", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "results/records.jsonl").read_text().splitlines()[-1]), done


def test_two_cameras_are_watched_both_ways(folder):
    record, done = camera(folder, "--model", "net.py:quick", "--streams", "2", "--fps", "10", "--duration", "4s")
    run = record["camera"]
    assert record["case"]["camera"]["streams"] == 2
    assert [(trial["streams"], trial["way"]) for trial in run["streams"]["tried"]] == [
        (2, "one after the other"),
        (2, "one call for all"),
    ]
    assert all(trial["due"] == run["due"] == 80 for trial in run["streams"]["tried"])
    assert run["in_time"] + run["late"] + run["dropped"] == 80
    times = np.load(io.BytesIO((folder / "results/blobs" / run["times"]).read_bytes()), allow_pickle=False)
    assert sorted(times["stream"]) == [0.0] * 40 + [1.0] * 40
    for stream in (0, 1):
        assert np.allclose(times["due_s"][times["stream"] == stream], np.arange(40) / 10, atol=1e-6)
    assert run["dropped"] == np.isnan(times["answered_s"]).sum()
    assert "each of 2 cameras" in " ".join(done.stdout.split())


def test_a_search_says_what_it_tried_and_never_more_than_there_is_time_for(folder):
    arguments = ("--streams", "auto", "--fps", "10", "--duration", "35s", "--deadline", "150ms")
    record, done = camera(folder, "--model", "net.py:quick", *arguments)
    found = record["camera"]["streams"]
    assert found["count"] <= 5  # 20 ms of 100
    assert {trial["way"] for trial in found["tried"]} == {"one after the other", "one call for all"}
    assert any(trial["verdict"] == "no" and trial["streams"] == 8 for trial in found["tried"])
    if found["count"]:
        (proof,) = [
            trial
            for trial in found["tried"]
            if (trial["streams"], trial["way"], trial["verdict"]) == (found["count"], found["way"], "yes")
        ]
        assert proof["seconds"] >= 31
        assert record["camera"]["due"] == proof["due"]
    page = subprocess.run([EXECUTABLE, "report"], cwd=folder, capture_output=True, text=True, check=True)
    assert "How many cameras" in (folder / page.stdout.split()[-1]).read_text()
    assert "cameras" in done.stdout


def test_where_not_even_one_is_kept_up_with_that_is_said(folder):
    record, done = camera(folder, "--model", "net.py:slow", "--streams", "auto", "--fps", "10", "--duration", "10s")
    assert record["camera"]["streams"]["count"] == 0
    assert "does not keep up with even one camera" in " ".join(done.stdout.split())
    assert record["camera"]["due"] > 0
