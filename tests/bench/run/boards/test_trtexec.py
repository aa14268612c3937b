"""What trtexec is told, and what it says, on recorded lines."""

from __future__ import annotations

import pytest

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.run.boards import trtexec

from ....devices.boards import FIXTURES

SUMMARY = (FIXTURES / "trtexec-8.2-summary.txt").read_text()


def trace(count, compute_ms=2.0, gap_ms=0.5):
    """As `--exportTimes` writes it (TensorRT 8.2 and newer), one query after the other."""
    rows = []
    for index in range(count):
        start = index * (compute_ms + gap_ms)
        rows.append({"startComputeMs": start, "endComputeMs": start + compute_ms, "computeMs": compute_ms})
    return rows


def test_the_recorded_summary_is_read():
    said = trtexec.summary(SUMMARY)
    assert said["Throughput"] == "233.689 qps"
    assert said["GPU Compute Time"].startswith("min = 4.23773 ms, max = 5.25439 ms, mean = 4.26986 ms")
    assert said["Total Host Walltime"] == "3.01255 s"
    assert trtexec.summary("[I] Throughput: 1 qps, before any summary") == {}


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("&&&& RUNNING TensorRT.trtexec [TensorRT v8201] # trtexec", "8.2.1"),
        ("&&&& RUNNING TensorRT.trtexec [TensorRT v8502] # trtexec", "8.5.2"),
        ("&&&& RUNNING TensorRT.trtexec [TensorRT v100300] # trtexec", "10.3.0"),
        ("nothing of the kind", None),
    ],
)
def test_the_version_is_read(line, version):
    assert trtexec.version(line) == version


def test_samples_are_the_last_queries_and_the_rest_is_warm_up():
    found = trtexec.timing(trace(13), 10, build_s=30.0, run_s=4.0)
    assert found.samples.latency_s == [0.002] * 10
    assert found.warmup_predictions == 3
    assert found.first_prediction_s == 0.002
    assert found.sampling_wall_s == pytest.approx(0.0245)
    assert found.warmup_s == pytest.approx(0.007)
    assert found.prepare_s == 30.0
    assert found.load_s == pytest.approx(4.0 - 0.0245 - 0.007)
    with pytest.raises(UserError, match="the times of 10 queries"):
        trtexec.timing(trace(10), 10, 30.0, 4.0)


def test_both_runs_and_their_words():
    build, time = trtexec.commands(("frame", "state_0"), "fp16", 100)
    words = [choices[0] for choices in build["words"]]
    assert "--fp16" in words
    assert "--loadInputs=frame:{folder}/frame.bin,state_0:{folder}/state_0.bin" in words
    assert ["--memPoolSize=workspace:1024", "--workspace=1024"] in build["words"]
    assert ["--iterations=100"] in time["words"]
    assert ["--noDataTransfers"] in time["words"]
    assert ["--noTF32"] in trtexec.commands((), "fp32", 1)[0]["words"]
