"""`co3d-bench bundle`, and the verbs that read bundles, as they are typed."""

import csv

import pytest

from co3d_bench.bench.record.store import append_record, read_records
from co3d_bench.reports.bundle.check import check_bundle
from co3d_bench.reports.bundle.members import read_contents, write_bundle

from ..factories import make_engine_record, make_failed_record, make_record


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "results"
    for record in (make_record("x3d-s"), make_engine_record("cox3d-m-16")):
        append_record(folder, record)
    return folder


@pytest.fixture
def named(store):
    """A store in which a failed case names somebody."""
    append_record(store, make_failed_record("x3d-m", message="cannot read /home/alice/net.py"))
    return store


def test_it_is_written_and_checked(call, store, tmp_path):
    done = call("bundle", "-o", "a.zip")
    assert (done.returncode, done.stdout) == (0, "bundle: a.zip (2 records of 2 cases, 0 blobs)\n")
    done = call("bundle", "--check", "a.zip")
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "a.zip: 2 records of 2 cases, 0 blobs: every figure computed again and all of it packed again, the same, byte "
        "by byte\n",
        "",
    )
    (tmp_path / "a.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:-1])
    done = call("bundle", "--check", "a.zip")
    assert done.returncode == 4
    assert done.stderr.startswith("co3d-bench: a.zip: no bundle (it does not end as a zip file")


def test_what_names_somebody_is_listed_and_not_sent(call, named, tmp_path):
    done = call("bundle", "results", "-o", "a.zip")
    assert done.returncode == 4
    assert not (tmp_path / "a.zip").exists()
    where = "error.message of x3d-m/cpu/eager/fp32/b1/t2/random-0"
    assert f"\n  a path: /home/alice/net.py ({where})\n" in done.stderr
    again = "co3d-bench bundle results -o a.zip --private"
    assert f"`{again} keep` writes them too, `{again} leave-out` leaves out those cases" in done.stderr
    assert call("bundle", "results", "-o", "a.zip", "--private", "keep").returncode == 0
    assert len(read_records(tmp_path / "a.zip")) == 3
    done = call("bundle", "results", "-o", "a.zip", "--private", "leave-out")
    assert done.returncode == 0
    assert done.stderr == "left out: x3d-m/cpu/eager/fp32/b1/t2/random-0\n"
    assert len(read_records(tmp_path / "a.zip")) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "-o is missing"),
        (("-o", "a.tar"), 2, "the name of a bundle ends in .zip"),
        (("-o", "none/a.zip"), 4, "none: no such folder"),
        (("-o", "a.zip", "--check", "a.zip"), 2, "--check reads a bundle and writes nothing"),
        (("nothing", "-o", "a.zip"), 3, "nothing: holds no records"),
        (("--check", "b.zip"), 4, "cannot read b.zip: No such file"),
        (("--check", "results/records.jsonl"), 4, "no bundle"),
    ],
)
def test_wrong_input_is_one_message(call, store, arguments, code, said):
    done = call("bundle", *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "internal error" not in done.stderr


@pytest.fixture
def two(store, tmp_path):
    """The store and a bundle of another machine, twice as slow."""
    other = tmp_path / "other"
    for record in read_records(store):
        samples = record.timing.samples.model_copy(
            update={"latency_s": [2 * each for each in record.timing.samples.latency_s]}
        )
        timing = record.timing.model_copy(update={"samples": samples})
        append_record(other, record.model_copy(update={"timing": timing, "run_id": "run-other"}))
    write_bundle(read_contents(other), tmp_path / "b.zip")
    return "b.zip", "results"


def test_several_stand_together(call, two, tmp_path):
    done = call("report", *two, "--format", "csv")
    rows = list(csv.DictReader(done.stdout.strip().splitlines()))
    assert [row["source"] for row in rows] == ["b.zip", "b.zip", "results", "results"]
    done = call("query", 'SELECT source, "case" FROM cases ORDER BY 1, 2', *two, "--format", "csv")
    assert done.stdout.splitlines()[1:] == [
        f"{source},{record.key}" for source in two for record in reversed(read_records(tmp_path / "results"))
    ]
    done = call("choose", *two, "--fps", "30", "--all", "--format", "csv")
    assert {row["source"] for row in csv.DictReader(done.stdout.strip().splitlines())} == set(two)
    assert "cpu (b.zip)" in call("choose", *two, "--fps", "30", "--all").stdout
    done = call("compare", *two)
    assert done.returncode == 0
    assert "results" in done.stdout
    assert "source" not in call("report", "b.zip", "--format", "csv").stdout.splitlines()[0].split(",")


def test_the_other_readers_take_a_bundle_and_nobody_measures_into_it(call, two):
    assert "--out" not in call("paper", "b.zip", "--format", "csv").stdout
    assert "X3D-S" in call("history", "x3d-s", "b.zip").stdout
    assert "run run-other" in call("show", "x3d-s", "b.zip").stdout
    assert "against b.zip (commit" in call("check", "--baseline", "b.zip", "results").stdout
    done = call("report", "b.zip", "nothing", "-o", "all.html")
    assert (done.returncode, done.stdout) == (3, "")
    assert "no records at nothing/records.jsonl" in done.stderr


def test_the_page_of_several_needs_a_name(call, two, tmp_path):
    done = call("report", *two)
    assert (done.returncode, done.stdout) == (2, "")
    assert "-o is missing: name the file for the report of several stores" in done.stderr
    assert call("report", *two, "-o", "all.html").returncode == 0
    page = (tmp_path / "all.html").read_text()
    assert page.count('data-case="b.zip:x3d-s/') > 1
    assert page.count('data-case="results:x3d-s/') > 1


def test_a_bundle_is_nothing_to_measure_into(call, two):
    done = call("run", "--model", "x3d-xs", "--backend", "eager", "--out", "b.zip")
    assert done.returncode == 4
    assert "cannot write b.zip/records.jsonl: a bundle is only read; choose another folder with --out" in done.stderr


def test_run_writes_one_at_its_end(call, tmp_path, monkeypatch):
    def measured(config, **_):
        append_record(config.run.out, make_record("x3d-xs"))
        return read_records(config.run.out)

    monkeypatch.setattr("co3d_bench.bench.run.run.run", measured)
    asked = ("run", "--model", "x3d-xs", "--backend", "eager", "--processes", "1", "--bundle")
    done = call(*asked, "a.zip")
    assert done.returncode == 0
    assert done.stdout.endswith("bundle: a.zip (1 record of 1 case, 0 blobs)\n")
    assert check_bundle(tmp_path / "a.zip").differences == ()
    done = call(*asked, "a.tar")
    assert done.returncode == 2
    assert len(read_records(tmp_path / "results")) == 1  # said before anything is measured
