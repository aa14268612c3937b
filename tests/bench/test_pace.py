"""How fast the machine itself is, and what is usual here."""

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench import stats
from co3d_bench.bench.pace import PLACE, READINGS, REMEMBERED, Pace, remember, remembered, usual
from co3d_bench.bench.record import Samples


def test_a_reading_is_the_quickest_of_each_part():
    ticks = iter(range(10_000))
    pace = Pace(clock=lambda: next(ticks))
    assert pace() == 2  # of both parts, one tick each


def test_a_tick_of_the_kernel_in_one_of_them_does_not_count():
    times = iter([0, 1] * READINGS + [0, 1] * READINGS)  # the first call
    later = iter([0.0, 9.0, 0.0, 2.0, 0.0, 9.0, 0.0, 3.0, 0.0, 9.0, 0.0, 9.0])
    pace = Pace(clock=lambda: next(times))
    pace._clock = lambda: next(later)
    assert pace() == 5.0


def test_usual_is_the_fastest_but_two_of_the_newest():
    assert usual([]) is None
    assert usual([5.0, 4.0]) is None
    assert usual([5.0, 4.0, 3.0]) == 5.0
    assert usual([1.0, 9.0, 8.0, 7.0]) == 8.0
    assert usual([1.0] * PLACE + [5.0] * REMEMBERED) == 5.0  # what was long ago


@given(st.lists(st.floats(1e-6, 1e3), min_size=PLACE, max_size=80))
def test_usual_is_one_of_those_seen(paces):
    assert usual(paces) in paces


def test_paces_are_kept_by_machine_and_torn_lines_passed_over(tmp_path):
    file = tmp_path / "deep" / "pace.jsonl"
    assert remembered("a", file) == []
    for n in range(4):
        remember("a", n / 10, file)
        remember("b", n, file)
    with file.open("a") as lines:
        lines.write('{"key": "a", "pa\n[1]\n{"key": "a", "pace_s": "none"}\n')
    assert remembered("a", file) == [0.0, 0.1, 0.2, 0.3]


def test_the_file_stays_small(tmp_path):
    file = tmp_path / "pace.jsonl"
    key = "k" * 200
    for n in range(2000):
        remember(key, n, file)
    assert file.stat().st_size < 1 << 18
    assert remembered(key, file)[-1] == 1999
    assert all(json.loads(line) for line in file.read_text().splitlines())


def test_where_nothing_can_be_kept_nothing_is_lost(tmp_path):
    (tmp_path / "file").write_text("")
    remember("a", 1.0, tmp_path / "file" / "pace.jsonl")
    assert remembered("a", tmp_path / "file" / "pace.jsonl") == []


def paced(*paces, usual_pace_s=None):
    return Samples(latency_s=[0.1] * len(paces), pace_s=list(paces), usual_pace_s=usual_pace_s)


def test_a_sample_beside_a_slow_machine_is_disturbed():
    assert stats.disturbed(paced(1.0, 1.02, 1.04, usual_pace_s=1.0)) == [False, False, True]
    assert stats.disturbed(paced(1.0, 1.02, 1.04, usual_pace_s=None)) == [False, False, True]
    assert stats.disturbed(paced(1.04, 1.04, usual_pace_s=None)) == [False, False]
    assert stats.disturbed(Samples(latency_s=[0.1])) == [False]


@pytest.mark.parametrize(("pace", "off"), [(1.0, 0.0), (1.25, 0.25), (0.8, -0.2)])
def test_how_far_the_machine_is_from_usual(pace, off):
    assert stats.pace_off(paced(pace, pace, usual_pace_s=1.0)) == pytest.approx(off)
    assert stats.pace_off(paced(pace)) == pytest.approx(0.0)


def test_another_process_on_the_same_cores_is_seen():
    """For real, as far as two readings can tell: never quicker beside a thread that spins."""
    pace = Pace()
    alone = min(pace() for _ in range(5))
    ending = threading.Event()
    threads = [threading.Thread(target=lambda: [None for _ in iter(ending.is_set, True)]) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        beside = max(pace() for _ in range(5))
    finally:
        ending.set()
        for thread in threads:
            thread.join()
    assert beside > alone
