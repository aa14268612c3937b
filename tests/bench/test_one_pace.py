"""Figures of records that knew of different usual paces, set against each other."""

import pytest

from co3d_bench.bench.one_pace import at_one_pace, at_their_own_pace
from co3d_bench.bench.processes import middle
from co3d_bench.bench.stats import median_latency_s

from ..factories import (
    make_case,
    make_environment,
    make_failed_record,
    make_machine,
    make_record,
    make_samples,
    on_slower_machine,
)


def process(number, pace, usual, **changes):
    """One whose calls take 0.1 s at a pace of 1, and as much longer as the machine is slower."""
    samples = make_samples(0.1, spread=0, disturbed_share=0.0)
    return on_slower_machine(make_record("x3d-s", process=number, samples=samples, **changes), pace, usual)


def figures(*records):
    return [pytest.approx(median_latency_s(record.timing.samples)) for record in records]


def test_they_are_told_at_the_pace_that_the_last_one_knows_as_usual():
    records = process(1, 1.0, None), process(2, 1.2, 1.0), process(3, 0.9, 1.1), process(4, 0.9, None)
    assert figures(*records) == [0.1, 0.1, 0.11, 0.09]
    assert figures(*at_one_pace(records)) == [0.11] * 4
    assert [record.process for record in at_one_pace(records)] == [1, 2, 3, 4]


def test_what_knows_of_none_or_only_of_one_stays():
    for records in ((process(1, 1.0, None),), (process(1, 1.0, 1.1), process(2, 1.2, 1.1)), ()):
        assert all(told is given for told, given in zip(at_one_pace(records), records, strict=True))
    told = at_one_pace([process(1, 1.0, 1.1), make_failed_record("x3d-s", process=2), process(3, 1.0, 1.0)])
    assert told[1].error


@pytest.mark.parametrize(
    "other",
    [
        {"case": make_case("x3d-s", backend="onnxruntime")},
        {"case": make_case("x3d-s", threads=1)},
        {"environment": make_environment(machine=make_machine(cpu_model="another one"))},
    ],
)
def test_another_machine_or_engine_has_another_pace(other):
    records = process(1, 1.0, 1.0), process(2, 1.2, 1.1, **other)
    assert at_one_pace(records) == records
    assert figures(*at_one_pace([*records, process(3, 1.0, 1.05)])) == [0.105, 0.11, 0.105]


def test_the_pace_of_another_version_may_be_of_another_piece_of_work():
    older, newer = process(1, 1.0, 1.0), process(2, 1.2, 1.1)
    newer = newer.model_copy(update={"timing": newer.timing.model_copy(update={"pace_work": "something longer"})})
    assert at_one_pace([older, newer]) == (older, newer)


def test_where_no_pace_was_read_there_is_nothing_to_tell():
    bare = make_record("x3d-s", process=1, samples=make_samples(0.1))
    assert at_one_pace([bare, process(2, 1.0, 1.0)])[0] is bare


def test_in_the_first_run_on_a_machine_its_first_processes_know_of_nothing_usual():
    run = [process(1, 1.3, None), process(2, 1.0, None), process(3, 1.0, None), process(4, 1.3, 1.0)]
    assert figures(middle(run)) == [0.1]
    assert middle(run).known_to == pytest.approx(0.0)


def test_at_their_own_pace_it_does_not_matter_what_is_usual():
    for usual in (1.0, 1.3, None):
        records = [process(1, 1.5, usual), process(2, 1.3, usual), process(3, 1.2, usual)]
        assert figures(*at_their_own_pace(records)) == [0.13] * 3
    bare, failed = make_record("x3d-s", process=1, samples=make_samples(0.1)), make_failed_record("x3d-s", process=2)
    assert at_their_own_pace([bare, failed]) == (bare, failed)
