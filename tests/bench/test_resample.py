"""How many samples more are taken."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench.record import Samples, Settings
from co3d_bench.bench.resample import FEWEST, MOST_FACTOR, further, interrupted, median_precision, missing
from co3d_bench.bench.stats import clean


def samples(count, hits=0, latency_s=0.1, spread=0.0):
    draw = random.Random(0)
    return Samples(
        latency_s=[latency_s * (1 + draw.gauss(0, spread)) for _ in range(count)],
        involuntary_switches=[100] * hits + [0] * (count - hits),
    )


SERIES = st.integers(1, 40).flatmap(
    lambda count: st.tuples(
        *(
            st.lists(values, min_size=count, max_size=count)
            for values in (st.floats(1e-4, 1), st.integers(0, 50), st.floats(0, 0.1), st.floats(0, 0.5))
        )
    )
)


@given(SERIES)
def test_a_sample_is_interrupted_by_switches_steal_or_waiting(series):
    """By the words of METHODOLOGY.md, one sample at a time."""
    latency_s, switches, steal_s, waited_s = series
    found = interrupted(Samples(latency_s=latency_s, involuntary_switches=switches, steal_s=steal_s, waited_s=waited_s))
    usual = statistics.median(switches)
    assert found == [
        count > 2 * usual + 3 or stolen > 0.05 * latency or waited > 0.2 * latency
        for latency, count, stolen, waited in zip(latency_s, switches, steal_s, waited_s, strict=True)
    ]


def test_nothing_more_where_all_are_clean():
    assert missing(samples(100), Settings(runs=100, budget_s=20)) == 0


def test_every_disturbed_sample_is_taken_again():
    assert missing(samples(100, hits=12), Settings(runs=100, budget_s=20)) == 12
    assert missing(samples(112, hits=12), Settings(runs=100, budget_s=20)) == 0
    assert missing(samples(100, hits=1), Settings(runs=100, budget_s=20)) == FEWEST


def test_no_budget_no_more_samples():
    assert further(Settings(runs=100))(samples(100, hits=12), 10.0) == 0


def test_a_short_series_goes_on_for_the_time_asked_for():
    assert missing(samples(100, latency_s=0.01), Settings(runs=100, min_s=5.0)) == 400
    assert missing(samples(100, latency_s=0.05), Settings(runs=100, min_s=5.0)) == 0


def test_only_clean_samples_fill_that_time():
    assert missing(samples(200, hits=60, latency_s=0.05), Settings(runs=100, min_s=10.0)) == 60


def test_the_budget_counts_from_where_the_samples_asked_for_are_taken():
    wanted = further(Settings(runs=100, budget_s=1.0))
    assert wanted(samples(100, hits=40), 10.0) == 10  # 0.1 s each
    assert wanted(samples(110, hits=50), 10.55) == 4
    assert wanted(samples(114, hits=54), 11.01) == 0


def test_where_everything_is_disturbed_it_ends_all_the_same():
    wanted = further(Settings(runs=10, budget_s=1e6))
    many = samples(MOST_FACTOR * 10, hits=60, latency_s=1e-6)
    assert wanted(many, 1.0) == 0


def test_a_precision_is_gone_on_for():
    settings = Settings(runs=20, budget_s=1e6, target_precision=0.005)
    rough = samples(20, spread=0.05)
    assert median_precision(rough.latency_s) > 0.005
    assert missing(rough, settings) == 20  # at most twice as many
    sharp = samples(2000, spread=0.02)
    assert median_precision(sharp.latency_s) < 0.005
    assert missing(sharp, settings) == 0


@given(st.integers(20, 400), st.floats(0.001, 0.3), st.floats(0.001, 0.2))
def test_the_precision_is_reached_and_not_passed_by_far(runs, spread, target):
    draw = random.Random(runs)
    settings = Settings(runs=runs, budget_s=1e9, target_precision=target)
    taken, wanted = Samples(latency_s=[]), runs
    ask = further(settings)
    while wanted:
        taken.latency_s.extend(1.0 + abs(draw.gauss(0, spread)) for _ in range(wanted))
        wanted = ask(taken, 0.0)
    reached = median_precision(clean(taken)) <= target
    assert reached or len(taken) == MOST_FACTOR * runs


def test_the_interval_of_a_median_covers_it_as_often_as_it_says():
    draw = random.Random(3)
    covered = 0
    for _ in range(400):
        values = sorted(draw.gauss(1.0, 0.1) for _ in range(60))
        half = median_precision(values)
        covered += abs((values[29] + values[30]) / 2 - 1.0) <= 2 * half  # its middle need not be the median
        low, high = values[22], values[37]  # ranks of 60 / 2 -+ 0.98 sqrt(60)
        assert half == pytest.approx((high - low) / 2 / ((values[29] + values[30]) / 2))
    assert covered > 0.95 * 400
