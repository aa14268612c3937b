import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench.record.record import Samples
from co3d_bench.bench.record.sensing import SensorFigure, Sensors
from co3d_bench.bench.stats import summary as stats

from ...factories import make_failed_record, make_record, make_samples, with_timing

positive = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=200)


def test_throughput_is_predictions_over_total_time_and_not_the_mean_of_rates():
    samples = Samples(latency_s=[1.0, 3.0])
    assert stats.throughput(samples, batch=2) == 1.0  # the mean of the rates would be 4/3


def test_the_mad_ignores_one_wild_sample():
    assert stats.median_absolute_deviation([1, 2, 3, 4, 1000]) == 1


def test_percentiles_are_refused_below_their_sample_count():
    assert stats.percentile(list(range(63)), 90) is None
    assert stats.percentile(list(range(1, 101)), 90) == 90
    assert stats.percentile(list(range(100)), 95) is None


@given(positive)
def test_every_figure_lies_within_the_samples(values):
    found = stats.Summary(values)
    assert found.min_s * (1 - 1e-9) <= found.mean_s <= found.max_s * (1 + 1e-9)
    assert (found.std_s is None) == (len(values) == 1)
    assert (found.std_s or 0.0) >= 0


def test_figures_are_of_all_samples_whatever_was_seen_beside_them():
    samples = Samples(latency_s=[1.0, 1.0, 1.0, 9.0], involuntary_switches=[0, 0, 0, 900], steal_s=[0.0, 0.0, 0.0, 8.0])
    found = stats.Summary(samples.latency_s)
    assert (found.count, found.mean_s, found.min_s, found.max_s) == (4, 3.0, 1.0, 9.0)
    assert found.std_s == 4.0
    assert stats.throughput(samples, 2) == 8 / 12
    assert found.throughput_std(2) == pytest.approx(8 / 12 * 4.0 / 3.0)
    assert stats.Summary([1.0]).throughput_std(2) is None
    assert found.p90_s is None
    assert stats.Summary([*([1.0] * 90), *([2.0] * 10)]).p90_s == 1.0
    assert stats.Summary([*([1.0] * 89), *([2.0] * 11)]).p90_s == 2.0


def idle(cores=2, **timing):
    record = with_timing(make_record("x3d-s", samples=make_samples(0.1, disturbed_share=0.0)), **timing)
    process = record.environment.process.model_copy(update={"affinity": tuple(range(cores))})
    return record.model_copy(update={"environment": record.environment.model_copy(update={"process": process})})


@pytest.mark.parametrize(
    ("before", "during", "load"), [(None, None, None), (0.2, None, 0.2), (None, 0.3, 0.3), (0.2, 0.1, 0.2)]
)
def test_the_background_load_is_the_larger_of_before_and_during(before, during, load):
    assert stats.background_load(idle(background_load_before=before, background_load=during)) == load


@pytest.mark.parametrize("cores", [2, 32])
def test_other_work_counts_beyond_a_twentieth_of_the_cores(cores):
    limit = stats.MAX_BACKGROUND_SHARE * cores
    assert stats.warnings(idle(cores, background_load=limit)) == ()
    (why,) = stats.warnings(idle(cores, background_load=math.nextafter(limit, 99)))
    assert why == f"other work kept {stats.cores_text(limit)} busy"
    assert stats.warnings(idle(cores, background_load_before=cores / 2.0)) != ()


def test_throttling_is_reported_as_the_sensors_saw_it():
    hot = SensorFigure(name="gpu_throttle", kind="flags", words=("thermal slowdown (hardware)",))
    record = idle().model_copy(update={"sensors": Sensors(figures=(hot,))})
    (why,) = stats.warnings(record)
    assert why.startswith("the device throttled: ")
    assert stats.throttled(idle()) is None


def test_what_failed_and_what_was_not_timed_has_no_warnings():
    assert stats.warnings(make_failed_record("x3d-s")) == ()
    assert stats.warnings(idle(background_load=2.0).model_copy(update={"timing": None})) == ()


def test_nothing_else_is_a_warning():
    """Few samples, scatter, a drift, a warm-up that reached its limit, switches: evidence, and in the record."""
    samples = Samples(latency_s=[0.1, 0.5, 2.0], involuntary_switches=[900] * 3, steal_s=[0.1] * 3, waited_s=[9.0] * 3)
    assert stats.warnings(idle(samples=samples, warmup_stable=False)) == ()


@pytest.mark.parametrize(("load", "text"), [(1.0, "1 core"), (0.94, "0.94 cores"), (2.0, "2 cores"), (None, "0 cores")])
def test_cores_in_words(load, text):
    assert stats.cores_text(load) == text
