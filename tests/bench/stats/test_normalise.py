"""Latencies of different hours at one machine speed: from the store alone, and only where the same work was timed."""

import pytest

from co3d_bench.bench.record.record import ReferenceWorkload
from co3d_bench.bench.stats.metrics import get_metric
from co3d_bench.bench.stats.normalise import anchor_of, machine_speed_index, normalised_latency_s, reference_s

from ...factories import make_failed_record, make_record, on_machine_of_speed, with_timing

LATENCY = get_metric("latency")


def test_the_median_reading_reports_how_fast_the_machine_was():
    readings = ReferenceWorkload(name="w", readings_s=(0.01, 0.03, 0.02, 9.0))
    assert reference_s(with_timing(make_record(), reference=readings)) == 0.025
    assert reference_s(make_record()) is None
    assert reference_s(make_failed_record()) is None


def test_a_record_of_a_slow_hour_at_the_speed_of_a_fast_one():
    fast, slow = (on_machine_of_speed(make_record(), slower) for slower in (1.0, 1.25))
    assert machine_speed_index(slow, fast) == pytest.approx(0.8)  # 0.8 times as fast
    assert normalised_latency_s(slow, fast) == pytest.approx(LATENCY.value(fast))
    assert normalised_latency_s(fast, slow) == pytest.approx(LATENCY.value(slow))
    assert normalised_latency_s(fast, fast) == pytest.approx(LATENCY.value(fast))


def test_measured_figures_stay_as_they_are():
    slow = on_machine_of_speed(make_record(), 1.25)
    assert LATENCY.value(slow) == pytest.approx(1.25 * LATENCY.value(make_record()))


def test_another_work_or_none_says_nothing():
    anchor = on_machine_of_speed(make_record(), 1.0)
    for other in (on_machine_of_speed(make_record(), 1.0, "another"), make_record(), make_failed_record()):
        assert machine_speed_index(other, anchor) is None
        assert machine_speed_index(anchor, other) is None
        assert normalised_latency_s(other, anchor) is None


def test_the_anchor_is_the_newest_that_timed_it():
    first, second = (on_machine_of_speed(make_record(run_id=name), 1.0) for name in "ab")
    assert anchor_of([first, second, make_record(), make_failed_record()]) == second
    assert anchor_of([make_record()]) is None
    assert anchor_of([]) is None
