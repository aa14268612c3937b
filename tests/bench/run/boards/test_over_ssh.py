"""The whole path against a real sshd on loopback, with invented boards below it and small networks on this CPU.

One run over two boards here; what goes wrong there, energy and TensorRT by `make acceptance`.
CO3D_BENCH_OLD_PYTHON, a Python 3.6 with torch 1.10, is what runs on the boards where it is named.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from co3d_bench.bench.backends import trtexec
from co3d_bench.bench.errors import NOT_HERE, UserError
from co3d_bench.bench.measure.job import PREPARING
from co3d_bench.bench.plan.catalog import Catalog
from co3d_bench.bench.plan.locate import why_unreachable
from co3d_bench.bench.plan.resolve import make_config
from co3d_bench.bench.record.record import Settings
from co3d_bench.bench.record.store import mark_run, read_records
from co3d_bench.bench.run.progress import Silent
from co3d_bench.bench.run.ready import make_plan
from co3d_bench.bench.run.run import run
from co3d_bench.bench.run.stop import Interrupted, Unfinished
from co3d_bench.bench.stats.metrics import get_metric

from ....devices.boards import board as write_board
from ....sshd import serving

sys.path.insert(0, str(Path(__file__).parent))
import board_zoo

WORKER = (sys.executable, str(Path(__file__).with_name("board_worker.py")))
CATALOG = Catalog(find_model=board_zoo.find_model)
FAKE_TRTEXEC = Path(__file__).parents[2] / "backends" / "trtexec" / "fake_trtexec.py"
PYTHON = os.environ.get("CO3D_BENCH_OLD_PYTHON", "python3")


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sshd")
    boards = {}
    for name in ("tx2", "xavier"):
        write_board(folder / name, name)
        boards[f"{name}.local"] = {"CO3D_BENCH_SYSROOT": str(folder / name)}
    tool = folder / "bin-there" / "trtexec"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE_TRTEXEC} "$@"\n')
    tool.chmod(0o755)
    there = {"CO3D_BENCH_SYSROOT": str(folder / "tx2"), "PATH": f"{tool.parent}:{Path(sys.executable).parent}:$PATH"}
    boards["trt.local"] = there
    with serving(folder, boards) as server:
        yield server


def config(tmp_path, devices, models=("small-frames",), **changes):
    tables = {
        name: {"extends": kind, "host": host, "torch_device": "cpu", "python": PYTHON}
        for name, (kind, host) in devices.items()
    }
    table = {
        "plan": {"models": list(models), "devices": list(devices), "threads": [1]},
        "run": {
            "out": str(tmp_path / "results"),
            "runs": 20,
            "processes": 1,
            "energy": False,
            "min_s": 0.0,
            "budget_s": 0.0,
            **changes,
        },
        "devices": tables,
    }
    return make_config(table, CATALOG)


class At(Silent):
    """Does something once, when a case has come to a phase."""

    def __init__(self, phase, deed):
        self.phase, self.deed = phase, deed
        self.phases, self.problems = [], []

    def event(self, event):
        self.phases.append(event.phase)
        if event.phase == self.phase and self.deed:
            deed, self.deed = self.deed, None
            deed()

    def board_problem(self, why):
        self.problems.append(why)


def left(server):
    """What a run has left in the home over there."""
    return sorted(path.name for path in (server.home / ".cache/co3d-bench/agent").iterdir())


def running(server, script):
    here = str(server.home)
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(word.endswith(script) and word.startswith(here) for word in words):
            yield process


def measure(made, **options):
    return run(made, board_worker=WORKER, **options)


@pytest.mark.acceptance
def test_the_first_of_two_processes_counts_here_for_both(sshd, tmp_path):
    progress = At("never", None)
    first, second = measure(config(tmp_path, {"tx2": ("tx2", "tx2.local")}, processes=2), progress=progress)
    assert progress.phases.count("counting") == 1
    assert progress.phases.count(PREPARING) == 2
    assert first.counters == second.counters
    assert second.counters.macs > 0
    assert second.ok
    assert second.timing


def test_two_boards_one_after_the_other_and_a_connection_that_breaks_in_the_middle(sshd, tmp_path):
    made = config(
        tmp_path, {"tx2": ("tx2", "tx2.local"), "my-xavier": ("xavier", "xavier.local")}, min_s=3.0, budget_s=20.0
    )
    progress = At("sampling", sshd.cut)
    records = measure(made, progress=progress)
    assert [record.case.key for record in records] == [
        "small-frames/tx2/aten-json/fp32/b1/t1/random-0",
        "small-frames/my-xavier/aten-json/fp32/b1/t1/random-0",
    ]
    assert any("connection lost" in phase for phase in progress.phases if phase)
    assert read_records(made.run.out) == records
    first, second = records
    for record in records:
        assert record.ok
        assert len(record.timing.samples.latency_s) == len(record.timing.samples.waited_s) >= 100
        assert record.timing.samples.latency_s != sorted(record.timing.samples.latency_s)
        assert record.verification.passed
        assert record.verification.compared > record.model.receptive_field
        assert record.verification.relative_error < 1e-5
        assert record.engine.name == "aten-json runner (PyTorch)"
        assert record.environment.versions["torch"] == record.engine.version
        assert record.counters.macs > 0
        assert record.counters.state_bytes > 0
        assert record.peak_rss_bytes > 10_000_000
        assert record.environment.machine.architecture == "aarch64"
    assert first.environment.versions["l4t"] == "32.7.6"
    assert second.environment.versions["l4t"] == "32.7.1"
    assert first.environment.machine.cpu_model == "quill"
    assert first.sensors.figure("power_w/board").during.median == pytest.approx(3.056)  # VDD_IN alone
    assert second.sensors.figure("power_w/board").during.median == pytest.approx(3.346)  # the sum of six rails
    assert first.sensors.figure("gpu_hz").during.count >= 1  # half a second apart
    assert 0 < first.sensors.sampler_cpu_s < first.sensors.watched_s
    assert left(sshd) == ["lock"]


class Moving:
    """A file whose value goes up and down while it is looked at, as a sensor's does."""

    def __init__(self, file, values):
        self._file, self._values = file, values
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._move)

    def _move(self):
        before = self._file.read_text()
        for value in itertools.cycle(self._values):
            self._put(value)
            if self._stop.wait(0.4):
                break
        self._put(before)

    def _put(self, text):
        new = self._file.with_suffix(".new")
        new.write_text(text)
        new.replace(self._file)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *caught):
        self._stop.set()
        self._thread.join()


@pytest.mark.acceptance
def test_energy_is_taken_in_a_pass_of_its_own(sshd, tmp_path):
    made = config(tmp_path, {"tx2": ("tx2", "tx2.local")}, energy=True)
    (rail,) = (file for file in (sshd.folder / "tx2").rglob("in_power0_input") if file.read_text() == "3056\n")
    with Moving(rail, ["3000\n", "3100\n"]):
        (record,) = run(made, board_worker=(*WORKER[:1], str(Path(__file__).with_name("energy_worker.py"))))
    assert record.ok
    energy = record.energy
    assert (energy.source, energy.reason) == ("power_w/board", None)
    (busy,), idle = energy.busy, energy.idle
    assert busy.calls > 10
    assert busy.fresh_readings >= 2
    assert len(idle) == 2
    for block in (busy, *idle):
        assert block.seconds == pytest.approx(2.5, abs=1.0)
        assert block.energy_j / block.seconds == pytest.approx(3.05, abs=0.05)
    assert get_metric("energy").value(record) == pytest.approx(busy.energy_j / busy.calls)


@pytest.mark.acceptance
def test_a_killed_case_is_a_record_and_a_board_that_is_not_reached_ends_no_other(sshd, tmp_path):
    devices = {"gone": ("xavier", "nowhere.invalid"), "tx2": ("tx2", "tx2.local"), "other": ("xavier", "tx2.local")}
    made = config(tmp_path, devices, models=("small-clip", "small-frames"), runs=3000)

    def kill():
        (process,) = running(sshd, "onboard.py")
        process.kill()

    with pytest.raises(Unfinished) as caught:
        measure(made, progress=At("sampling", kill))
    assert caught.value.exit_code == NOT_HERE
    assert "nowhere.invalid is not reached" in caught.value.message
    assert "tx2.local is another machine" in caught.value.message
    first, second = caught.value.records
    assert (first.case.model, first.error.kind) == ("small-clip", "killed")
    assert (second.case.model, second.ok) == ("small-frames", True)
    assert left(sshd) == ["lock"]


@pytest.mark.acceptance
def test_being_stopped_leaves_the_board_clean_and_resume_goes_on(sshd, tmp_path):
    made = config(tmp_path, {"tx2": ("tx2", "tx2.local")}, models=("small-clip",), runs=3000)
    plan = make_plan(made, boards=True)
    with pytest.raises(Interrupted, match="0 of 1"):
        measure(made, plan=plan, progress=At("sampling", lambda: os.kill(os.getpid(), signal.SIGTERM)))
    assert left(sshd) == ["lock"]
    assert not list(running(sshd, ".py"))
    run_id = Path(made.run.out, "newest-run").read_text().strip()
    (record,) = measure(made, plan=plan, resume=True)
    assert record.ok
    assert record.run_id == run_id


def test_the_wrong_board_is_refused_in_one_message(sshd, tmp_path):
    with pytest.raises(UserError) as caught:
        make_plan(config(tmp_path, {"xavier": ("xavier", "tx2.local")}), boards=True)
    assert caught.value.exit_code == NOT_HERE
    head, found, wanted = caught.value.message.splitlines()
    assert head == ("device xavier (NVIDIA Jetson AGX Xavier): tx2.local is another machine, and nothing was run there")
    assert "nvidia,tegra186" in found
    assert "nvidia,tegra194" in wanted
    assert set(left(sshd)) <= {"lock"}


def test_a_board_on_which_another_run_measures_is_left_alone(sshd, tmp_path):
    made = config(tmp_path, {"tx2": ("tx2", "tx2.local")})
    lock = sshd.home / ".cache/co3d-bench/agent/lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        print("run-7 12:00:00", file=held, end="", flush=True)
        with pytest.raises(UserError, match=r"tx2\.local is busy: run run-7 measures there since 12:00:00; .*clean"):
            make_plan(made, boards=True)
        Path(made.run.out).mkdir()
        mark_run(made.run.out, "run-7")  # its host, which is this one, was killed
        assert make_plan(made, boards=True).cases
    assert left(sshd) == ["lock"]


def test_what_measures_this_machine_alone_refuses_a_board(tmp_path):
    with pytest.raises(UserError, match=r"device tx2 is at tx2\.local: only `run` reaches boards"):
        make_plan(config(tmp_path, {"tx2": ("tx2", "tx2.local")}))


@pytest.mark.acceptance
def test_a_board_that_comes_back_only_for_the_next_run(sshd, tmp_path, monkeypatch):
    """The host is killed in the middle: the board finishes, and the resumed run takes what is there."""
    made = config(tmp_path, {"tx2": ("tx2", "tx2.local")}, models=("small-clip",))
    plan = make_plan(made, boards=True)
    monkeypatch.setattr("co3d_bench.devices.remote.board.Board.clean", lambda self: None)  # as if we were killed
    monkeypatch.setattr("co3d_bench.devices.remote.board.Board.remove_cases", lambda self: None)
    (first,) = measure(made, plan=plan)
    Path(made.run.out, "records.jsonl").unlink()  # it was not written any more
    monkeypatch.undo()
    (again,) = measure(made, plan=plan, resume=True)
    assert again.timing == first.timing
    assert left(sshd) == ["lock"]


def test_what_a_board_cannot_run_is_left_out_with_the_reason(sshd, tmp_path):
    made = config(tmp_path, {"tx2": ("tx2", "tx2.local")})
    wanted = {"backends": ("eager", "fused", "trtexec"), "precisions": ("fp32", "fp16"), "batch": (1, "auto")}
    plan = make_plan(replace(made, plan=made.plan.model_copy(update=wanted)), boards=True)
    assert [case.backend for case in plan.cases] == ["aten-json"]
    why = {out.what: out.why for out in plan.left_out}
    assert why["tx2 fused fp32"] == "backend fused does not run on boards over ssh"
    assert why["tx2 trtexec fp32"] == "backend trtexec runs on cuda, not on cpu"
    assert why["tx2 aten-json fp16"] == "backend aten-json computes in fp32"
    assert plan.notes == ("device tx2: eager is measured as aten-json there, and its cases have that name",)
    assert why["tx2 aten-json fp32"] == "boards over ssh cannot search for a batch; give numbers, e.g. --batch 1"


@pytest.mark.acceptance
def test_native_is_compiled_there_and_streams(sshd, tmp_path):
    made = config(tmp_path, {"tx2": ("tx2", "tx2.local")}, models=("small-frames", "small-clip"))
    records = measure(replace(made, plan=made.plan.model_copy(update={"backends": ("native",)})))
    assert [record.case.key for record in records] == [
        "small-frames/tx2/native/fp32/b1/t1/random-0",
        "small-clip/tx2/native/fp32/b1/t1/random-0",
    ]
    for record in records:
        assert record.ok, record.error
        assert record.verification.passed
        assert record.verification.relative_error < 1e-5
        assert record.engine.compile_s > 0
        assert "vectors" in record.engine.provider
        assert record.engine.threads == 1
        assert record.counters.macs > 0
    assert records[0].verification.compared > records[0].model.receptive_field
    assert records[0].counters.state_bytes > 0
    assert left(sshd) == ["lock"]


@pytest.mark.acceptance
def test_tensorrt_runs_the_onnx_file_and_answers_in_mid_stream(sshd, tmp_path):
    made = config(tmp_path, {"tx2": ("tx2", "trt.local")})
    profiles = {"tx2": made.profiles["tx2"].model_copy(update={"torch_device": "cuda"})}
    wanted = made.plan.model_copy(update={"backends": ("trtexec", "aten-json")})
    made = replace(made, catalog=replace(made.catalog, devices=profiles), plan=wanted)
    plan = make_plan(made, boards=True)
    (out,) = plan.left_out
    assert "sees no GPU" in out.why or "has no torch" in out.why
    (record,) = measure(made, plan=plan)
    assert record.ok, record.error
    assert "in mid-stream, and its new state" in record.verification.reference
    assert record.verification.relative_error < 1e-4
    assert record.timing.samples.latency_s == [pytest.approx(1.5e-3)] * 21
    assert record.timing.warmup_predictions == 5
    assert record.environment.versions["tensorrt"] == "8.2.1"
    asked = trtexec.time_options(Settings(runs=20, min_s=0.0), {"--noDataTransfers", "--useSpinWait"})
    assert f"timed by trtexec, on the GPU alone: {' '.join(asked)}" in record.engine.notes  # as on this machine
    assert "started by the agent of the board, over ssh" in record.notes
    assert record.counters.state_bytes > 0
    assert left(sshd) == ["lock"]


def test_a_host_that_answers_is_distinguished_from_one_that_does_not(sshd):
    assert why_unreachable("tx2.local") is None
    assert why_unreachable("nowhere.invalid")
