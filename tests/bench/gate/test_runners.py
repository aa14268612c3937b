"""What a process of a side runs, and what it gives."""

import json
import statistics
import sys
import types
from dataclasses import replace

import pytest

from co3d_bench.bench.errors import WRONG_CODE, UserError
from co3d_bench.bench.gate.code import Code
from co3d_bench.bench.gate.proof import CURRENT, describe, entry_of
from co3d_bench.bench.gate.runners import Measured, Processes, code_runner, command_runner, known_fields
from co3d_bench.bench.measure.interleaved import WAITING
from co3d_bench.bench.measure.job import Event, Job, parse_event, phase_event
from co3d_bench.bench.measure.worker import modules_in
from co3d_bench.bench.plan.catalog import Catalog
from co3d_bench.bench.record.case import Case
from co3d_bench.bench.record.environment import ROOT
from co3d_bench.bench.record.migrate import MIGRATIONS
from co3d_bench.bench.record.record import SCHEMA_VERSION, Settings
from co3d_bench.bench.run.stop import Stop

from ...factories import make_record, make_samples
from ..records import measurement_of

CASE = Case(model="command")


def measure(text, timeout_s=60.0):
    with Stop() as stop:
        return command_runner(text, timeout_s).measure(CASE, 30, False, stop)


def test_a_command_may_print_its_latencies_in_its_last_line():
    program = "print('noise'); print('{\"latency_s\": [0.5, 0.25, 0.25]}'); print()"
    measured = measure(f'{sys.executable} -c "{program.replace(chr(34), chr(92) + chr(34))}"')
    assert measured == Measured((0.5, 0.25, 0.25))
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
def test_what_is_no_command_is_refused(text):
    with pytest.raises(UserError, match="command"):
        command_runner(text, 1.0)


def test_nothing_of_a_command_is_read_by_a_shell(tmp_path):
    target = tmp_path / "made"
    measure(f"echo x; touch {target}")
    assert not target.exists()


def test_an_older_version_is_asked_only_for_what_it_knows():
    job = Job(run_id="r", case=CASE, settings=Settings(processes=3), timing_only=True)
    schema = json.loads(json.dumps(Job.model_json_schema()))
    del schema["properties"]["timing_only"]
    del schema["$defs"]["Settings"]["properties"]["processes"]
    asked = known_fields(job.model_dump(mode="json"), schema)
    assert "timing_only" not in asked
    assert "processes" not in asked["settings"]
    assert asked["settings"]["runs"] == 100
    assert asked["case"] == CASE.model_dump()
    assert known_fields(job.model_dump(mode="json"), Job.model_json_schema()) == job.model_dump(mode="json")


def test_an_older_version_does_not_measure_the_cpu_in_a_gpus_place():
    schema = json.loads(json.dumps(Job.model_json_schema()))
    del schema["properties"]["torch_device"]
    side = Processes("base", sys.executable, {}, schema, {}, Catalog(), 60.0)
    with Stop() as stop:
        measured = side.measure(Case(model="x3d-xs", device="xavier"), 5, False, stop)
    assert measured == Measured(failure="this version of co3d-bench does not measure on cuda")


def saying(tmp_path, *events):
    """A worker that says just that."""
    (tmp_path / "events").write_bytes(b"".join(event.line() for event in events))
    return "-c", f"import sys; sys.stdin.readline(); print(open({str(tmp_path / 'events')!r}).read())"


def done(**changes):
    return Event(event="done", measurement=measurement_of(make_record("x3d-xs", **changes)))


def test_the_figure_of_a_process_is_the_median_of_all_its_samples(tmp_path):
    """Whatever disturbed them: none is left out, replaced or weighed."""
    samples = make_samples(0.1, disturbed_share=0.4)
    worker = saying(tmp_path, done(samples=samples))
    side = Processes("base", sys.executable, {}, Job.model_json_schema(), {}, Catalog(), 60.0, worker)
    with Stop() as stop:
        measured = side.measure(Case(model="x3d-xs"), 100, False, stop)
    assert measured.latency_s == tuple(samples.latency_s)
    assert measured.value_s == statistics.median(samples.latency_s)


def code(tmp_path, **changes):
    folder = (tmp_path / "checkouts" / "0-1a2b3c").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    made = Code("main (1a2b3c)", "1a2b3c", folder, sys.executable, (), (tmp_path / "repository").resolve())
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("loaded", "right"),
    [
        (["{own}/net.py", "{own}/src/package/__init__.py"], True),
        (["{own}/net.py", "{repository}/src/package/__init__.py"], False),
        (["{own}/net.py", "{other}/src/package/__init__.py"], False),
        ([], False),
    ],
)
def test_a_process_that_loaded_code_of_anywhere_else_is_refused(tmp_path, loaded, right):
    mine = code(tmp_path)
    places = {"own": mine.folder, "repository": mine.repository, "other": mine.folder.with_name("1-4d5e6f")}
    modules = tuple(each.format(**places) for each in loaded)
    worker = saying(tmp_path, Event(event="loaded", modules=modules), done())
    side = Processes("base", sys.executable, {}, Job.model_json_schema(), {}, Catalog(), 60.0, worker, mine)
    with Stop() as stop:
        if right:
            assert side.measure(Case(model="x3d-xs"), 100, False, stop).failure is None
            return
        with pytest.raises(UserError, match="base or head did not load its own code") as error:
            side.measure(Case(model="x3d-xs"), 100, False, stop)
    assert error.value.exit_code == WRONG_CODE
    assert str(mine.folder) in error.value.message
    assert (modules[-1] if modules else "nothing from there") in error.value.message


def test_a_checkout_of_the_tool_whose_link_leads_nowhere_is_refused(tmp_path):
    """What is installed would answer in its place."""
    (tmp_path / "checkouts" / "0-1a2b3c").mkdir(parents=True)
    (tmp_path / "checkouts" / "0-1a2b3c" / "__main__.py").write_text((ROOT / "__main__.py").read_text())
    with pytest.raises(UserError, match="base or head did not load its own code") as error:
        describe(code(tmp_path, ours=True))
    assert error.value.exit_code == WRONG_CODE
    assert str(ROOT.resolve()) in error.value.message


def test_an_older_checkout_is_started_as_it_was_then(tmp_path):
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "worker.py").touch()
    assert entry_of(tmp_path).worker == ("-m", "co3d_bench.bench.worker")
    assert entry_of(ROOT) == CURRENT
    with pytest.raises(UserError, match="not known to this one"):
        entry_of(tmp_path / "bench")


def test_a_process_reports_that_it_waits_for_its_turn(tmp_path):
    worker = saying(tmp_path, phase_event("loading"), phase_event(WAITING), done())
    side = Processes("base", sys.executable, {}, Job.model_json_schema(), {}, Catalog(), 60.0, worker)
    events = []
    with Stop() as stop:
        assert (
            side.measure(Case(model="x3d-xs"), 100, False, stop, ready=lambda: events.append("ready")).failure is None
        )
    assert events == ["ready"]


def test_a_commit_that_has_not_the_network_says_so(tmp_path):
    (tmp_path / "net.py").write_text("def other():\n    pass\n")
    mine = code(tmp_path, folder=tmp_path.resolve(), path=(str(tmp_path),))
    (tmp_path / "co3d_bench").symlink_to(ROOT)
    with pytest.raises(UserError, match=r"^--pair: main \(1a2b3c\): net.py:clip: net.py has no clip; there are other$"):
        code_runner(mine, {"clip": "net.py:clip"}, Catalog(), 60.0)


def test_only_new_workers_and_engines_that_we_time_are_interleaved():
    schema = json.loads(json.dumps(Job.model_json_schema()))
    new = Processes("head", sys.executable, {}, schema, {}, Catalog(), 60.0)
    assert new.can_interleave(CASE)
    assert not new.can_interleave(Case(model="x3d-xs", backend="trtexec"))
    older = json.loads(json.dumps(schema))
    older["properties"]["seat"] = older["properties"].pop("in_turn")
    assert not Processes("base", sys.executable, {}, older, {}, Catalog(), 60.0).can_interleave(CASE)


def test_a_record_of_an_older_version_is_lifted_and_one_of_a_newer_is_refused(monkeypatch):
    record = make_record("x3d-xs")
    monkeypatch.setitem(MIGRATIONS, SCHEMA_VERSION - 1, lambda raw: raw)

    def line(version):
        return json.dumps({"event": "done", "record": {**record.model_dump(mode="json"), "schema_version": version}})

    for version in (SCHEMA_VERSION - 1, SCHEMA_VERSION):
        assert parse_event(line(version).encode()).measurement == measurement_of(record)
    with pytest.raises(ValueError, match="newer version"):
        parse_event(line(SCHEMA_VERSION + 1).encode())


def test_a_process_names_the_files_of_a_folder_that_it_loaded_without_links(tmp_path, monkeypatch):
    real, linked = tmp_path / "real", tmp_path / "linked"
    real.mkdir()
    linked.symlink_to(real)
    (real / "mine.py").touch()
    for name, file in {"mine": linked / "mine.py", "gone": real / "gone.py", "other": tmp_path / "other.py"}.items():
        module = types.ModuleType(name)
        module.__file__ = str(file)
        monkeypatch.setitem(sys.modules, f"loaded_{name}", module)
    (tmp_path / "other.py").touch()
    assert modules_in([str(linked)]) == (str((real / "mine.py").resolve()),)
    assert pytest.__file__ not in modules_in(["/"])  # what is installed there belongs to nobody's repository
