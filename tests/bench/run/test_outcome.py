import json
import math
from dataclasses import replace

import pytest
import tiny_zoo
from records import make_record, measurement_of

from co3d_bench.bench.measure.job import Event, Job, Measurement, phase_event
from co3d_bench.bench.record.case import Case
from co3d_bench.bench.record.record import BatchSearch, Failure, Settings, Verification
from co3d_bench.bench.record.sensing import Energy
from co3d_bench.bench.record.store import parse_record
from co3d_bench.bench.run.child import Listener, Outcome
from co3d_bench.bench.run.outcome import to_record
from co3d_bench.bench.run.processes import refusal
from co3d_bench.devices.profile import list_profiles, with_custom

from ...reports.device_records import on_board

JOB = Job(run_id="r", case=Case(model="tiny-clip"), settings=Settings(timeout_s=7))
SPEC = tiny_zoo.SPECS["tiny-clip"]


def outcome(**changes):
    return Outcome(**{"returncode": 0, "stderr_tail": "the end of stderr", **changes})


def done(record, **changes):
    return outcome(final=Event(event="done"), measurement=measurement_of(record), **changes)


@pytest.mark.parametrize(
    ("ended", "oom_kills", "kind", "words"),
    [
        (outcome(timed_out=True, returncode=-9), 0, "timeout", "7 s"),
        (outcome(returncode=-9), 1, "out-of-memory", "memory"),
        (outcome(returncode=-9), 0, "killed", "SIGKILL"),
        (outcome(returncode=-11), 0, "crash", "Segmentation fault"),
        (outcome(returncode=3), 0, "crash", "exit code 3"),
        (outcome(returncode=0), 0, "crash", "no result"),
    ],
)
def test_every_end_has_its_word(ended, oom_kills, kind, words):
    record = to_record(JOB, SPEC, ended, oom_kills, duration_s=1.0)
    assert record.error is not None
    assert record.error.kind == kind
    assert words in record.error.message
    assert record.error.detail == "the end of stderr"
    assert record.model is not None
    assert record.model.title == "Tiny-Clip"


def test_a_failure_that_the_process_reported_is_kept():
    failure = Failure(kind="exception", message="m", detail="x" * 10_000)
    record = to_record(JOB, SPEC, outcome(final=Event(event="failed", failure=failure)), 0, 1.0)
    assert record.error is not None
    assert (record.error.message, len(record.error.detail or "")) == ("m", 4000)


def test_a_record_has_all_that_was_found_out_and_all_that_the_parent_knows():
    """Nothing is put into it afterwards."""
    whole = on_board("x3d-xs")
    (xavier,) = (profile for profile in list_profiles() if profile.name == "xavier")
    search = BatchSearch(trials=(), stopped="no reason")
    settings = Settings(timeout_s=7)
    job = Job(run_id="r", case=whole.case, process=3, settings=settings, device=xavier, batch_search=search)
    known = {"run_id": "r", "process": 3, "settings": settings, "device_kind": "xavier", "batch_search": search}
    assert to_record(job, SPEC, done(whole), 0, 1.0) == whole.model_copy(update=known)


def test_the_parents_cpu_time_is_part_of_the_harness():
    timing = to_record(JOB, SPEC, done(make_record(latency_s=[1.0, 1.0]), sampling_cpu_s=0.5), 0, 1.0).timing
    assert timing is not None
    assert timing.harness_cpu_share == 0.001 + 0.25


def test_what_was_measured_is_kept_when_counting_fails():
    ended = outcome(measurement=measurement_of(make_record()), returncode=-11)
    record = to_record(JOB, SPEC, ended, 0, 1.0)
    assert record.ok
    assert record.timing is not None
    assert record.notes[0].startswith("not counted (crash)")


@pytest.mark.parametrize("ended", ["done", "killed"])
def test_a_wrong_answer_has_no_speed(ended):
    wrong = Verification(reference="the truth", relative_error=0.5, tolerance=1e-4, passed=False)
    measured = done(make_record(verification=wrong))
    measured = measured if ended == "done" else replace(measured, final=None, returncode=-9)
    record = to_record(JOB, SPEC, measured, 0, 1.0)
    assert record.error is not None
    assert (record.error.kind, record.timing, record.verification) == ("wrong-answer", None, wrong)


def test_the_listener_joins_pieces_and_times_the_sampling():
    seen, times = [], iter([1.0, 3.5])
    listener = Listener(seen.append, lambda: next(times))
    events = [
        phase_event("loading"),
        phase_event("sampling", 0, 9),
        phase_event("sampling", 5, 9),
        Event(event="sampled"),
        Event(event="measured", measurement=measurement_of(make_record())),
        Event(event="measured", measurement=Measurement(energy=Energy(reason="none"))),
        Event(event="done", measurement=Measurement(notes=("all",))),
    ]
    data = b"".join(event.line() for event in events)
    for i in range(0, len(data), 7):
        listener.feed(data[i : i + 7])
    assert [event.phase for event in seen] == ["loading", "sampling", "sampling", None, None, None]
    assert listener.sampling_cpu_s == 2.5
    assert listener.final == events[-1]
    whole = make_record(energy=Energy(reason="none"), notes=("all",))
    assert listener.measurement == measurement_of(whole)


def test_the_record_of_an_older_worker_is_taken_apart():
    listener = Listener(lambda event: None, lambda: 0.0)
    for event in ("measured", "done"):
        line = {"event": event, "record": make_record(notes=("a",)).model_dump(mode="json"), "modules": None}
        listener.feed(json.dumps(line).encode() + b"\n")
    assert listener.unreadable == ""
    assert listener.measurement == measurement_of(make_record(notes=("a",)))
    assert listener.final is not None
    assert listener.final.event == "done"


def test_a_line_that_is_no_event_is_remembered():
    listener = Listener(lambda event: None, lambda: 0.0)
    listener.feed(b"chatter\n")
    assert "could not be read" in listener.unreadable


def test_a_process_whose_result_cannot_be_read_says_so():
    ended = outcome(returncode=0, unreadable="an event could not be read: no number")
    error = to_record(JOB, SPEC, ended, 0, 1.0).error
    assert error is not None
    assert (error.kind, error.message) == ("crash", "an event could not be read: no number")


@pytest.mark.parametrize("error", [math.inf, -math.inf, 1e308])
def test_no_event_and_no_record_is_lost_because_json_has_no_infinity(error):
    wrong = Verification(
        reference="r", relative_error=error, tolerance=1e-4, passed=False, cause="the output holds NaN"
    )
    record = make_record(verification=wrong)
    listener = Listener(lambda event: None, lambda: 0.0)
    listener.feed(Event(event="done", measurement=measurement_of(record)).line())
    assert (listener.unreadable, listener.measurement.verification) == ("", wrong)
    written = to_record(JOB, SPEC, done(record), 0, 1.0)
    assert written.error is not None
    assert (written.error.kind, written.error.message) == ("wrong-answer", "the output holds NaN")
    line = written.model_dump_json()
    json.loads(line, parse_constant=pytest.fail)  # JSON for any reader
    assert parse_record(line) == written


def test_every_record_reports_what_kind_its_device_is():
    tables = {"mine": {"extends": "other"}, "other": {"extends": "xavier"}}
    (device,) = (profile for profile in with_custom(list_profiles(), tables) if profile.name == "mine")
    job = JOB.model_copy(update={"device": device})
    measured = measurement_of(make_record())
    for ended in (done(make_record()), outcome(measurement=measured, returncode=-11), outcome(timed_out=True)):
        assert to_record(job, SPEC, ended, 0, 1.0).device_kind == "xavier"
        assert to_record(JOB, SPEC, ended, 0, 1.0).device_kind is None


def test_an_engine_refuses_a_network_only_when_it_has_that_and_before_it_has_timed_it():
    failed = Event(event="failed", failure=Failure(kind="exception", message="no kernel for roll"))
    assert refusal(outcome(final=failed, prepared=True)) == "no kernel for roll"
    assert refusal(outcome(final=failed)) is None, "its weights, its input or its films are at fault"
    assert refusal(outcome(final=failed, prepared=True, measurement=measurement_of(make_record()))) is None
    assert refusal(outcome(returncode=-9, prepared=True)) is None
