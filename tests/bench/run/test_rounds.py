"""Which processes come next, and when that ends: pure."""

import pytest
from records import make_record

from co3d_bench.bench.record.case import Case
from co3d_bench.bench.record.record import Failure
from co3d_bench.bench.run.rounds import (
    Aim,
    aim_of,
    aim_text,
    duration_text,
    fits,
    next_process,
    next_round,
    runs_of_each,
    seconds_left,
    time_left_text,
    wants_another,
)

A, B, C = (Case(model=name) for name in ("x3d-xs", "x3d-s", "x3d-m"))
AUTO = aim_of("auto", None, 480.0)


def measured(case, latencies_ms, first=1):
    """Processes of a case, each with one latency throughout."""
    return [
        make_record(case=case, process=process, latency_s=[ms / 1e3] * 5)
        for process, ms in enumerate(latencies_ms, start=first)
    ]


def failed(case, process=1):
    return make_record(case=case, process=process, error=Failure(kind="crash", message="it fell"), timing=None)


def order(found):
    return [(process.case.model, process.number) for process in found.processes]


def test_the_predictions_of_a_case_are_spread_over_its_processes():
    assert runs_of_each(100, 7) == 15
    assert runs_of_each(700, 7) == 100
    assert runs_of_each(701, 7) == 101
    assert runs_of_each(100, 1) == 100
    assert runs_of_each(10, 1) == runs_of_each(10, 7) == 10
    assert runs_of_each(20, 7) == 15


def test_what_is_asked_for():
    assert aim_of(3, 0.01, 480.0) == Aim(3), "a number is that many rounds, however long they take"
    assert Aim(7, 0.025, 480.0) == AUTO
    assert aim_of("auto", 0.01, 60.0) == Aim(7, 0.01, 60.0)


def test_every_second_round_goes_backwards():
    first = next_round([A, B, C], {}, AUTO)
    assert (first.number, order(first)) == (1, [("x3d-xs", 1), ("x3d-s", 1), ("x3d-m", 1)])
    second = next_round([A, B, C], {case: measured(case, [10]) for case in (A, B, C)}, AUTO)
    assert (second.number, order(second)) == (2, [("x3d-m", 2), ("x3d-s", 2), ("x3d-xs", 2)])


def test_a_case_that_failed_is_not_repeated_and_the_others_go_on():
    found = next_round([A, B], {A: [failed(A)], B: measured(B, [10])}, AUTO)
    assert order(found) == [("x3d-s", 2)]
    assert next_round([A], {A: [failed(A)]}, Aim(3)) is None
    assert next_round([A], {A: [*measured(A, [10, 10]), failed(A, 3)]}, AUTO) is None


def test_a_number_is_that_many_rounds_however_wide_the_interval_is():
    wide = [10, 20, 30]
    assert wants_another(measured(A, wide[:2]), Aim(3))
    assert not wants_another(measured(A, wide), Aim(3))


def test_auto_ends_at_seven_where_the_interval_is_narrow_enough():
    narrow = [10.0, 10.1, 9.95, 10.0, 10.05, 10.1, 10.0]
    assert wants_another(measured(A, narrow[:6]), AUTO), "however narrow, fewer than seven are not enough"
    assert not wants_another(measured(A, narrow), AUTO)
    assert wants_another(measured(A, narrow), aim_of("auto", 0.001, 480.0))
    wide = [10, 12, 9, 11, 13, 8, 10]
    assert wants_another(measured(A, wide), AUTO)
    assert not wants_another(measured(A, wide), aim_of("auto", 0.5, 480.0))
    assert not wants_another(measured(A, wide + [10] * 20), AUTO)


@pytest.mark.parametrize("factor", [0.1, 3, 100])
def test_the_width_decides_and_not_where_the_figure_lies(factor):
    for latencies in ([10, 10.1, 9.95, 10, 10.05, 10.1, 10], [10, 12, 9, 11, 13, 8, 10]):
        scaled = [factor * latency for latency in latencies]
        assert wants_another(measured(A, scaled), AUTO) == wants_another(measured(A, latencies), AUTO)


def test_a_resumed_run_brings_those_that_are_behind_up_first():
    records = {A: measured(A, [10, 10, 10]), B: measured(B, [10]), C: measured(C, [10])}
    found = next_round([A, B, C], records, AUTO)
    assert (found.number, order(found)) == (2, [("x3d-m", 2), ("x3d-s", 2)])


def test_a_process_that_is_missing_in_between_gets_its_number():
    assert next_process([]) == 1
    assert next_process(measured(A, [10, 10])) == 3
    assert next_process(measured(A, [10, 10], first=2)) == 1
    assert next_process([*measured(A, [10]), *measured(A, [10], first=3)]) == 2


def test_a_process_is_begun_only_if_it_would_end_in_time():
    assert fits(10.0, 470.0, AUTO)
    assert not fits(10.0, 470.1, AUTO)
    assert fits(None, 1e6, AUTO), "the first process of a case is always measured"
    assert fits(10.0, 1e6, Aim(3)), "a number of rounds has no limit"


def test_the_time_that_is_left():
    assert seconds_left([A, B], {}, {}, AUTO) is None
    # 6 of the first to come; the second, not measured yet, is taken to be like it.
    assert seconds_left([A, B], {A: measured(A, [10])}, {A: 2.0}, AUTO) == 6 * 2.0 + 7 * 2.0
    # Seven are there and the interval is wide: one more is known to come.
    wide = {A: measured(A, [10, 12, 9, 11, 13, 8, 10]), B: [failed(B)]}
    assert seconds_left([A, B], wide, {A: 2.0, B: 9.0}, AUTO) == 2.0
    assert seconds_left([A], {A: measured(A, [10, 12, 9])}, {A: 2.0}, Aim(3)) == 0


def test_the_aim_in_words():
    assert time_left_text(None, 10.0, AUTO) == "at most 7 min 50 s left"
    assert time_left_text(100.0, 10.0, AUTO) == "about 1 min 40 s left"
    assert time_left_text(1000.0, 10.0, AUTO) == "at most 7 min 50 s left"
    assert time_left_text(None, 10.0, Aim(3)) == ""
    assert [duration_text(s) for s in (0.4, 45, 60, 480, 3900)] == ["0 s", "45 s", "1 min", "8 min", "1 h 5 min"]
    assert aim_text(Aim(1)) == "1 round"
    assert aim_text(Aim(3)) == "3 rounds"
    assert aim_text(AUTO) == "rounds until each has 7 processes and ±2.5 %, at most 8 min"
