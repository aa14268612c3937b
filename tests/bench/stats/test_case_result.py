"""The figures of a case: the lower median of its processes, metric by metric, and why not to believe them."""

import math
from statistics import median_low

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench.record.record import Samples
from co3d_bench.bench.record.sensing import SensorFigure, Sensors
from co3d_bench.bench.stats.case_result import MAX_HALF_WIDTH, CaseResult, case_results, rank_of_interval
from co3d_bench.bench.stats.metrics import get_metric

from ...factories import (
    make_case,
    make_environment,
    make_failed_record,
    make_record,
    make_wrong_record,
    with_timing,
)

METRICS = ("latency_s", "throughput_per_s", "first_prediction_s", "load_s", "peak_rss_bytes")
HOT = Sensors(figures=(SensorFigure(name="gpu_throttle", kind="flags", words=("thermal slowdown (hardware)",)),))


def process(number, *latency_s, **changes):
    record = make_record("x3d-s", samples=Samples(latency_s=list(latency_s)), process=number, **changes)
    return with_timing(record, load_s=0.1 * number, first_prediction_s=1.0 / number)


def case_of(*records) -> CaseResult:
    (result,) = case_results(records)
    return result


def even(*medians_s) -> CaseResult:
    return case_of(*(process(n, s, s, s) for n, s in enumerate(medians_s, 1)))


def test_the_figure_is_the_lower_median_metric_by_metric():
    # Of four processes no one is in the middle: by median 1 is the second smallest, by total time another is.
    result = case_of(process(1, 2, 2, 9), process(2, 3, 3, 3), process(3, 1, 1, 20), process(4, 4, 4, 4))
    latency, throughput = result.figure("latency"), result.figure("throughput")
    assert (latency.value, latency.record.process) == (2, 1)
    assert throughput.value == pytest.approx(3 / 13)  # of 3/22, 3/13, 3/12, 3/9
    assert throughput.record.process == 1
    assert (result.figure("load").value, result.figure("load").record.process) == (pytest.approx(0.2), 2)
    assert result.figure("first_prediction").record.process == 3
    assert result.record.process == 1  # facts are those of the process whose latency is shown


@given(st.lists(st.lists(st.floats(1e-3, 10), min_size=1, max_size=5), min_size=1, max_size=9), st.randoms())
def test_every_figure_stands_in_one_of_the_records_and_is_the_lower_median(series, draw):
    records = [process(n, *latencies) for n, latencies in enumerate(series, 1)]
    shuffled = draw.sample(records, len(records))
    result = case_of(*shuffled)
    for name in METRICS:
        metric, figure = get_metric(name), result.figure(name)
        values = [metric.value(record) for record in records]
        assert figure.value == median_low(values)
        assert metric.value(figure.record) == figure.value
        assert figure.record in result.records
        assert figure.low <= figure.value <= figure.high
        assert figure.processes == len(records)
        assert result.value(name) == figure.value


def coverage(count, rank):
    """How often the true median lies between the values of that rank and of that rank from the other end."""
    return 1 - 2 * sum(math.comb(count, below) for below in range(rank)) / 2**count


@pytest.mark.parametrize(
    ("processes", "rank"),
    [(1, None), (2, None), (5, None), (6, 1), (7, 1), (8, 1), (9, 2), (11, 2), (12, 3), (15, 4), (20, 6)],
)
def test_ranks_of_the_interval_are_exact(processes, rank):
    assert rank_of_interval(processes) == rank
    if rank:
        assert coverage(processes, rank) >= 0.95
    assert coverage(processes, (rank or 0) + 1) < 0.95  # the next narrower one holds it less often


@pytest.mark.parametrize(
    ("processes", "ends"), [(1, (1, 1)), (2, (1, 2)), (5, (1, 5)), (6, (1, 6)), (7, (1, 7)), (9, (2, 8))]
)
def test_the_interval_of_a_case(processes, ends):
    levels = [1 + n / 100 for n in range(1, processes + 1)]
    figure = even(*levels[::-1]).figure("latency")
    assert (figure.low, figure.high) == tuple(levels[end - 1] for end in ends)
    assert figure.value == levels[(processes - 1) // 2]
    half_width = None if processes == 1 else (figure.high - figure.low) / 2 / figure.value
    assert figure.half_width == half_width


def test_a_slow_first_process_never_means_fewer_processes():
    result = even(20.0, 1.0, 1.01, 1.02)
    figure = result.figure("latency")
    assert (figure.value, figure.low, figure.high, figure.processes) == (1.01, 1.0, 20.0, 4)
    assert len(result.latency_s) == 12
    assert result.summary.max_s == 20.0


def test_all_timed_predictions_are_kept_process_after_process():
    result = case_of(process(2, 3, 4), process(1, 1, 2), make_failed_record("x3d-s", process=3))
    assert result.latency_s == (1, 2, 3, 4)
    assert result.summary.mean_s == 2.5


def test_a_wrong_answer_of_one_process_is_an_error_of_the_case():
    wrong = make_wrong_record("x3d-s", backend="eager").model_copy(update={"process": 2})
    result = case_of(process(1, 1), wrong, process(3, 1))
    assert result.error.kind == "wrong-answer"
    assert not result.ok
    assert result.record == wrong
    assert (result.measured, result.figure("latency"), result.warnings) == ((), None, ())
    assert result.value("macs") is not None  # what was counted has no noise
    crashed = make_failed_record("x3d-s", kind="crash", process=4)
    assert case_of(wrong, crashed).error.kind == "wrong-answer"


def test_failed_processes_among_good_ones_are_a_note():
    result = case_of(process(1, 1.0), make_failed_record("x3d-s", process=2), process(3, 1.2))
    assert result.ok
    assert result.notes == ("1 of 3 fresh processes failed",)
    assert result.figure("latency").processes == 2


def test_a_case_of_which_every_process_failed_has_the_last_error():
    first = make_failed_record("x3d-s", kind="crash", message="first", process=1)
    last = make_failed_record("x3d-s", kind="timeout", message="last", process=2)
    result = case_of(first, last)
    assert (result.error.message, result.record) == ("last", last)
    assert result.notes == ()


def test_notes_are_reported_once():
    result = case_of(process(1, 1.0, notes=("looped",)), process(2, 1.0, notes=("looped", "short")))
    assert result.notes == ("looped", "short")


def test_the_newest_run_of_a_case_counts_and_a_process_as_it_came_out_last():
    old = [process(n, 9.0, run_id="old") for n in (1, 2, 3)]
    failed = make_failed_record("x3d-s", run_id="new", process=1)
    again = process(1, 1.0, run_id="new")
    other = make_record("x3d-m")
    found = case_results([*old, failed, other, again])
    assert [result.case.model for result in found] == ["x3d-s", "x3d-m"]
    assert found[0].records == (again,)
    assert found[0].run_id == "new"


def test_of_two_runs_that_wrote_at_once_the_newest_is_whole():
    a, b = ([process(n, 1.0 * n, run_id=run) for n in (1, 2, 3)] for run in "ab")
    result = case_of(a[0], b[0], a[1], b[1], a[2], b[2])
    assert result.records == tuple(b)


def test_cases_are_never_mixed():
    batch = make_record("x3d-s", case=make_case("x3d-s", batch=8))
    assert len(case_results([make_record("x3d-s"), batch])) == 2


def test_what_one_process_did_for_all_is_of_the_case():
    """Counting, verification and energy are done in one process of several."""
    first = process(1, 3.0)
    bare = [process(n, s, counters=None, verification=None, model=None) for n, s in ((2, 1.0), (3, 2.0))]
    bare = [record.model_copy(update={"model": None}) for record in bare]
    result = case_of(first, *bare)
    assert result.record.process == 3
    assert result.counters == first.counters
    assert result.value("macs") == get_metric("macs").value(first)
    assert result.model == first.model
    assert result.timing == bare[1].timing


# --- the three warnings, each at its limit and just beside it


def about(width):
    """Seven processes of which the interval has that half-width."""
    return even(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1 + 2 * width)


def test_a_wide_interval_is_a_warning():
    assert about(MAX_HALF_WIDTH - 1e-9).warnings == ()
    (why,) = about(MAX_HALF_WIDTH + 1e-6).warnings
    assert why == "noisy: the 95 % interval of its median is ±2.5%"
    (few,) = even(1.0, 1.2).warnings
    assert few == "noisy: its 2 processes range over ±10.0%"
    assert even(1.0).warnings == ()  # nothing is known of a single one


def loaded(*loads, cores=2):
    process_facts = make_environment().process.model_copy(update={"affinity": tuple(range(cores))})
    environment = make_environment(process=process_facts)
    return case_of(
        *(
            with_timing(process(n, 1.0, environment=environment), background_load=load)
            for n, load in enumerate(loads, 1)
        )
    )


@pytest.mark.parametrize(("cores", "limit"), [(2, 0.1), (4, 0.2), (32, 1.6)])
def test_busy_cores_are_a_warning(cores, limit):
    assert loaded(limit, cores=cores).warnings == ()
    (why,) = loaded(limit + 0.001, cores=cores).warnings
    assert why == f"other work kept up to {limit:.2g} cores busy"


def test_the_median_takes_no_harm_where_fewer_than_half_of_the_processes_had_company():
    assert loaded(0.9, 0.0, 0.0).warnings == ()
    assert loaded(0.9, 0.0).warnings == ("other work kept up to 0.9 cores busy in 1 of 2 processes",)
    assert loaded(0.9, 1.0, 0.0).warnings == ("other work kept up to 1 core busy in 2 of 3 processes",)
    assert loaded(None, None).warnings == ()


def test_throttling_of_any_process_is_a_warning():
    result = case_of(process(1, 1.0), process(2, 1.0, sensors=HOT), process(3, 1.0, sensors=HOT))
    (why,) = result.warnings
    assert why.startswith("the device throttled: ")
    assert why.count("thermal") == 1
    capped = SensorFigure(name="gpu_throttle", kind="flags", words=("power cap (software)",))
    assert case_of(process(1, 1.0, sensors=Sensors(figures=(capped,)))).warnings == ()


def test_nothing_else_is_a_warning():
    samples = Samples(latency_s=[1.0, 1.0, 60.0], involuntary_switches=[900] * 3, steal_s=[9.0] * 3, waited_s=[9.0] * 3)
    record = with_timing(process(1, 1.0), samples=samples, warmup_stable=False, harness_cpu_share=0.9)
    assert case_of(record, make_failed_record("x3d-s", process=2)).warnings == ()
    everything = case_of(
        with_timing(process(1, 1.0, sensors=HOT), background_load=2.0),
        with_timing(process(2, 2.0, sensors=HOT), background_load=2.0),
    )
    assert len(everything.warnings) == 3
