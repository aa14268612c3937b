"""The films that are done, on the disk: torn lines, other networks, and what is removed."""

import numpy as np

from co3d_bench.bench.evaluate.journal import Journal, Scored, films_done, forget, journal_file
from co3d_bench.bench.record.case import Case, EvaluationSetup

CASE = Case(model="x", evaluation=EvaluationSetup(data="val", films=3, sha256="0123456789ab"))


def scored(number):
    return Scored.of(number, np.array([0, -1.5], np.float16), padded=False, damage="")


def test_what_was_added_is_read(tmp_path):
    journal = Journal(journal_file(tmp_path, "run", CASE), "network")
    assert journal.begin() == {}
    journal.add(scored(0))
    journal.add(Scored(film=2, damage="no film"))
    done = journal.begin()
    assert set(done) == {0, 2}
    assert done[0].row().tolist() == [0, -1.5]
    assert done[2].scores is None
    assert films_done(tmp_path, "run", CASE) == 2


def test_a_torn_line_is_a_film_that_is_not_done(tmp_path):
    journal = Journal(journal_file(tmp_path, "run", CASE), "network")
    journal.begin()
    journal.add(scored(0))
    with journal.file.open("ab") as file:
        file.write(scored(1).model_dump_json().encode()[:20])
    assert set(journal.begin()) == {0}
    journal.add(scored(1))
    assert set(journal.begin()) == {0, 1}


def test_what_another_network_wrote_does_not_count(tmp_path):
    journal = Journal(journal_file(tmp_path, "run", CASE), "network")
    journal.begin()
    journal.add(scored(0))
    other = Journal(journal.file, "another")
    assert other.read() == {}
    assert other.begin() == {}
    assert journal.read() == {}


def test_a_case_with_a_record_leaves_nothing(tmp_path):
    journal = Journal(journal_file(tmp_path, "run", CASE), "network")
    journal.begin()
    forget(tmp_path, {CASE: "run"})
    assert not journal.file.parent.exists()
    forget(tmp_path, {CASE: "run"})
    assert films_done(tmp_path, "run", CASE) == 0
