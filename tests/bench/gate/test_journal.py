"""What was measured stays, whatever happens."""

import pytest

from co3d_bench.bench.gate.journal import (
    Figure,
    Journal,
    MeasuredPair,
    Start,
    folder_of,
    make_gate_folder,
    ratios_of,
    read,
)
from co3d_bench.bench.gate.schedule import Pair

START = Start(base="a", head="b", cases=("case",), runs=30)


def figure(value):
    return Figure(value_s=value, latency_s=(value, value))


def fill(journal, count, stage="pair"):
    for number in range(count):
        both = MeasuredPair(base=figure(1.0 + number), head=figure(2.0 + number))
        journal.add(Pair("case", stage, number, ("base", "head")), both)


def test_a_resumed_check_has_all_pairs_of_before(tmp_path):
    fill(Journal(tmp_path, START, resume=False), 3)
    again = Journal(tmp_path, START, resume=True)
    assert again.ratios(["case"])["case"].pairs == (2.0, 3 / 2, 4 / 3)


def test_a_network_that_is_faster_this_time_keeps_its_pairs(tmp_path):
    fill(Journal(tmp_path, START, resume=False), 3)
    again = Journal(tmp_path, START.model_copy(update={"runs": 97}), resume=True)
    assert len(again.entries) == 3


def test_without_resume_it_begins_anew_and_keeps_the_old_lines(tmp_path):
    fill(Journal(tmp_path, START, resume=False), 3)
    fresh = Journal(tmp_path, START, resume=False)
    assert fresh.entries == []
    assert len((tmp_path / "pairs.jsonl").read_bytes().splitlines()) == 5


def test_another_question_is_not_answered_with_old_pairs(tmp_path):
    fill(Journal(tmp_path, START, resume=False), 3)
    for other in ({"cases": ("other",)}, {"head": "c"}):
        assert Journal(tmp_path, START.model_copy(update=other), resume=True).entries == []
        fill(Journal(tmp_path, START, resume=False), 3)
    assert folder_of(tmp_path, "a", "b") != folder_of(tmp_path, "b", "a")


def test_a_torn_line_costs_that_line_only(tmp_path):
    journal = Journal(tmp_path, START, resume=False)
    fill(journal, 2)
    file = tmp_path / "pairs.jsonl"
    file.write_bytes(file.read_bytes()[:-10])
    found = read(file)
    assert found is not None
    assert len(found[1]) == 1


def test_kinds_are_kept_apart(tmp_path):
    journal = Journal(tmp_path, START, resume=False)
    fill(journal, 2)
    fill(journal, 1, "A/A")
    found = ratios_of("case", journal.entries)
    assert (len(found.pairs), len(found.controls)) == (2, 1)


def test_pairs_of_an_older_check_are_read_by_todays_names(tmp_path):
    journal = Journal(tmp_path, START, resume=False)
    fill(journal, 2)
    file = tmp_path / "pairs.jsonl"
    lines = file.read_text()
    file.write_text(lines.replace('"pair"', '"second"', 1).replace('"pair"', '"null"', 1))
    entries = Journal(tmp_path, START, resume=True).entries
    assert [entry.stage for entry in entries] == ["pair", "A/A"]


def test_a_pair_that_took_turns_counts_by_its_calls_and_comes_back_so(tmp_path):
    journal = Journal(tmp_path, START, resume=False)
    both = MeasuredPair(base=figure(2.0), head=figure(9.0), ratio=1.5)
    journal.add(Pair("case", "pair", 0, ("head", "base")), both)
    for entries in (journal.entries, Journal(tmp_path, START, resume=True).entries):
        assert ratios_of("case", entries).pairs == (1.5,)
        assert entries[0].head.latency_s == (9.0, 9.0)


def test_a_folder_made_here_is_hidden_from_git_and_one_of_somebodys_is_not(tmp_path):
    make_gate_folder(tmp_path / "new")
    assert (tmp_path / "new" / "gate" / ".gitignore").read_text() == "*\n"
    (tmp_path / "old" / "gate" / "0123456789ab").mkdir(parents=True)
    (tmp_path / "old" / "gate" / "0123456789ab" / "pairs.jsonl").touch()
    make_gate_folder(tmp_path / "old")
    assert (tmp_path / "old" / "gate" / ".gitignore").exists()
    assert not (tmp_path / "old" / ".gitignore").exists()


@pytest.mark.parametrize("theirs", ["gate.py", ".gitignore"])
def test_what_is_the_users_stays_as_it_is(tmp_path, theirs):
    (tmp_path / "gate").mkdir()
    (tmp_path / "gate" / theirs).write_text("mine")
    make_gate_folder(tmp_path)
    assert [each.name for each in (tmp_path / "gate").iterdir()] == [theirs]
    assert (tmp_path / "gate" / theirs).read_text() == "mine"
