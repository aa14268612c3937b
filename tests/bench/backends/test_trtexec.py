"""The engine that is a program: by a stand-in for it, with each version's options, that computes what it is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_networks import clip_network

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed: pip install 'co3d-bench[onnx]'")
pytest.importorskip("onnx", reason="ONNX is not installed: pip install 'co3d-bench[onnx]'")

import fake_trtexec

from co3d_bench.bench.backends import Ask, get_backend, trtexec
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.measure.job import Job, job_line, parse_event
from co3d_bench.bench.measure.verify import relative_error
from co3d_bench.bench.record.case import Case
from co3d_bench.bench.record.record import Settings
from co3d_bench.models import continual as co

VERSIONS = ((8, 2, 1), (8, 6, 1), (10, 3, 0), (11, 3, 0))


@pytest.fixture(scope="module")
def networks():
    clip = clip_network()
    return {"clip": (clip, torch.randn(1, 3, 4, 16, 16)), "frame": (co.convert(clip), torch.randn(2, 3, 16, 16))}


def built(networks, form, version=(8, 2, 1), precision="fp32", **options):
    net, example = networks[form]
    run = fake_trtexec.Tool(version, **options)
    with torch.inference_mode():
        return trtexec.Tool(net, example, Ask(precision, calibration=[example] * 4), run), run


@pytest.mark.parametrize("form", ["clip", "frame"])
@pytest.mark.parametrize(("version", "precision"), [((8, 2, 1), "fp16"), ((8, 2, 1), "int8"), ((10, 3, 0), "fp16")])
def test_it_is_held_to_eager(networks, form, version, precision):
    net, example = networks[form]
    runnable, _ = built(networks, form, version, precision)
    with torch.inference_mode():
        found = trtexec.verify_step(runnable, net, example, trtexec.BACKEND.tolerance[precision])
    assert found.passed, found
    assert found.relative_error > 0
    assert ("mid-stream" in found.reference) == (form == "frame")


@torch.inference_mode()
def test_a_wrong_state_is_found_out(networks):
    """Scores of one step hardly tell a state that is lost; what is new of it does."""
    net, example = networks["frame"]
    runnable, _ = built(networks, "frame")
    assert trtexec.verify_step(runnable, net, example, 1e-4).passed
    right = runnable.call
    runnable.call = lambda x, state: (right(x, state)[0], tuple(map(torch.zeros_like, right(x, state)[1])))
    assert not trtexec.verify_step(runnable, net, example, 1e-4).passed


@torch.inference_mode()
def test_it_streams_and_begins_anew(networks):
    net, frame = networks["frame"]
    runnable, _ = built(networks, "frame")
    for _ in range(2):
        state = net.initial_state(2)
        runnable.reset()
        for _ in range(4):
            expected, state = net.step(frame, state)
            assert relative_error(runnable.step(frame), expected) < 1e-4


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("precision", trtexec.BACKEND.precisions)
def test_each_version_is_asked_in_its_own_words(networks, version, precision):
    _, run = built(networks, "clip", version, precision)  # an option that it does not have would be refused
    (options,) = [call for call in run.calls if "--onnx=net.onnx" in call]
    assert "--noTF32" in options
    assert ("--stronglyTyped" in options) == (version[0] == 10)
    assert (f"--{precision}" in options) == (version[0] == 8 and precision != "fp32")
    assert ("--workspace=1024" in options) == (version == (8, 2, 1))


def test_it_is_timed_by_its_own_clock(networks):
    runnable, run = built(networks, "frame")
    queries = runnable.time(7)
    timing = trtexec.make_timing(queries, 7, load_s=1, prepare_s=2, harness_cpu_share=0)
    assert timing.samples.latency_s == [pytest.approx(1.5e-3)] * 7
    assert timing.warmup_predictions == 5
    assert timing.sampling_wall_s == pytest.approx(6 * 2e-3 + 1.5e-3)
    assert {"--noDataTransfers", "--duration=0", "--iterations=7", "--warmUp=1000"} <= set(run.calls[-1])


def test_too_few_times_are_no_result(networks):
    runnable, _ = built(networks, "clip", short=3)
    with pytest.raises(UserError, match="timed 5 of 7 predictions"):
        trtexec.make_timing(runnable.time(7), 7, load_s=1, prepare_s=2, harness_cpu_share=0)


def test_an_operator_that_it_does_not_know_is_named(networks):
    with pytest.raises(UserError, match="trtexec cannot build an engine of this network: Sigmoid: no importer"):
        built(networks, "clip", unknown=("Sigmoid",))


def test_it_says_what_it_is(networks):
    told = built(networks, "frame")[0].engine()
    assert (told.name, told.version, told.provider) == ("TensorRT, trtexec", "8.2.1", "Xavier")
    assert (told.artefact_bytes or 0) > 1000
    assert "timed by trtexec, on the GPU alone" in told.notes


@pytest.fixture
def tool_on_path(tmp_path, monkeypatch):
    file = tmp_path / "trtexec"
    file.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(fake_trtexec.__file__)} "$@"\n')
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return file


def measured(search=False):
    """The last event of a real measuring process, for one of the tiny networks."""
    case = Case(
        model="tiny-frames", device="cpu", backend="trtexec", precision="fp32", batch=2, threads=1, input="random-0"
    )
    job = Job(run_id="1", case=case, settings=Settings(runs=8), search=search)
    command = [sys.executable, str(Path(__file__).parents[1] / "tiny_worker.py")]
    done = subprocess.run(command, input=job_line(job), capture_output=True, timeout=120, check=True)
    return parse_event(done.stdout.splitlines()[-1])


def test_a_whole_case_by_a_real_program(tool_on_path):
    assert trtexec.find_tool() == tool_on_path
    assert get_backend("trtexec").missing() is None
    record = measured().record
    assert record is not None
    assert record.error is None
    assert record.timing is not None
    assert record.timing.samples.latency_s == [pytest.approx(1.5e-3)] * 8
    assert record.timing.prepare_s > 0
    assert record.verification is not None
    assert record.verification.passed
    assert record.verification.compared == 1
    assert record.counters is not None
    assert record.counters.state_bytes == 2 * 2 * 3 * 4
    assert record.counters.peak_allocated_bytes is None
    assert record.peak_rss_bytes is not None
    assert record.peak_rss_bytes > 10**7  # that of the program


def test_its_batches_are_named_and_not_searched(tool_on_path):
    failure = measured(search=True).failure
    assert failure is not None
    assert failure.message.startswith("--batch auto: trtexec is a program of its own")


def test_missing_says_where_it_comes_from(monkeypatch, tmp_path):
    monkeypatch.setattr(trtexec.shutil, "which", lambda name: None)
    monkeypatch.setattr(trtexec, "FOLDER", tmp_path)
    assert "JetPack" in (trtexec.missing() or "")
    with pytest.raises(UserError, match="trtexec: trtexec is neither on the PATH nor in"):
        trtexec.prepare(clip_network(), torch.zeros(1, 3, 4, 16, 16), Ask())
