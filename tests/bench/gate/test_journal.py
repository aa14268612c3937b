"""What was measured stays, whatever happens."""

from co3d_bench.bench.gate.journal import Both, Figure, Journal, Start, evidence_of, folder_of, read
from co3d_bench.bench.gate.schedule import Pair

START = Start(base="a", head="b", cases=("case",), runs=30)


def figure(value):
    return Figure(value_s=value, latency_s=(value, value))


def fill(journal, count, stage="first"):
    for number in range(count):
        both = Both(base=figure(1.0 + number), head=figure(2.0 + number))
        journal.add(Pair("case", stage, number, ("base", "head")), both)


def test_a_resumed_check_has_all_pairs_of_before(tmp_path):
    fill(Journal(tmp_path, START, resume=False), 3)
    again = Journal(tmp_path, START, resume=True)
    evidence = again.evidence(["case"])["case"]
    assert evidence.first.base == (1.0, 2.0, 3.0)
    assert evidence.first.head == (2.0, 3.0, 4.0)


def test_without_resume_it_begins_anew_and_keeps_the_old_lines(tmp_path):
    fill(Journal(tmp_path, START, resume=False), 3)
    fresh = Journal(tmp_path, START, resume=False)
    assert fresh.entries == []
    assert len((tmp_path / "pairs.jsonl").read_bytes().splitlines()) == 5


def test_another_question_is_not_answered_with_old_pairs(tmp_path):
    fill(Journal(tmp_path, START, resume=False), 3)
    assert Journal(tmp_path, START.model_copy(update={"runs": 31}), resume=True).entries == []
    assert folder_of(tmp_path, "a", "b") != folder_of(tmp_path, "b", "a")


def test_a_torn_line_costs_that_line_only(tmp_path):
    journal = Journal(tmp_path, START, resume=False)
    fill(journal, 2)
    file = tmp_path / "pairs.jsonl"
    file.write_bytes(file.read_bytes()[:-10])
    found = read(file)
    assert found is not None
    assert len(found[1]) == 1


def test_stages_are_kept_apart(tmp_path):
    journal = Journal(tmp_path, START, resume=False)
    fill(journal, 2)
    fill(journal, 1, "null")
    evidence = evidence_of("case", journal.entries)
    assert (len(evidence.first), len(evidence.null or ()), len(evidence.second or ())) == (2, 1, 0)


def test_a_pair_that_took_turns_counts_by_its_calls_and_comes_back_so(tmp_path):
    journal = Journal(tmp_path, START, resume=False)
    both = Both(base=figure(2.0), head=figure(9.0), ratio=1.5)
    journal.add(Pair("case", "first", 0, ("head", "base")), both)
    for entries in (journal.entries, Journal(tmp_path, START, resume=True).entries):
        evidence = evidence_of("case", entries)
        assert (evidence.first.base, evidence.first.head) == ((2.0,), (3.0,))
        assert entries[0].head.latency_s == (9.0, 9.0)
