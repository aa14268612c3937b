"""Whole searches on a virtual clock, with the calls of a real host; more trials: `tests/speed/streams_trials.py`."""

import numpy as np
import pytest

from co3d_bench.bench.camera.replay import Calls, RecordedCalls, Schedule
from co3d_bench.bench.camera.serve import Timeline

from ...speed.streams_trials import Setting, recorded, searched

SCHEDULE = Schedule(period_s=1 / 30, deadline_s=0.1)


def test_when_the_work_of_recorded_calls_is_done():
    recorded = RecordedCalls([1.0, 3.0])
    assert [recorded.end_s(at) for at in (0.0, 0.5, 1.0, 2.5, 4.0, 9.0)] == [1.0, 2.5, 4.0, 4.5, 5.0, 12.0]
    assert recorded.end_s(0.5, calls=0.25) == 0.75
    assert recorded.end_s(0.5, calls=4.5) == 9.0


def test_replayed_calls_miss_what_a_simulation_of_them_misses():
    keeps_up = RecordedCalls([1 / 120] * 100)
    assert SCHEDULE.missed_share(4, keeps_up, 1.0, 10.0) == 0.0
    assert SCHEDULE.missed_share(5, keeps_up, 1.0, 10.0) == pytest.approx(0.2, abs=0.01)
    assert SCHEDULE.missed_share(2, keeps_up, 2.5, 10.0) == pytest.approx(0.2, abs=0.01)


def timeline(calls_s, period_s=1 / 30):
    line = Timeline()
    for number, call_s in enumerate(calls_s):
        line.due(number, number * period_s)
        line.started_s[number], line.answered_s[number] = number * period_s, number * period_s + call_s
    return line


def test_a_slow_phase_at_fewer_cameras_speaks_against_more():
    calls = Calls(SCHEDULE)
    calls.add(2, [timeline([1 / 240] * 900)])
    assert calls.why_not(4) is None
    calls.add(1, [timeline([1 / 60] * 60)])  # a second, in which four cameras would need two thirds more than it has
    assert calls.why_not(2) is None
    assert (calls.why_not(4) or "").startswith("all calls of the search, replayed with 4, miss ")


def test_calls_for_more_cameras_are_longer_where_one_answers_all():
    calls = Calls(Schedule(period_s=1 / 30, deadline_s=0.1, together=True))
    calls.add(2, [timeline([0.01] * 200)] * 2)
    calls.add(8, [timeline([0.03] * 200)] * 8)
    assert calls.why_not(8) is None  # by a call of 30 ms in 33
    calls.add(4, [timeline([0.02] * 50 + [0.03] * 200)] * 4)  # half as long again as they were: 45 ms for eight
    assert calls.why_not(8)


def test_on_a_machine_that_is_as_fast_all_the_time_the_answer_is_the_capacity():
    calls_s = np.random.default_rng(0).normal(0.01, 0.0005, 3000).tolist()
    setting = Setting(calls_s, 1 / 30 / 3.5 / 0.01, SCHEDULE)
    assert setting.clear
    assert searched(setting, begin_s=7.0)[0] == setting.capacity() == 3


@pytest.mark.parametrize(("noise", "cameras"), [("shared", 9), ("busy", 5)])
def test_with_the_noise_of_a_host_no_number_is_claimed_that_misses_more(noise, cameras):
    calls_s = recorded(noise)
    setting = Setting(calls_s, 1 / 30 / cameras / float(np.median(calls_s)), SCHEDULE)
    capacity = setting.capacity()
    for begin_s in (3.0, 31.0, 55.0):
        answer, _ = searched(setting, begin_s)
        assert capacity - 1 <= answer <= capacity
