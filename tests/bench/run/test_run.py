"""Whole runs with real processes: nothing measured is lost, whatever falls over."""

import base64
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import quick
from tiny_run import TINY, WORKER, config

from co3d_bench.bench.errors import NOTHING, UserError
from co3d_bench.bench.record.store import append_record, read_records
from co3d_bench.bench.run.processes import Parent
from co3d_bench.bench.run.progress import Lines, Silent
from co3d_bench.bench.run.ready import make_plan
from co3d_bench.bench.run.run import run


def measure(folder, models, processes=1, **options):
    made = config(folder, models, processes=processes)
    return run(made, worker=WORKER, **options)


def start(folder, models, *flags):
    command = [*quick.WORKER, str(folder), ",".join(models), "5", *flags]
    # Tests that a shell started in the background ignore Ctrl-C, and so would what they start.
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def without_last(folder):
    """A store as a run leaves it that was killed in its last process."""
    file = folder / "records.jsonl"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))


def written(folder):
    file = folder / "records.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """One run over networks that work and networks that go wrong in every way."""
    folder = tmp_path_factory.mktemp("everything")
    models = ["raises", "exits", "segfaults", "killed", "hungry", "chatty", "tiny-wrong", "tiny-frames"]
    return folder, measure(folder, models)


def test_one_record_a_case_in_order_and_on_the_disk(everything):
    folder, records = everything
    assert read_records(folder) == records
    assert len({record.run_id for record in records}) == 1


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        ("raises", "exception", "RuntimeError: the network fell over"),
        ("exits", "crash", "exit code 7"),
        ("segfaults", "crash", "signal 11"),
        ("killed", "killed", "SIGKILL"),
        ("hungry", "out-of-memory", "allocate"),
        ("tiny-wrong", "wrong-answer", "clip form"),
    ],
)
def test_what_goes_wrong_is_a_record_and_the_rest_goes_on(everything, model, kind, words):
    record = next(record for record in everything[1] if record.case.model == model)
    assert record.error is not None
    assert record.error.kind == kind
    assert words in record.error.message
    assert record.timing is None
    assert "\n" not in record.error.message


@pytest.mark.parametrize("model", ["chatty", "tiny-frames"])
def test_what_works_is_measured_though_libraries_chatter(everything, model):
    record = next(record for record in everything[1] if record.case.model == model)
    assert record.ok
    assert len(record.timing.samples) == 5
    assert len(record.timing.samples.steal_s) == len(record.timing.samples.involuntary_switches) == 5
    assert record.timing.first_prediction_s > 0
    assert record.peak_rss_bytes > 50 << 20
    assert record.verification.passed
    assert record.environment.process.intra_op_threads == record.case.threads
    assert record.environment.process.inter_op_threads == 1


def test_a_frame_network_is_warmed_over_its_receptive_field(everything):
    record = everything[1][-1]
    assert record.timing.warmup_predictions >= record.model.receptive_field == 3


def test_counted_figures(everything):
    pytest.importorskip("co3d_bench.bench.measure.counting")
    record = everything[1][-1]
    assert record.notes == ()
    assert record.counters.parameters == 3 * 5 + 5
    assert record.counters.macs_once >= 3 * 5
    assert record.counters.weights_bytes == 4 * 20
    assert record.counters.state_bytes == 2 * 3 * 4
    assert record.counters.state_bytes_by_kind is None  # its layers are not ours
    assert record.counters.input_bytes == 3 * 8 * 8 * 4
    assert record.counters.peak_allocated_bytes > 4 * 20 + 24 + 768


class Phases(Silent):
    """What the processes of a run were at, one after the other."""

    def __init__(self):
        self.seen = []

    def event(self, event):
        self.seen.append(event.phase)


def test_the_first_process_counts_and_verifies_and_what_fails_fails_once(everything, tmp_path):
    phases = Phases()
    made = config(tmp_path, ["tiny-clip", "exits"], runs=60, processes=3)
    run(made, worker=WORKER, progress=phases)
    records = read_records(tmp_path)
    found = [(r.case.model, r.process) for r in records]
    assert found == [("tiny-clip", 1), ("exits", 1), ("tiny-clip", 2), ("tiny-clip", 3)]
    assert phases.seen.count("counting") == 1, "the first process counts for all"
    assert phases.seen.count("verifying") == 1, "the first process verifies for all that answer the same to the bit"
    elsewhere = next(r for r in everything[1] if r.case.model == "chatty")
    good = [r for r in records if r.ok]
    spread = [(r.settings.runs, r.settings.processes, len(r.timing.samples)) for r in good]
    assert spread == [(20, 3, 20)] * 3, "the predictions of a case are spread over its processes"
    assert [r.counters for r in good] == 3 * [elsewhere.counters], "fresh processes, the same to the byte"
    assert [r.verification for r in good] == 3 * [elsewhere.verification]
    assert len({r.output_sha256 for r in good}) == 1


def test_a_process_that_answers_otherwise_is_verified_itself(tmp_path):
    phases = Phases()
    first, second = measure(tmp_path, ["tiny-moody"], processes=2, progress=phases)
    assert first.output_sha256 != second.output_sha256
    assert phases.seen.count("verifying") == 2


def test_what_the_reference_answered_is_sent_to_the_processes_of_other_engines(tmp_path, monkeypatch):
    """Where it is not what the network answers there (here: zeros), the network is called there."""
    pytest.importorskip("onnxruntime")
    measure_one = Parent.measure

    def measure_with_zeros(self, process, *rest):
        if process.case.backend == "onnxruntime":
            for case, answers in self.answers.items():
                zeros = base64.b64encode(bytes(len(base64.b64decode(answers.float32)))).decode()
                self.answers[case] = answers.model_copy(update={"float32": zeros})
        return measure_one(self, process, *rest)

    monkeypatch.setattr(Parent, "measure", measure_with_zeros)
    records = run(config(tmp_path, ["tiny-frames"], backends=["eager", "fused", "onnxruntime"]), worker=WORKER)
    eager, fused, other = (record.verification for record in records)
    assert all(each.passed for each in (eager, fused, other))
    assert eager.reference == "the clip form of the same 3 frames"
    assert fused.reference == "the eager network in fp32 on a stream of 4 frames, from its own process"
    assert "from its own process" not in other.reference


REFUSING = replace(
    TINY, backends={**TINY.backends, "openvino": replace(TINY.backends["openvino"], missing=lambda: "not installed")}
)


def test_an_engine_that_refuses_a_network_gives_way_to_the_next(tmp_path):
    said = io.StringIO()
    made = config(tmp_path, ["no-native"], catalog=REFUSING, backends=["auto"])
    records = run(made, worker=WORKER, progress=Lines(said))
    assert [(r.case.backend, r.ok) for r in records] == [("eager", True), ("onnxruntime", True)]
    assert read_records(tmp_path) == records
    (line,) = (line for line in said.getvalue().splitlines() if "replaces it" in line)
    assert line.startswith("no-native: native: ")
    assert line.endswith("; onnxruntime replaces it")
    again = run(made, worker=WORKER, resume=True)
    assert again == records, "a resumed run knows which engine took the place"
    assert records[1].counters.macs == records[0].counters.macs


def test_what_no_engine_runs_has_failed_and_is_in_the_store(tmp_path):
    made = config(tmp_path, ["raises"], backends=["fused"])
    planned = make_plan(made)
    (case,) = planned.cases
    records = run(made, plan=replace(planned, instead={case: ("eager",)}), worker=WORKER)
    assert [(r.case.backend, r.ok) for r in records] == [("eager", False)]
    assert read_records(tmp_path) == records


def test_an_engine_that_was_asked_for_by_name_fails_where_it_refuses(tmp_path):
    made = config(tmp_path, ["no-native"], backends=["native"])
    (record,) = run(made, worker=WORKER)
    assert record.error.message.startswith("native: ")


def test_a_hanging_case_is_stopped(tmp_path):
    records = quick.measure(tmp_path, ["hangs", "works"], timeout_s=5)
    assert records[0].error.kind == "timeout"
    assert records[1].ok


def test_the_python_call_raises_for_what_cannot_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        quick.measure(tmp_path / "file", ["works"])
    with pytest.raises(UserError, match="nothing to resume") as raised:
        quick.measure(tmp_path, ["works"], resume=True)
    assert raised.value.exit_code == NOTHING


def test_after_kill_9_resume_does_what_is_missing_and_nothing_twice(tmp_path):
    parent = start(tmp_path, ["works", "hangs", "works-too"])
    wait_for(lambda: written(tmp_path) == 1 and children(parent.pid))
    wait_for(lambda: children(parent.pid))
    (child,) = children(parent.pid)
    time.sleep(0.5)  # the child asks the kernel to die with its parent as its first deed
    parent.kill()
    parent.wait()
    wait_for(lambda: not alive(child), seconds=10)

    first = read_records(tmp_path)
    records = quick.measure(tmp_path, ["works", "works-too"], resume=True)
    assert records[0] == first[0]
    assert [r.case.model for r in read_records(tmp_path)] == ["works", "works-too"]
    assert len({r.run_id for r in records}) == 1
    assert quick.measure(tmp_path, ["works", "works-too"], resume=True) == records
    assert written(tmp_path) == 2


def test_resume_heals_a_torn_line_and_repeats_that_case(tmp_path):
    quick.measure(tmp_path, ["works"])
    file = tmp_path / "records.jsonl"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.warns(UserWarning, match="line 1"):
        quick.measure(tmp_path, ["works"], resume=True)
    with pytest.warns(UserWarning, match="line 1"):
        assert [r.ok for r in read_records(tmp_path)] == [True]


def test_failed_cases_are_repeated_only_when_asked(tmp_path):
    first = quick.measure(tmp_path, ["exits"])
    assert quick.measure(tmp_path, ["exits"], resume=True) == first
    assert written(tmp_path) == 1
    again = quick.measure(tmp_path, ["exits"], resume=True, retry_failed=True)
    assert again != first
    assert written(tmp_path) == 2


def test_several_processes_of_each_case_are_kept_and_a_lost_one_is_measured_again(tmp_path):
    quick.measure(tmp_path, ["works", "exits"], processes=2)
    order = [(r.case.model, r.process) for r in read_records(tmp_path)]
    assert order == [("works", 1), ("exits", 1), ("works", 2)]
    without_last(tmp_path)
    quick.measure(tmp_path, ["works", "exits"], processes=2, resume=True)
    assert [(r.case.model, r.process) for r in read_records(tmp_path)] == order


def test_auto_goes_on_to_seven_and_resumed_does_what_is_missing(tmp_path):
    shown = io.StringIO()
    quick.measure(tmp_path, ["works", "exits"], processes="auto", progress=Lines(shown))
    order = [("works", 1), ("exits", 1), *(("works", process) for process in range(2, 8))]
    assert [(r.case.model, r.process) for r in read_records(tmp_path)] == order
    assert {r.settings.processes for r in read_records(tmp_path)} == {7}
    lines = shown.getvalue().splitlines()
    assert lines[0].endswith(": 2 cases, rounds until each has 7 processes and ±2.5 %, at most 8 min")
    assert lines[2].startswith("round 1  exits eager  FAILED  crash: ")
    assert lines[-2] == "round 7  works eager  not timed"
    without_last(tmp_path)
    quick.measure(tmp_path, ["works", "exits"], processes="auto", resume=True)
    assert [(r.case.model, r.process) for r in read_records(tmp_path)] == order


def test_what_there_is_is_shown_behind_each_round(tmp_path):
    shown = []
    quick.measure(tmp_path, ["works", "exits"], processes=3, after_round=lambda *given: shown.append(given))
    assert [(number, len(records)) for number, records in shown] == [(1, 2), (2, 3), (3, 4)]


def test_a_resumed_run_need_not_be_as_long_nor_end_at_the_same_precision(tmp_path):
    made = quick.configured(tmp_path, ["works"], processes="auto")
    for time_s, precision in ((480.0, None), (60.0, 0.01)):
        asked = made.run.model_copy(update={"time_s": time_s, "target_precision": precision})
        again = replace(made, run=asked)
        run(again, worker=quick.WORKER, resume=time_s < 480)
    assert [r.process for r in read_records(tmp_path)] == list(range(1, 8))


def test_other_settings_are_another_measurement(tmp_path):
    first = quick.measure(tmp_path, ["exits"], runs=5)
    quick.measure(tmp_path, ["exits"], runs=6, resume=True)
    assert [r.settings.runs for r in read_records(tmp_path)] == [5, 6]
    assert {r.run_id for r in read_records(tmp_path)} == {first[0].run_id}


@pytest.mark.parametrize(("number", "code", "name"), [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")])
def test_a_stop_signal_keeps_what_is_finished(tmp_path, number, code, name):
    parent = start(tmp_path, ["exits", "hangs", "works"])
    wait_for(lambda: written(tmp_path) == 1 and children(parent.pid))
    (child,) = children(parent.pid)
    os.kill(parent.pid, number)
    _, stderr = parent.communicate(timeout=20)
    assert parent.returncode == code
    assert f"stopped by {name}: 1 of 3 measurements" in stderr
    assert "--resume" in stderr
    assert "Traceback" not in stderr
    assert not alive(child)
    assert [r.case.model for r in read_records(tmp_path)] == ["exits"]


def test_ctrl_c_in_the_second_round_leaves_table_and_page_and_resume_goes_on(tmp_path):
    command = [sys.executable, str(Path(__file__).parents[1] / "stopped_run.py"), str(tmp_path), "works,pauses-later"]
    parent = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(lambda: written(tmp_path) == 2)
    wait_for(lambda: (tmp_path / "report.html").exists() and children(parent.pid))
    time.sleep(0.3)
    os.kill(parent.pid, signal.SIGINT)
    stdout, stderr = parent.communicate(timeout=30)
    assert parent.returncode == 130, stderr
    assert "stopped by Ctrl-C: 2 of 4 measurements are finished and kept; the same command with --resume" in stderr
    assert "table of 2" in stdout
    assert (tmp_path / "report.html").read_text() == "page of 2"
    assert f"report:  {tmp_path / 'report.html'}" in stdout
    quick.measure(tmp_path, ["works"], processes=2, resume=True)
    assert [(r.case.model, r.process) for r in read_records(tmp_path)] == [
        ("works", 1),
        ("pauses-later", 1),
        ("works", 2),
    ]


def test_two_runs_into_one_store_at_once(tmp_path):
    models = ["exits", "raises", "works"]
    both = [start(tmp_path, models) for _ in range(2)]
    for process in both:
        process.communicate(timeout=120)
    records = read_records(tmp_path)
    assert sorted(r.case.model for r in records) == sorted(models * 2)
    assert len({r.run_id for r in records}) == 2


def test_a_store_removed_during_a_run_is_written_again(tmp_path):
    parent = start(tmp_path / "store", ["exits", "pauses", "works"])
    wait_for(lambda: written(tmp_path / "store") == 1)
    shutil.rmtree(tmp_path / "store")
    parent.communicate(timeout=60)
    assert [r.case.model for r in read_records(tmp_path / "store")] == ["exits", "pauses", "works"]


def test_a_full_disk_while_running_is_one_message(tmp_path, monkeypatch):
    def full(path, record):
        raise UserError("cannot write: No space left on device", 4)

    monkeypatch.setattr("co3d_bench.bench.run.run.append_record", full)
    with pytest.raises(UserError, match="No space left"):
        quick.measure(tmp_path, ["exits"])
    assert append_record is not full
