"""What a process of a side runs, and what it gives."""

import json
import sys

import pytest

from co3d_bench.bench.case import Case
from co3d_bench.bench.errors import UserError
from co3d_bench.bench.gate.code import Code
from co3d_bench.bench.gate.sides import Measured, Processes, of_code, of_command, understood
from co3d_bench.bench.job import Event, Job, phase_event
from co3d_bench.bench.names import Names
from co3d_bench.bench.record import Settings
from co3d_bench.bench.stop import Stop
from co3d_bench.bench.turns import WAITING

from ...factories import make_record, make_samples

CASE = Case(model="command")


def measure(text, timeout_s=60.0):
    with Stop() as stop:
        return of_command(text, timeout_s).measure(CASE, 30, False, stop)


def test_a_command_may_tell_its_latencies_in_its_last_line():
    program = "print('noise'); print('{\"latency_s\": [0.5, 0.25, 0.25]}'); print()"
    measured = measure(f'{sys.executable} -c "{program.replace(chr(34), chr(92) + chr(34))}"')
    assert measured == Measured((0.5, 0.25, 0.25), (0.5, 0.25, 0.25))
    assert measured.value_s == 0.25


def test_any_other_command_is_timed_as_a_whole():
    measured = measure(f"{sys.executable} -c pass")
    assert measured is not None
    assert len(measured.latency_s) == 1
    assert 0 < measured.value_s < 30


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{sys.executable} -c 'raise SystemExit(\"it broke\")'", "exit code 1: it broke"),
        ("no-such-program --now", "No such file"),
    ],
)
def test_a_command_that_fails_says_why(text, words):
    measured = measure(text)
    assert measured is not None
    assert words in (measured.failure or "")


@pytest.mark.parametrize("text", ["", "an 'open quote"])
def test_what_is_no_command_is_told(text):
    with pytest.raises(UserError, match="command"):
        of_command(text, 1.0)


def test_nothing_of_a_command_is_read_by_a_shell(tmp_path):
    target = tmp_path / "made"
    measure(f"echo x; touch {target}")
    assert not target.exists()


def test_an_older_version_is_asked_only_for_what_it_knows():
    job = Job(run_id="r", case=CASE, settings=Settings(processes=3), timing_only=True)
    schema = json.loads(json.dumps(Job.model_json_schema()))
    del schema["properties"]["timing_only"]
    del schema["$defs"]["Settings"]["properties"]["processes"]
    asked = understood(job.model_dump(mode="json"), schema)
    assert "timing_only" not in asked
    assert "processes" not in asked["settings"]
    assert asked["settings"]["runs"] == 100
    assert asked["case"] == CASE.model_dump()
    assert understood(job.model_dump(mode="json"), Job.model_json_schema()) == job.model_dump(mode="json")


def test_an_older_version_does_not_measure_the_cpu_in_a_gpus_place():
    schema = json.loads(json.dumps(Job.model_json_schema()))
    del schema["properties"]["torch_device"]
    side = Processes("base", sys.executable, {}, schema, {}, Names(), 60.0)
    with Stop() as stop:
        measured = side.measure(Case(model="x3d-xs", device="xavier"), 5, False, stop)
    assert measured == Measured(failure="this version of co3d-bench does not measure on cuda")


def test_the_figure_of_a_process_is_that_of_the_samples_that_count(tmp_path):
    """Of a machine that is a half slower for the longer part of it, that of this part."""
    samples = make_samples(0.1, disturbed_share=0.0)
    paces = [1.0] * 40 + [1.5] * 60
    slow = [latency * pace for latency, pace in zip(samples.latency_s, paces, strict=True)]
    samples = samples.model_copy(update={"latency_s": slow, "pace_s": paces, "usual_pace_s": 1.0})
    (tmp_path / "event").write_bytes(Event(event="done", record=make_record("x3d-xs", samples=samples)).line())
    worker = ("-c", f"import sys; sys.stdin.readline(); print(open({str(tmp_path / 'event')!r}).read())")
    side = Processes("base", sys.executable, {}, Job.model_json_schema(), {}, Names(), 60.0, worker)
    with Stop() as stop:
        measured = side.measure(Case(model="x3d-xs"), 100, False, stop)
    assert (measured.failure, len(measured.clean)) == (None, pytest.approx(58, abs=2))
    assert measured.value_s == pytest.approx(0.15, rel=0.02)


def test_a_process_is_heard_that_waits_for_its_turn(tmp_path):
    said = phase_event(WAITING).line() + Event(event="done", record=make_record("x3d-xs")).line()
    (tmp_path / "events").write_bytes(phase_event("loading").line() + said)
    worker = ("-c", f"import sys; sys.stdin.readline(); print(open({str(tmp_path / 'events')!r}).read())")
    side = Processes("base", sys.executable, {}, Job.model_json_schema(), {}, Names(), 60.0, worker)
    heard = []
    with Stop() as stop:
        assert side.measure(Case(model="x3d-xs"), 100, False, stop, ready=lambda: heard.append("ready")).failure is None
    assert heard == ["ready"]


def test_a_commit_that_has_not_the_network_says_so(tmp_path):
    (tmp_path / "net.py").write_text("def other():\n    pass\n")
    code = Code("main (1a2b3c)", "1a2b3c", tmp_path, sys.executable, ())
    with pytest.raises(UserError, match=r"^--pair: main \(1a2b3c\): net.py:clip: net.py has no clip; there are other$"):
        of_code(code, {"clip": "net.py:clip"}, Names(), 60.0)


def test_only_new_workers_and_engines_that_we_time_take_turns():
    schema = json.loads(json.dumps(Job.model_json_schema()))
    new = Processes("head", sys.executable, {}, schema, {}, Names(), 60.0)
    assert new.takes_turns(CASE)
    assert not new.takes_turns(Case(model="x3d-xs", backend="trtexec"))
    older = json.loads(json.dumps(schema))
    older["properties"]["seat"] = older["properties"].pop("in_turn")
    assert not Processes("base", sys.executable, {}, older, {}, Names(), 60.0).takes_turns(CASE)
