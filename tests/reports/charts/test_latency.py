"""The strips of latencies: every sample is a dot, in the order taken."""

from co3d_bench.reports.charts.latency import beyond_edge, edge_s, latency_chart

from ...factories import make_failed_record, make_record, make_samples
from .specs import assert_valid, case_of, layers


def test_latency_strips_are_valid_vega_lite():
    assert_valid(latency_chart(case_of([make_record("x3d-m")])))


def test_a_strip_has_a_dot_for_each_sample_of_each_process_in_their_order():
    records = [make_record("cox3d-m-16", process=n, samples=make_samples(0.025, 20, seed=n)) for n in (1, 2, 3)]
    failed = make_failed_record("cox3d-m-16", process=4)
    spec = latency_chart(case_of([*records[::-1], failed]))
    (dots,) = layers(spec, "point")
    taken = [(record, s) for record in records for s in record.timing.samples.latency_s]
    assert [dot["ms"] for dot in dots] == [1e3 * s for _, s in taken]
    assert [dot["tooltip"]["Process"] for dot in dots] == [str(record.process) for record, _ in taken]
    assert [dot["order"] for dot in dots] == list(range(1, 61))
    assert {dot["tooltip"]["Sample"] for dot in dots} == {str(n) for n in range(1, 21)}
    switches = [n for record in records for n in record.timing.samples.involuntary_switches]
    assert [dot["tooltip"].get("Context switches") for dot in dots] == [str(n) if n else None for n in switches]
    assert [rule["order"] for rules in layers(spec, "rule") for rule in rules if "order" in rule] == [20.5, 40.5]
    assert latency_chart(case_of([failed])) is None


def test_a_strip_marks_the_figure_shown_and_shades_its_interval():
    levels = (0.030, 0.024, 0.026)
    records = [
        make_record("cox3d-m-16", process=n, samples=make_samples(level, spread=0.0, disturbed_share=0.0))
        for n, level in enumerate(levels, 1)
    ]
    spec = latency_chart(case_of(records))
    (band,), (line, *_) = layers(spec, "rect"), layers(spec, "rule")
    assert (band, line) == ([{"ms": 24.0, "end": 30.0}], [{"ms": 26.0}])


def test_a_sample_far_beyond_lies_at_the_edge_with_its_true_time():
    samples = make_samples(0.25, count=100, spread=0.0, disturbed_share=0.0)
    spoiled = samples.model_copy(update={"latency_s": [*samples.latency_s[:-1], 26.0]})
    even, odd = (case_of([make_record("x3d-m", samples=each)]) for each in (samples, spoiled))
    assert (edge_s(even), beyond_edge(even)) == (None, 0)
    assert (edge_s(odd), beyond_edge(odd)) == (0.625, 1)
    (dots,) = layers(latency_chart(odd), "point")
    assert (dots[-1]["ms"], dots[-1]["shape"], dots[-1]["tooltip"]["Latency"]) == (625.0, "triangle-right", "26000 ms")
    assert {dot["shape"] for dot in dots[:-1]} == {"circle"}
