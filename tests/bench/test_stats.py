import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench import stats
from co3d_bench.bench.record import Record, Samples

from ..factories import make_failed_record, make_record, make_samples

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


HIT = 50  # switches


def series(*latencies, hits=()):
    return Samples(
        latency_s=list(latencies), involuntary_switches=[HIT if i in hits else 0 for i in range(len(latencies))]
    )


def test_figures_are_of_the_clean_samples_and_those_of_all_stand_beside_them():
    found = stats.summarise(series(1.0, 1.0, 1.0, 9.0, hits=[3]))
    assert (found.median_s, found.mean_s, found.max_s, found.throughput(2)) == (1.0, 1.0, 1.0, 2.0)
    assert (found.count, found.clean_count) == (4, 3)
    assert (found.all_median_s, found.all_max_s, found.all_throughput(2)) == (1.0, 9.0, 8 / 12)


def test_where_most_are_disturbed_the_few_clean_ones_are_no_better_than_all():
    # Steal, for a count of switches that most samples have is the usual one.
    samples = Samples(latency_s=[1.0, 2.0, 3.0], steal_s=[0.0, 1.0, 1.0])
    assert stats.clean(samples) == [1.0, 2.0, 3.0]
    assert stats.clean(samples.model_copy(update={"steal_s": [0.0, 0.0, 3.0]})) == [1.0, 2.0]


def quiet(**timing) -> Record:
    record = make_record("x3d-s", samples=make_samples(0.1, disturbed_share=0.0))
    return record.model_copy(update={"timing": record.timing.model_copy(update=timing)})


def test_a_quiet_record_is_steady():
    assert stats.verdict(quiet()) == stats.Verdict("steady")
    assert stats.verdict(quiet(others_before=0.02, others_meanwhile=0.03, warmup_steady=True)).kind == "steady"


def test_on_a_large_machine_a_twentieth_of_the_cores_may_be_others():
    record = quiet(others_meanwhile=0.9)
    process = record.environment.process.model_copy(update={"affinity": tuple(range(32))})
    large = record.model_copy(update={"environment": record.environment.model_copy(update={"process": process})})
    assert stats.verdict(large).kind == "steady"


def slow_machine(times):
    samples = make_samples(0.1, disturbed_share=0.0)
    return samples.model_copy(update={"pace_s": [times] * len(samples), "usual_pace_s": 1.0})


def shifted(by, hits):
    samples = make_samples(0.1, spread=0.002, disturbed_share=0.0)
    moved = [latency * (by if place >= 60 else 1.0) for place, latency in enumerate(samples.latency_s)]
    return samples.model_copy(
        update={"latency_s": moved, "involuntary_switches": [HIT if place < hits else 0 for place in range(100)]}
    )


@pytest.mark.parametrize(
    ("timing", "why"),
    [
        ({"others_meanwhile": 0.9}, "noisy: other processes kept 0.9 cores busy"),
        ({"others_before": 0.5, "others_meanwhile": 0.0}, "noisy: other processes kept 0.5 cores busy"),
        ({"others_meanwhile": 1.0}, "noisy: other processes kept 1 core busy"),
        ({"samples": slow_machine(1.1)}, "noisy: the machine itself was 10% slower than it usually is"),
        ({"samples": slow_machine(150.0)}, "noisy: the machine itself was 149 times slower than it usually is"),
        ({"samples": slow_machine(0.9)}, "noisy: the machine itself was 10% faster than it usually is"),
        ({"warmup_steady": False}, "noisy: the latency was not steady when the warm-up reached its limit"),
        ({"samples": shifted(1.1, 0)}, "noisy: from sample 61 on it is 10% slower"),
        ({"samples": make_samples(0.1, spread=0.15)}, "noisy: the typical sample is"),
        ({"samples": make_samples(0.1, count=30, disturbed_share=0.45)}, "noisy: 1"),
    ],
)
def test_each_kind_of_noise_is_told_in_words(timing, why):
    found = stats.verdict(quiet(**timing))
    assert found.kind == "noisy"
    assert any(reason.startswith(why) for reason in found.reasons), found.reasons


def in_two_states(first):
    """So many of a hundred samples at a pace, the others where the machine is a fifth slower."""
    samples = make_samples(0.1, disturbed_share=0.0)
    paces = [0.91] * first + [1.098] * (100 - first)
    slow = [latency * pace for latency, pace in zip(samples.latency_s, paces, strict=True)]
    told = {"latency_s": slow, "pace_s": paces, "usual_pace_s": 1.0, "cpu_share": 1.0}
    return quiet(samples=samples.model_copy(update=told))


@pytest.mark.parametrize("first", [100, 80, 60, 40, 20, 0])
def test_samples_in_another_state_of_the_machine_than_most_do_not_move_the_figures(first):
    record = in_two_states(first)
    assert stats.verdict(record) == stats.Verdict("steady")
    assert stats.summarise(record.timing.samples).median_s == pytest.approx(0.1, rel=0.01)


def test_a_machine_in_no_state_for_long_is_told():
    samples = make_samples(0.1, disturbed_share=0.0)
    paces = [1.0, 1.3, 1.6, 2.0] * 25
    told = samples.model_copy(update={"pace_s": paces, "usual_pace_s": 1.0, "cpu_share": 1.0})
    assert "noisy: 100 of 100 samples were disturbed by other work or a machine off its pace" in (
        stats.verdict(quiet(samples=told)).reasons
    )


@pytest.mark.parametrize(("first", "pace_s"), [(70, 0.91), (40, 1.098), (0, 1.098)])
def test_the_pace_of_a_series_is_that_of_the_samples_that_count(first, pace_s):
    assert stats.pace_s(in_two_states(first).timing.samples) == pace_s
    assert stats.pace_s(make_samples(0.1)) is None


def test_a_level_that_moves_with_the_machines_pace_is_no_drift():
    samples = shifted(1.06, 0)
    pace = {"pace_s": [1.0] * 60 + [1.05] * 40, "usual_pace_s": 1.0, "cpu_share": 1.0}
    assert stats.verdict(quiet(samples=samples.model_copy(update=pace))) == stats.Verdict("steady")
    for changes in ({"usual_pace_s": None}, {"cpu_share": 0.2}, {"pace_s": [1.05] * 60 + [1.0] * 40}):
        found = stats.verdict(quiet(samples=samples.model_copy(update=pace | changes)))
        assert found.reasons == ("noisy: from sample 61 on it is 6% slower",), changes


def test_a_large_correction_is_made_and_doubted():
    pace = {"pace_s": [1.4] * 100, "usual_pace_s": 1.0, "cpu_share": 1.0}
    record = quiet(samples=shifted(1.0, 0).model_copy(update=pace))
    assert stats.pace_factor(record.timing.samples) == pytest.approx(1 / 1.4)
    assert stats.verdict(record).reasons == ("noisy: the machine itself was 40% slower than it usually is",)


def test_clean_samples_that_last_too_short_are_told():
    """A second of samples may all lie in one mood of the machine."""
    record = quiet(samples=make_samples(0.01, disturbed_share=0.0))
    asked = record.model_copy(update={"settings": record.settings.model_copy(update={"min_s": 15.0})})
    assert stats.verdict(asked).reasons == ("noisy: the clean samples last 1 s together, of 15 s asked for",)
    assert stats.verdict(record).kind == "steady"


def test_too_few_clean_samples_are_told():
    samples = Samples(latency_s=[0.1] * 100, steal_s=[0.0] * 45 + [0.1] * 55)
    assert stats.verdict(quiet(samples=samples)).reasons == (
        "noisy: 55 of 100 samples were disturbed by other work or a machine off its pace",
    )


def test_interrupted_samples_that_are_few_do_not_spoil_a_record():
    samples = shifted(1.0, 12)
    slow = [latency * (4.0 if place < 12 else 1.0) for place, latency in enumerate(samples.latency_s)]
    found = quiet(samples=samples.model_copy(update={"latency_s": slow}))
    assert stats.verdict(found).kind == "steady"
    summary = stats.summarise(found.timing.samples)
    assert summary.all_throughput(1) < summary.throughput(1)


def test_what_failed_and_what_was_not_timed_are_neither_steady_nor_noisy():
    assert stats.verdict(make_failed_record("x3d-s")).kind == "failed"
    assert stats.verdict(quiet().model_copy(update={"timing": None})).kind == "untimed"


def test_few_samples_are_a_doubt_but_not_noise():
    record = make_record("x3d-s", samples=make_samples(0.1, count=30, disturbed_share=0.0))
    assert stats.verdict(record).kind == "steady"
    assert stats.doubts(record) == ("few samples: 30, below the 64 a p90 needs",)
    cut = record.model_copy(update={"settings": record.settings.model_copy(update={"runs": 100})})
    assert stats.doubts(cut) == ("few samples: 30 of 100 in half of the time a case may take",)
