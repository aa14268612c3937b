"""The command line measures a real network, end to end."""

import subprocess
import sys

import pytest

from co3d_bench.bench.record.store import read_records
from co3d_bench.reports.bundle.check import check_bundle


@pytest.mark.acceptance
def test_run_a_real_network_on_a_real_video(tmp_path, film):
    # One thread: beside another busy process, two threads on two cores wait for each other at every operator.
    command = [sys.executable, "-m", "co3d_bench", "run", "--model", "x3d-xs", "--model", "cox3d-s-1"]
    limits = ["--runs", "2", "--processes", "1", "--backend", "eager", "--threads", "1"]
    done = subprocess.run(
        [*command, *limits, "--video", str(film), "--bundle", "results.zip"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "round 1  cox3d-s-1 eager  " in done.stderr
    assert "round 1: " in done.stderr
    assert "records: results/records.jsonl" in done.stdout
    assert "report:  results/report.html" in done.stdout
    assert (tmp_path / "results" / "report.html").stat().st_size > 10_000
    assert "bundle: results.zip (2 records of 2 cases, 0 blobs)" in done.stdout
    assert check_bundle(tmp_path / "results.zip").differences == ()
    clip, frames = read_records(tmp_path / "results")
    assert clip.case.input.startswith("video:film.mp4:")
    assert any("looped" in note for note in clip.notes)
    assert frames.timing is not None
    assert frames.timing.warmup_predictions >= 57
    assert frames.counters is not None
    assert frames.counters.state_bytes_by_kind is not None
    assert sum(frames.counters.state_bytes_by_kind.values()) == frames.counters.state_bytes == 4 * (2_191_200 + 350_400)
