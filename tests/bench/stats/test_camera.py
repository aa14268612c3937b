"""The figures of a camera from the times of its frames."""

import math
import random

import numpy as np
import pytest
from scipy.special import betainc

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.record.camera import CameraRun
from co3d_bench.bench.stats.camera import (
    Ages,
    FrameTimes,
    ages,
    binomial_interval,
    fewest_samples,
    frame_times,
    kept_of_first,
    minutes,
)

NAN = math.nan


def times(due_s, answered_s, end_s=None, deadline_s=0.1):
    end_s = due_s[-1] if end_s is None else end_s
    return FrameTimes(np.array(due_s, dtype=float), np.array(answered_s, dtype=float), end_s, deadline_s)


def test_every_frame_is_in_time_late_or_dropped():
    found = times([0, 1, 2, 3], [0.05, 1.2, NAN, 3.05])
    assert (found.in_time, found.late, found.dropped) == (2, 1, 1)
    assert found.missed == 2


def test_a_dropped_frame_is_infinitely_late():
    due = list(range(100))
    answered = [NAN if number < 11 else number + 0.01 for number in due]
    found = times(due, answered)
    assert found.percentile_s(50) == pytest.approx(0.01)
    assert found.percentile_s(90) == math.inf


def test_percentiles_are_those_of_loadgen():
    """results.cc of MLPerf's LoadGen: the sorted latencies at floor(n * share)."""
    due = list(range(1000))
    latencies = random.Random(0).sample(range(1000), 1000)
    found = times(due, [moment + latency / 1e4 for moment, latency in zip(due, latencies, strict=True)])
    assert found.percentile_s(90) == pytest.approx(900 / 1e4)
    assert found.percentile_s(99) == pytest.approx(990 / 1e4)
    assert found.percentile_s(99.9) is None  # from 6,636 frames on


@pytest.mark.parametrize(("percent", "count"), [(50, 11), (90, 64), (95, 130), (99, 662), (99.9, 6636)])
def test_fewest_samples_are_the_early_stopping_counts_of_mlperf(percent, count):
    assert fewest_samples(percent) == count
    share = percent / 100
    counts = np.arange(2, 10_001)
    assert ((betainc(counts - 1, 2, share) <= 0.01) == (counts >= count)).all()


def test_the_age_of_the_newest_answer():
    """Answers at 0.5 and 1.5 about frames due at 0 and 1: it grows from 0.5 to 1.5, then again until the end."""
    found = times([0, 1], [0.5, 1.5], end_s=2.5)
    assert found.mean_age_s == 1.0
    assert found.peak_age_s == 1.5


def test_an_answer_about_an_older_frame_does_not_make_the_newest_older():
    found = times([0, 1, 2], [3.0, 1.1, 2.1], end_s=4)
    assert found.peak_age_s == pytest.approx(2.0)  # at the end, of the frame due at 2


def test_without_an_answer_there_is_no_age_and_one_gap():
    found = times([0, 1, 2], [NAN, NAN, NAN], end_s=3)
    assert found.mean_age_s is None
    assert found.peak_age_s is None
    assert found.longest_gap_s == 3


def test_of_several_cameras_each_has_answers_of_its_own():
    one, other = times([0, 1], [0.5, 1.5], end_s=2.5), times([0, 1], [NAN, 1.25], end_s=2.5)
    found = ages([one, other])
    assert (one.mean_age_s, other.mean_age_s) == (1.0, 0.875)
    assert found == Ages(mean_s=0.9375, peak_s=1.5, longest_gap_s=1.25)
    assert ages([other, times([0], [NAN], end_s=2)]) == Ages(0.875, 1.5, 2)


@pytest.mark.parametrize(("hits", "trials"), [(0, 100), (1, 100), (37, 90), (90, 90), (1, 1)])
def test_the_interval_of_a_share_is_exact(hits, trials):
    """By its definition: at either end the tail beyond what was seen has a chance of 2.5 %."""
    low, high = binomial_interval(hits, trials)

    def at_least(count, share):
        return sum(math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(count, trials + 1))

    assert low == 0 if hits == 0 else at_least(hits, low) == pytest.approx(0.025)
    assert high == 1 if hits == trials else 1 - at_least(hits + 1, high) == pytest.approx(0.025)


def test_minute_by_minute_what_was_left_over_belongs_to_the_last():
    """One frame a second for 150 s: in time, from 60 s on late, from 90 s on every other one dropped."""
    due = [float(number) for number in range(150)]
    answered = [
        moment + 0.05 if moment < 60 else NAN if moment >= 90 and moment % 2 else moment + 0.25 for moment in due
    ]
    first, second = minutes(times(due, answered, end_s=150))
    assert (first.begin_s, first.length_s, first.due, first.missed, first.answers) == (0, 60, 60, 0, 60)
    assert (second.begin_s, second.length_s, second.due, second.missed, second.answers) == (60, 90, 90, 90, 60)
    assert first.median_s == pytest.approx(0.05)
    assert second.median_s == pytest.approx(0.25)
    assert second.missed_share == 1
    assert kept_of_first((first, second)) == (1.0, pytest.approx(2 / 3))


def test_a_minute_has_the_answers_that_came_in_it_whenever_their_frames_were_due():
    found = minutes(times([0, 1, 2], [10, 70, 130], end_s=180, deadline_s=20))
    assert [minute.answers for minute in found] == [1, 1, 1]
    assert [minute.due for minute in found] == [3, 0, 0]
    assert [minute.missed_share for minute in found] == [2 / 3, None, None]
    assert [minute.median_s for minute in found] == [69, None, None]
    assert kept_of_first(found) == (1, 1, 1)


def test_the_median_of_a_minute_in_which_most_frames_were_dropped_is_infinite():
    found = minutes(times([0, 1, 61], [NAN, NAN, 61.5], end_s=120))
    assert found[0].median_s == math.inf
    assert kept_of_first(found) == ()


def test_a_run_of_less_than_two_minutes_has_no_minutes():
    assert minutes(times([0], [0.1], end_s=119.9)) == ()
    assert kept_of_first(()) == ()


def a_run(due):
    figures = {"in_time": due, "late": 0, "dropped": 0, "latency_s": {}, "mean_age_s": None, "peak_age_s": None}
    return CameraRun(source="random", duration_s=2, deadline_s=0.1, due=due, longest_gap_s=0, times="0" * 64, **figures)


@pytest.mark.parametrize(
    "columns", [{}, {"due_s": [0.0, 1.0], "answered_s": [0.1]}, {"due_s": [0.0, NAN], "answered_s": [0.1, 0.2]}]
)
def test_arrays_that_are_not_those_of_the_run_are_refused(columns):
    with pytest.raises(UserError, match="the blob 000"):
        frame_times(a_run(2), {name: np.array(values) for name, values in columns.items()})
    assert frame_times(a_run(1), {"due_s": np.array([0.0]), "answered_s": np.array([0.1])}).in_time == 1
