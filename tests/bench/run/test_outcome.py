import pytest
import tiny_zoo
from records import make_record

from co3d_bench.bench.measure.job import Event, Job, phase_event
from co3d_bench.bench.record.case import Case
from co3d_bench.bench.record.record import Failure, Settings
from co3d_bench.bench.run.child import Listener, Outcome
from co3d_bench.bench.run.outcome import to_record
from co3d_bench.devices.profile import list_profiles, with_own

JOB = Job(run_id="r", case=Case(model="tiny-clip"), settings=Settings(timeout_s=7))
SPEC = tiny_zoo.SPECS["tiny-clip"]


def outcome(**changes):
    fields = {
        "final": None,
        "measured": None,
        "returncode": 0,
        "timed_out": False,
        "stopped": False,
        "stderr_tail": "the end of stderr",
        "sampling_cpu_s": 0.0,
    }
    return Outcome(**{**fields, **changes})


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


def test_a_failure_the_process_told_itself_is_kept():
    failure = Failure(kind="exception", message="m", detail="x" * 10_000)
    record = to_record(JOB, SPEC, outcome(final=Event(event="failed", failure=failure)), 0, 1.0)
    assert record.error is not None
    assert (record.error.message, len(record.error.detail or "")) == ("m", 4000)


def test_the_parents_cpu_time_is_part_of_the_harness():
    measured = make_record(latency_s=[1.0, 1.0])
    done = outcome(final=Event(event="done", record=measured), sampling_cpu_s=0.5)
    timing = to_record(JOB, SPEC, done, 0, 1.0).timing
    assert timing is not None
    assert timing.harness_cpu_share == 0.001 + 0.25


def test_what_was_measured_is_kept_when_counting_fails():
    ended = outcome(measured=make_record(), returncode=-11)
    record = to_record(JOB, SPEC, ended, 0, 1.0)
    assert record.ok
    assert record.timing is not None
    assert record.notes[0].startswith("not counted (crash)")


def test_the_listener_joins_pieces_and_times_the_sampling():
    seen, times = [], iter([1.0, 3.5])
    listener = Listener(seen.append, lambda: next(times))
    events = [
        phase_event("loading"),
        phase_event("sampling", 0, 9),
        phase_event("sampling", 5, 9),
        Event(event="sampled"),
        Event(event="done", record=make_record()),
    ]
    data = b"".join(event.line() for event in events)
    for i in range(0, len(data), 7):
        listener.feed(data[i : i + 7])
    assert [event.phase for event in seen] == ["loading", "sampling", "sampling", None]
    assert listener.sampling_cpu_s == 2.5
    assert listener.final == events[-1]


def test_a_line_that_is_no_event_is_remembered():
    listener = Listener(lambda event: None, lambda: 0.0)
    listener.feed(b"chatter\n")
    assert "could not be read" in listener.unreadable


def test_every_record_tells_what_kind_its_device_is():
    tables = {"mine": {"extends": "other"}, "other": {"extends": "xavier"}}
    (device,) = (profile for profile in with_own(list_profiles(), tables) if profile.name == "mine")
    job = JOB.model_copy(update={"device": device})
    done = outcome(final=Event(event="done", record=make_record()))
    for ended in (done, outcome(measured=make_record(), returncode=-11), outcome(timed_out=True)):
        assert to_record(job, SPEC, ended, 0, 1.0).device_kind == "xavier"
        assert to_record(JOB, SPEC, ended, 0, 1.0).device_kind is None
