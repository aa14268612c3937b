"""The engine that is a program: by a stand-in for it, with each version's options, that computes what it is asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_networks import clip_network

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed: pip install 'co3d-bench[onnx]'")
pytest.importorskip("onnx", reason="ONNX is not installed: pip install 'co3d-bench[onnx]'")

sys.path.insert(0, str(Path(__file__).with_name("trtexec")))
import fake_trtexec

from co3d_bench.bench.backends import Ask, get_backend, trtexec, trtexec_tool
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.measure.external import verify_answers
from co3d_bench.bench.measure.job import Job, job_line
from co3d_bench.bench.record.case import Case
from co3d_bench.bench.record.record import Settings
from co3d_bench.bench.run.child import Listener
from co3d_bench.models import continual as co

VERSIONS = ((8, 2, 1), (8, 6, 1), (10, 3, 0), (11, 3, 0))
TOLERANCE = trtexec.BACKEND.tolerance


@pytest.fixture(scope="module")
def networks():
    clip = clip_network()
    clips = [torch.randn(1, 3, 4, 16, 16) for _ in range(2)]
    frames = [torch.randn(2, 3, 16, 16) for _ in range(3)]
    return {"clip": (clip, clips), "frame": (co.convert(clip, prove=False), frames)}


@pytest.fixture
def measure(networks, monkeypatch):
    """Measure one of the networks with a tool like this; the result, and the tool."""
    monkeypatch.setattr(trtexec, "missing", lambda: None)

    def measure(form, version=(8, 2, 1), precision="fp32", *, min_s=0.0, verify=True, **options):
        net, ring = networks[form]
        tool = fake_trtexec.Tool(version, **options)
        monkeypatch.setattr(trtexec_tool, "start", tool)
        with torch.inference_mode():
            ask = Ask(precision, calibration=ring * 2)
            settings = Settings(runs=7, min_s=min_s)
            return trtexec.measure(net, ring, ask, settings, lambda phase: None, verify=verify), tool

    return measure


@pytest.mark.parametrize("form", ["clip", "frame"])
@pytest.mark.parametrize(("version", "precision"), [((8, 2, 1), "fp16"), ((8, 2, 1), "int8"), ((10, 3, 0), "fp16")])
def test_it_is_held_to_eager(measure, form, version, precision):
    found = verify_answers(measure(form, version, precision)[0].answers, TOLERANCE[precision])
    assert found.passed, found
    assert found.relative_error > 0
    assert found.compared == 1
    assert ("mid-stream" in found.reference) == (form == "frame")


def test_a_wrong_state_is_found_out(measure):
    """Scores of one step hardly tell a state that is lost; what is new of it does."""
    answers = measure("frame")[0].answers
    assert len(answers.given) > 1
    assert verify_answers(answers, 1e-4).passed
    lost = replace(answers, given=(answers.given[0], *map(torch.zeros_like, answers.given[1:])))
    assert not verify_answers(lost, 1e-4).passed


def test_it_answers_in_mid_stream_and_not_at_its_beginning(networks):
    net, ring = networks["frame"]
    said = fake_trtexec.Tool().run(["--help"], None)[1]
    with torch.inference_mode():
        session = trtexec.make_session(net, ring, Ask(), Settings(), said, verify=True)
    assert [session.calls[index][0] for index in (0, 2)] == ["building the engine", "sampling"]
    filled = sum(not torch.equal(a, b) for a, b in zip(session.inputs[1:], session.model.entry.state, strict=True))
    assert filled == len(session.model.entry.state) > 0


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("precision", trtexec.BACKEND.precisions)
def test_each_version_is_asked_in_its_own_words(measure, version, precision):
    _, tool = measure("clip", version, precision, verify=False)  # an option that it does not have would be refused
    said, build, answer, timed = tool.calls
    assert said == ("--help",)
    assert "--noTF32" in build
    assert ("--stronglyTyped" in build) == (version[0] == 10)
    assert (f"--{precision}" in build) == (version[0] == 8 and precision != "fp32")
    assert ("--workspace=1024" in build) == (version == (8, 2, 1))
    assert "--loadInputs=clip:clip.bin" in answer
    assert ({"--noDataTransfers", "--useSpinWait"} <= set(timed)) == (version[0] < 11)
    assert ("--noCudaGraph" in timed) == (version[0] == 11)


@pytest.mark.parametrize("version", VERSIONS)
def test_it_is_timed_by_its_own_clock(measure, version):
    """Whether the file of times has the warm-up, or has not."""
    result, tool = measure("frame", version)
    timing = result.timing
    assert timing.samples.latency_s == [pytest.approx(1.5e-3)] * 8  # one more than asked for, and none is dropped
    assert timing.first_prediction_s == pytest.approx(1.5e-3)
    assert (timing.warmup_predictions, timing.warmup_s) == (5, 2.0)
    assert timing.sampling_wall_s == pytest.approx(7 * 2e-3 + 1.5e-3)
    assert timing.load_s == pytest.approx(9.0 - 2.0 - timing.sampling_wall_s)
    assert (timing.prepare_s, timing.harness_cpu_share, result.peak_rss_bytes) == (9.0, pytest.approx(0.01), 10**8)
    assert {"--duration=0", "--iterations=7", "--warmUp=2000"} <= set(tool.calls[-1])


def test_it_is_timed_for_as_long_as_asked_for(measure):
    result, tool = measure("clip", min_s=0.5)
    assert "--duration=1" in tool.calls[-1]  # whole seconds alone
    assert len(result.timing.samples.latency_s) == 500


def test_one_of_many_alike_is_timed_and_not_verified(measure):
    result, _ = measure("frame", verify=False)
    assert result.answers is None
    assert len(result.timing.samples.latency_s) == 8


def test_too_few_times_are_no_result(measure):
    with pytest.raises(UserError, match="timed 5 of 7 predictions"):
        measure("clip", short=3)


def test_an_operator_that_it_does_not_know_is_named(measure):
    with pytest.raises(UserError, match="trtexec cannot build an engine of this network: Sigmoid: no importer"):
        measure("clip", unknown=("Sigmoid",))


def test_it_says_what_it_is(measure):
    engine = measure("frame")[0].engine
    assert (engine.name, engine.version, engine.provider) == ("TensorRT, trtexec", "8.2.1", "Xavier")
    assert engine.artefact_bytes > 1000
    assert engine.notes[0] == "untested on hardware"
    assert any(note.startswith("timed by trtexec, on the GPU alone: --loadEngine") for note in engine.notes)
    assert engine.notes[-1] == "trtexec's own summary: Throughput: 500 qps"


def test_its_calls_cannot_be_had_one_by_one(networks):
    net, ring = networks["clip"]
    with pytest.raises(UserError, match="trtexec is an external engine"):
        get_backend("trtexec").prepare(net, ring[0], Ask())


@pytest.fixture
def tool_on_path(tmp_path, monkeypatch):
    file = tmp_path / "trtexec"
    file.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(fake_trtexec.__file__)} "$@"\n')
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return file


def measured(search=False):
    """What a real measuring process reported, and its last event, for one of the tiny networks."""
    case = Case(
        model="tiny-frames", device="cpu", backend="trtexec", precision="fp32", batch=2, threads=1, input="random-0"
    )
    job = Job(run_id="1", case=case, settings=Settings(runs=8, min_s=0.0), search=search)
    command = [sys.executable, str(Path(__file__).parents[1] / "tiny_worker.py")]
    done = subprocess.run(command, input=job_line(job), capture_output=True, timeout=120, check=True)
    listener = Listener(lambda event: None, time.process_time)
    listener.feed(done.stdout)
    assert listener.final is not None
    return listener.measurement, listener.final


def test_a_whole_case_by_a_real_program(tool_on_path):
    assert trtexec.find_tool() == str(tool_on_path)
    assert get_backend("trtexec").missing() is None
    found, last = measured()
    assert last.event == "done"
    assert found.timing is not None
    assert found.timing.samples.latency_s == [pytest.approx(1.5e-3)] * 9
    assert found.timing.prepare_s > 0
    assert found.verification is not None
    assert found.verification.passed
    assert found.verification.compared == 1
    assert found.counters is not None
    assert found.counters.state_bytes == 2 * 2 * 3 * 4
    assert found.counters.peak_allocated_bytes is None
    assert found.peak_rss_bytes is not None
    assert found.peak_rss_bytes > 10**7  # that of the program


def test_its_batches_are_named_and_not_searched(tool_on_path):
    failure = measured(search=True)[1].failure
    assert failure is not None
    assert failure.message.startswith("--batch auto: trtexec is an external engine")


def test_missing_says_where_it_comes_from(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(trtexec_tool, "FOLDER", str(tmp_path))
    assert "JetPack" in (trtexec.missing() or "")
    with pytest.raises(UserError, match="trtexec: trtexec is neither on the PATH nor in"):
        trtexec.measure(clip_network(), [torch.zeros(1, 3, 4, 16, 16)], Ask(), Settings(), print, verify=True)


def test_the_tool_ends_with_whoever_started_it(tmp_path):
    """On a board the process of a case is killed alone, and a build takes minutes."""
    tool = tmp_path / "trtexec"
    tool.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    tool.chmod(0o755)
    code = (
        "from pathlib import Path; from co3d_bench.bench.backends import trtexec_tool; "
        "from co3d_bench.devices.remote.agent import die_with_parent; "
        f"trtexec_tool.start([], Path({str(tmp_path)!r}), die_with_parent)"
    )
    path = f"{tmp_path}:{os.environ['PATH']}"
    starter = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PATH": path})
    pid = tmp_path / "pid"
    deadline = time.monotonic() + 30
    while not (pid.exists() and pid.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    while _runs(int(pid.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
