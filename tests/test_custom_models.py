"""The tutorial on own networks, followed to the letter: its files written, its commands run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from co3d_bench.bench.record.store import read_records

TUTORIAL = (Path(__file__).parents[1] / "docs" / "custom-models.md").read_text(encoding="utf-8")


pytestmark = pytest.mark.acceptance


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TUTORIAL, flags=re.DOTALL)


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / "gestures.py").write_text("\n\n".join(blocks("python")))
    said = []
    for line in "".join(blocks("console")).splitlines():
        verb, *words = shlex.split(line.removeprefix("$ co3d-bench "))
        quick = ["--runs", "5", "--processes", "1", "--budget", "0", "--threads", "1"] if verb == "run" else []
        command = [sys.executable, "-m", "co3d_bench", verb, *words, *quick]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    records = read_records(folder / "results")
    return said, {record.case.model: record for record in records if record.case.backend == "eager"}


def test_every_command_measures_what_it_names(followed):
    said, records = followed
    assert list(records) == ["gestures.py:clip_net", "gestures.py:frame_net", "gestures.py:Memory"]
    assert all(record.ok and record.verification.passed and record.counters for record in records.values())
    assert [record.model.form for record in records.values()] == ["clip", "frame", "frame"]
    assert "one prediction for each frame" in said[1]


def test_what_it_says_of_verification_and_reach_is_so(followed):
    clip, frame, memory = followed[1].values()
    assert frame.model.receptive_field == 3 + 7  # the second convolution, and the average of 8
    assert "clip form" in frame.verification.reference
    assert "from a fresh state" in memory.verification.reference
    assert "64 frames" in memory.notes[0]
    assert clip.counters.parameters == frame.counters.parameters
    assert frame.counters.macs_once < clip.counters.macs_once / 4
