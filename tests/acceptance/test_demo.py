"""`co3d-bench demo` as a newcomer has it: the installed executable in an empty folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from co3d_bench.bench.record.store import read_records

EXECUTABLE = Path(sys.executable).with_name("co3d-bench")
pytestmark = pytest.mark.acceptance


def records_of(folder):
    return read_records(folder / "results")


def test_everything_is_measured_and_stands_on_the_page(tmp_path):
    (tmp_path / "bench.toml").write_text("[plan]\nmodels = ['gone']\n")  # somebody else's plan is not the demo's
    done = subprocess.run(
        [EXECUTABLE, "demo", "--no-open"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "co3d-bench-demo"
    records = records_of(folder)
    assert {record.kind for record in records} == {"accuracy", "speed", "camera"}
    assert not [record.error for record in records if record.error]
    for run in filter(None, (record.evaluation for record in records)):
        assert run.scored == 100
        assert run.top1
        assert run.top1.low > 0.5
    page = (folder / "results/report.html").read_text()
    for heading in ("Accuracy, measured", "In front of a camera", "Which one to take"):
        assert heading in page
    assert str(folder / "results/report.html") in done.stdout
    again = subprocess.run(
        [EXECUTABLE, "demo", "-o", "co3d-bench-demo"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert again.returncode == 2
    assert "has files in it, and a demo writes over none" in again.stderr
    assert records_of(folder) == records


def test_ctrl_c_keeps_what_is_measured_and_the_command_that_it_names_shows_it(tmp_path):
    process = subprocess.Popen(
        [EXECUTABLE, "demo", "--no-open"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 300
    store = tmp_path / "co3d-bench-demo/results/records.jsonl"
    while not (store.exists() and store.stat().st_size) and time.monotonic() < until:
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    (line,) = [line for line in errors.splitlines() if line.startswith("what was measured is kept: ")]
    shown = line.partition(": ")[2].replace("co3d-bench report", f"{EXECUTABLE} report")
    subprocess.run(shown, shell=True, cwd=tmp_path, check=True, timeout=120)  # noqa: S602 - as it would be pasted
    assert (tmp_path / "co3d-bench-demo/results/report.html").exists()
