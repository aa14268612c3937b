import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench import stats
from co3d_bench.bench.record import Samples

positive = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=200)


def test_throughput_is_predictions_over_total_time_and_not_the_mean_of_rates():
    samples = Samples(latency_s=[1.0, 3.0])
    assert stats.throughput(samples, batch=2) == 1.0  # the mean of the rates would be 4/3


def test_median_and_mad_ignore_one_wild_sample():
    assert stats.median([1, 2, 3, 1000]) == 2.5
    assert stats.median_absolute_deviation([1, 2, 3, 4, 1000]) == 1


def test_percentiles_are_refused_below_their_sample_count():
    assert stats.percentile(list(range(63)), 90) is None
    assert stats.percentile(list(range(1, 101)), 90) == 90
    assert stats.percentile(list(range(100)), 95) is None


@given(positive)
def test_every_figure_lies_within_the_samples(values):
    assert min(values) <= stats.median(values) <= max(values)
    assert stats.standard_deviation(values) >= 0


@pytest.mark.parametrize("function", [stats.median, stats.mean])
def test_no_values_are_an_error(function):
    with pytest.raises(ValueError, match="no values"):
        function([])


def test_a_usual_number_of_switches_is_no_disturbance():
    samples = Samples(latency_s=[0.1] * 5, involuntary_switches=[4, 5, 4, 5, 40], steal_s=[0.0] * 5)
    assert stats.disturbed(samples) == [False, False, False, False, True]


def test_stolen_time_beyond_a_twentieth_is_a_disturbance():
    samples = Samples(latency_s=[0.1, 0.1, 1.0], involuntary_switches=[0, 0, 0], steal_s=[0.0, 0.01, 0.01])
    assert stats.disturbed(samples) == [False, True, False]


def test_work_that_takes_a_core_all_along_is_a_disturbance():
    samples = Samples(latency_s=[1.0, 1.0], involuntary_switches=[4, 4], waited_s=[0.1, 0.9])
    assert stats.disturbed(samples) == [False, True]
