import json
import multiprocessing
import os
import warnings

import pytest
from records import failed_record, make_record

from co3d_bench.bench.errors import ENVIRONMENT, NOTHING, UserError
from co3d_bench.bench.record import store
from co3d_bench.bench.record.camera import CameraRun, Reaction
from co3d_bench.bench.record.case import CameraSetup


def test_what_is_appended_is_read_in_order(tmp_path):
    records = [make_record(run_id=f"r{i}") for i in range(3)]
    for record in records:
        store.append_record(tmp_path / "new" / "folder", record)
    assert store.read_records(tmp_path / "new" / "folder") == records
    assert store.read_records(tmp_path / "new" / "folder" / "records.jsonl") == records


@pytest.mark.parametrize("cut", [1, 20, 300])
def test_a_torn_last_line_costs_that_line_only(tmp_path, cut):
    store.append_record(tmp_path, make_record(run_id="first"))
    store.append_record(tmp_path, make_record(run_id="torn"))
    file = tmp_path / "records.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    if cut > 1:
        with pytest.warns(store.StoreWarning, match="line 2"):
            assert [r.run_id for r in store.read_records(tmp_path)] == ["first"]
    store.append_record(tmp_path, make_record(run_id="after"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", store.StoreWarning)
        ids = [r.run_id for r in store.read_records(tmp_path)]
    assert ids == (["first", "torn", "after"] if cut == 1 else ["first", "after"])


@pytest.mark.parametrize("junk", [b"not json", b"[1, 2]", b'{"schema_version": 1}', b'{"a": 1}', b"\xff\xfe"])
def test_a_line_that_is_no_record_is_skipped_and_named(tmp_path, junk):
    store.append_record(tmp_path, make_record())
    with (tmp_path / "records.jsonl").open("ab") as file:
        file.write(junk + b"\n\n")
    with pytest.warns(store.StoreWarning, match=r"records\.jsonl, line 2: .*skipped"):
        assert len(store.read_records(tmp_path)) == 1


def test_a_record_of_a_newer_version_is_reported_and_not_skipped(tmp_path):
    (tmp_path / "records.jsonl").write_text('{"schema_version": 99}\n')
    with pytest.raises(UserError, match="schema version 99") as raised:
        store.read_records(tmp_path)
    assert raised.value.exit_code == ENVIRONMENT


def test_no_store_says_how_to_make_one(tmp_path):
    with pytest.raises(UserError, match="co3d-bench run") as raised:
        store.read_records(tmp_path)
    assert raised.value.exit_code == NOTHING


@pytest.mark.parametrize("write", [lambda path: store.append_record(path, make_record()), store.check_writable])
def test_a_disk_that_refuses_is_one_message(tmp_path, write):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*--out") as raised:
        write(tmp_path / "file")
    assert raised.value.exit_code == ENVIRONMENT


def _append_many(path, name, count):
    for _ in range(count):
        store.append_record(path, make_record(run_id=name))


def test_several_processes_append_without_mixing_lines(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_append_many, args=(tmp_path, f"w{i}", 25)) for i in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    ids = [record.run_id for record in store.read_records(tmp_path)]
    assert sorted(ids) == sorted(f"w{i}" for i in range(4) for _ in range(25))


def test_the_newest_run_is_the_marked_one_even_without_a_record(tmp_path):
    assert store.newest_run(tmp_path) is None
    store.append_record(tmp_path, make_record(run_id="a", started_at="2026-01-01T00:00:00+00:00"))
    store.append_record(tmp_path, failed_record(run_id="b", started_at="2026-01-02T00:00:00+00:00"))
    assert store.newest_run(tmp_path) == "b"
    store.mark_run(tmp_path, "c")
    assert store.newest_run(tmp_path) == "c"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["newest-run", "records.jsonl"]


def test_a_damaged_mark_is_as_good_as_none(tmp_path):
    store.append_record(tmp_path, make_record(run_id="20260101-a"))
    store.mark_run(tmp_path, "20260101-b")
    assert store.newest_run(tmp_path) == "20260101-b"
    (tmp_path / "newest-run").write_bytes(b"\xff\x00")
    assert store.newest_run(tmp_path) == "20260101-a"
    (tmp_path / "newest-run").unlink()
    (tmp_path / "newest-run").mkdir()
    with pytest.raises(UserError, match="cannot read"):
        store.newest_run(tmp_path)


def test_a_file_that_is_no_store(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UserError, match=r"notes\.txt: neither a folder of records nor a \.jsonl file"):
        store.read_records(tmp_path / "notes.txt")


def test_a_store_that_is_made_here_hides_itself_from_git(tmp_path):
    store.append_record(tmp_path / "results", make_record())
    assert (tmp_path / "results" / ".gitignore").read_text() == "*\n"
    (tmp_path / "results" / ".gitignore").write_text("!records.jsonl\n")
    store.append_record(tmp_path / "results", make_record())
    assert (tmp_path / "results" / ".gitignore").read_text() == "!records.jsonl\n"
    store.check_writable(tmp_path / "checked")
    assert (tmp_path / "checked" / ".gitignore").exists()


def test_a_folder_that_was_there_is_somebodys(tmp_path):
    store.append_record(tmp_path, make_record())
    store.check_writable(tmp_path / "records.jsonl")
    assert not (tmp_path / ".gitignore").exists()


def changed(record, path, value):
    """A record's line with one of its values replaced by this text of JSON."""
    raw = json.loads(record.model_dump_json())
    *folders, last = path.split(".")
    table = raw
    for name in folders:
        table = table[name]
    table[last] = "HERE"
    return json.dumps(raw, separators=(",", ":")).replace('"HERE"', value).encode() + b"\n"


LATENCY = "timing.samples.latency_s"
DAMAGED = [
    *((LATENCY, text) for text in ("[]", "[0.1,0]", "[-1]", "[NaN,0.1]", "[Infinity]", "[1e-300]", "[1e300]", "0.1")),
    *((LATENCY, text) for text in ("[null]", '["x"]', "[[0.1]]", "{}", "null", f"[{10**400}]")),
    *(("timing.samples.involuntary_switches", text) for text in ("[1]", "[1,2,3]", "[-1,2]", f"[1,{10**30}]")),
    *(("started_at", text) for text in ('"yesterday"', '"2026-01-01T00:00:00"', '"2026-01-01"', "5", '""', "null")),
    *(
        ("started_at", f'"{text}+00:00"')
        for text in ("0001-01-01T00:00:00", "2026-02-30T00:00:00", "9999-01-01T00:00:00")
    ),
    *(("case.batch", text) for text in (str(10**30), str(10**400), "0", "-1", "1.5", '"x"', "true1", "NaN")),
    *(("case.threads", text) for text in ("0", str(2**63), "[]")),
    *(("duration_s", text) for text in ("-1", "NaN", "1e12", str(10**400), '"long"')),
    ("process", "0"),
    ("notes", '"text"'),
    ("notes", "[" * 100_000),
    ("timing.harness_cpu_share", "-Infinity"),
    ("timing", "[]"),
    ("settings", "1"),
]


@pytest.mark.parametrize(("path", "value"), DAMAGED, ids=[f"{path}={value[:20]}" for path, value in DAMAGED])
def test_a_line_beyond_the_bounds_is_skipped_and_named(tmp_path, path, value):
    good = make_record()
    (tmp_path / "records.jsonl").write_bytes(changed(good, path, value))
    store.append_record(tmp_path, good)
    with pytest.warns(store.StoreWarning, match=r"records\.jsonl, line 1: .*skipped") as caught:
        assert store.read_records(tmp_path) == [good]
    assert len(caught) == 1
    assert len(str(caught[0].message)) < 1000


def watched():
    """A record of a camera."""
    record = make_record()
    run = CameraRun(
        source="random",
        duration_s=20.0,
        deadline_s=0.1,
        due=120,
        in_time=120,
        late=0,
        dropped=0,
        latency_s={"p50": 0.0082, "p90": 0.0101},
        mean_age_s=0.118,
        peak_age_s=0.24,
        longest_gap_s=0.221,
        times="0" * 64,
        reaction=Reaction(
            half_s=1.0,
            half_range_s=(1.0, 1.2),
            nine_tenths_s=2.0,
            nine_tenths_range_s=(2.0, 2.2),
            scenes=4,
            frame_s=0.2,
        ),
    )
    case = record.case.model_copy(update={"camera": CameraSetup(fps=30)})
    return record.model_copy(update={"case": case, "timing": None, "camera": run})


OF_A_CAMERA = [
    *((f"camera.{name}", "NaN") for name in ("mean_age_s", "latency_s.p90", "reaction.half_s", "longest_gap_s")),
    *((f"camera.{name}", "Infinity") for name in ("duration_s", "deadline_s", "latency_s.p90")),
    *((f"camera.{name}", str(10**400)) for name in ("due", "late", "growth_bytes")),
    *((f"case.camera.{name}", str(10**400)) for name in ("fps", "every", "states")),
    ("camera.reaction.frame_s", "0"),
    ("case.camera.fps", "1e-320"),
]


@pytest.mark.parametrize(("path", "value"), OF_A_CAMERA, ids=[f"{path}={value[:20]}" for path, value in OF_A_CAMERA])
def test_a_number_of_a_camera_has_bounds_too(path, value):
    """Each of these would end a table or a page with a traceback."""
    assert store.parse_record(watched().model_dump_json()) == watched()
    with pytest.raises(ValueError, match="validation error"):
        store.parse_record(changed(watched(), path, value))


@pytest.mark.parametrize("table", ["settings", "timing", "model", "environment"])
@pytest.mark.parametrize("value", [1, "x", [1], True, {"samples": 1}])
def test_an_old_line_of_the_wrong_types_is_skipped_too(tmp_path, table, value):
    raw = json.loads(make_record().model_dump_json()) | {"schema_version": 1, table: value}
    (tmp_path / "records.jsonl").write_text(json.dumps(raw) + "\n")
    with pytest.warns(store.StoreWarning, match="line 1"):
        assert store.read_records(tmp_path) == []


def test_a_line_without_end_is_not_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "MOST_LINE_BYTES", 1 << 12)
    (tmp_path / "records.jsonl").write_bytes(b"[" + b"1," * (1 << 14) + b"\n")
    store.append_record(tmp_path, make_record())
    with pytest.warns(store.StoreWarning, match="line 1"):
        assert store.read_records(tmp_path) == [make_record()]


def test_a_key_that_nobody_knows_is_named_in_plain_text(tmp_path):
    line = changed(make_record(), "x\n::error::y\x1b]0;z\x07", "1")
    (tmp_path / "records.jsonl").write_bytes(line)
    with pytest.warns(store.StoreWarning) as caught:
        store.read_records(tmp_path)
    assert str(caught[0].message).isprintable()


def test_a_time_in_the_form_of_other_languages_is_read(tmp_path):
    (tmp_path / "records.jsonl").write_bytes(changed(make_record(), "started_at", '"2026-01-01T00:00:00.123Z"'))
    (read,) = store.read_records(tmp_path)
    assert read.started_at == "2026-01-01T00:00:00.123+00:00"


def test_a_time_of_another_zone_is_read_in_utc_as_it_is_shown(tmp_path):
    """Runs are put in order by these texts."""
    (tmp_path / "records.jsonl").write_bytes(changed(make_record(), "started_at", '"2026-01-01T01:30:00+02:00"'))
    (read,) = store.read_records(tmp_path)
    assert read.started_at == "2025-12-31T23:30:00+00:00"


def test_a_file_of_nothing_but_damaged_lines_gives_few_warnings(tmp_path):
    (tmp_path / "records.jsonl").write_bytes(b"x\n" * 1000)
    with pytest.warns(store.StoreWarning) as caught:
        assert store.read_records(tmp_path) == []
    assert len(caught) == 21
    assert str(caught[-1].message).endswith("980 more lines skipped")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "records.jsonl")
    with pytest.raises(UserError, match="not a file of lines"):
        store.read_records(tmp_path)
