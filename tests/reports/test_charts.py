"""The specifications of the plots: valid Vega-Lite, with the right networks, arrows, front and warnings in them."""

import json
from typing import Any

import altair as alt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.reports.charts import PLOTS, Axis, axis_of, pareto_chart
from co3d_bench.reports.export import picture, picture_spec
from co3d_bench.reports.latency_chart import beyond_edge, edge_s, latency_chart

from ..factories import (
    DEFAULT_MODELS,
    make_case,
    make_default_records,
    make_failed_record,
    make_mixed_records,
    make_model,
    make_record,
    make_samples,
)
from .device_records import on_locked_pc, on_pc

THROUGHPUT, MACS, MEMORY, ENERGY = PLOTS
MEASURED = [on_pc(model) for model in DEFAULT_MODELS]


def plot_of(records, plot):
    return pareto_chart(case_results(records), plot)


def case_of(records):
    (result,) = case_results(records)
    return result


def layers(spec: dict[str, Any], mark: str, **properties: Any) -> list[list[dict[str, Any]]]:
    """The data of every layer with that mark and those properties of it."""
    found = []
    for layer in spec["layer"]:
        shown = layer["mark"]
        if shown["type"] == mark and all(shown.get(name) == value for name, value in properties.items()):
            data = layer.get("data", spec.get("data"))
            found.append(data["values"] if "values" in data else spec["datasets"][data["name"]])
    return found


def points(spec):
    return next(data for data in layers(spec, "point") if "tooltip" in data[0])


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.name)
@pytest.mark.parametrize("records", [MEASURED, make_mixed_records()], ids=["measured", "mixed"])
def test_every_plot_is_valid_vega_lite(records, plot):
    spec = plot_of(records, plot)
    assert (spec is None) == (plot is ENERGY and records is not MEASURED)
    if spec:
        alt.LayerChart.from_dict(spec).to_dict(validate=True)


def test_latency_strips_are_valid_vega_lite():
    alt.LayerChart.from_dict(latency_chart(case_of([make_record("x3d-m")]))).to_dict(validate=True)


def test_each_network_is_one_point_of_its_form():
    found = points(plot_of(make_default_records(), MACS))
    assert [(p["title"], p["form"], round(p["x"], 3), p["y"]) for p in found] == [
        ("X3D-XS", "clip", 0.636, 59.37),
        ("X3D-S", "clip", 2.061, 64.71),
        ("X3D-M", "clip", 4.97, 67.24),
        ("CoX3D-S (13)", "frame", 0.167, 60.18),
        ("CoX3D-M (16)", "frame", 0.325, 62.8),
        ("CoX3D-M (64)", "frame", 0.325, 71.03),
    ]


def test_arrows_lead_from_clip_to_frame_and_to_the_longer_pool():
    spec = plot_of(make_default_records(), MACS)
    arrows = next(data for data in layers(spec, "rule") if "kind" in data[0])
    assert [(a["kind"], a["y"], a["y2"]) for a in arrows] == [
        ("counterpart", 64.71, 60.18),
        ("counterpart", 67.24, 62.8),
        ("longer-pool", 62.8, 71.03),
    ]


@pytest.mark.parametrize(("plot", "step"), [(MACS, "step-after"), (THROUGHPUT, "step-before")])
def test_the_front_is_a_staircase_in_the_direction_of_better(plot, step):
    spec = plot_of(make_default_records(), plot)
    (front,) = layers(spec, "line", interpolate=step)
    assert [p["x"] for p in front] == sorted(p["x"] for p in front)
    accuracies = [p["y"] for p in front]
    assert (
        accuracies
        == sorted(accuracies, reverse=plot is THROUGHPUT)
        == sorted(set(accuracies), reverse=plot is THROUGHPUT)
    )


def test_a_warning_hollows_the_speed_only():
    hollow = [p["title"] for p in points(plot_of(make_mixed_records(), THROUGHPUT)) if p["hollow"]]
    assert hollow == ["CoX3D-M (16)"]
    assert not any(p["hollow"] for p in points(plot_of(make_mixed_records(), MACS)))


def test_the_tooltip_tells_everything():
    found = {p["model"]: p["tooltip"] for p in points(plot_of(make_mixed_records(), MACS))}
    assert found["cox3d-m-64"]["title"] == "CoX3D-M (64)"
    assert found["cox3d-m-64"]["MACs"] == "0.325 G  (paper 0.33)"
    assert found["cox3d-m-64"]["Paper: CPU"] == "7.51 ± 0.17 predictions/s"
    assert "Warnings" not in found["cox3d-m-64"]
    assert found["cox3d-m-16"]["Warnings"] == "other work kept up to 0.94 cores busy"


def test_what_has_no_figure_has_no_point_and_nothing_has_no_plot():
    unpublished = make_record("x3d-s", model=make_model("x3d-s", published=None))
    assert plot_of([], MACS) is None
    assert plot_of([make_failed_record(), unpublished], MACS) is None
    assert len(points(plot_of([unpublished, make_record("x3d-m")], MACS))) == 1


def test_energy_is_drawn_where_at_least_half_of_the_networks_have_it():
    models = DEFAULT_MODELS[:4]
    half = [on_pc(model) for model in models[:2]] + [on_locked_pc(model) for model in models[2:]]
    assert len(points(plot_of(half, ENERGY))) == 2
    fewer = [on_pc(models[0]), *(on_locked_pc(model) for model in models[1:])]
    assert plot_of(fewer, ENERGY) is None
    assert plot_of(make_default_records(), ENERGY) is None


def test_one_lonely_network_still_gives_a_plot():
    spec = plot_of([make_record("x3d-m")], THROUGHPUT)
    alt.LayerChart.from_dict(spec).to_dict(validate=True)
    assert len(points(spec)) == 1


def test_the_same_records_give_the_same_chart():
    texts = {json.dumps(plot_of(make_default_records(), MEMORY)) for _ in range(2)}
    assert len(texts) == 1


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=9), st.sampled_from(["log", "linear"]))
def test_an_axis_holds_its_values_and_some_ticks(values, scale):
    axis = axis_of(values, scale, 0.15)
    assert all(0 <= axis.share(value) <= 1 for value in values)
    assert 1 <= len(axis.ticks()) <= 12
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks())


def test_ticks():
    assert Axis(0.13, 6.5, "log").ticks() == [0.2, 0.5, 1.0, 2.0, 5.0]
    assert Axis(58, 73, "linear").ticks() == [58.0, 60.0, 62.0, 64.0, 66.0, 68.0, 70.0, 72.0]
    assert Axis(1, 1e6, "log").ticks() == [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6]


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


def test_a_sample_far_beyond_lies_at_the_edge_and_tells_its_true_time():
    samples = make_samples(0.25, count=100, spread=0.0, disturbed_share=0.0)
    spoiled = samples.model_copy(update={"latency_s": [*samples.latency_s[:-1], 26.0]})
    even, odd = (case_of([make_record("x3d-m", samples=each)]) for each in (samples, spoiled))
    assert (edge_s(even), beyond_edge(even)) == (None, 0)
    assert (edge_s(odd), beyond_edge(odd)) == (0.625, 1)
    (dots,) = layers(latency_chart(odd), "point")
    assert (dots[-1]["ms"], dots[-1]["shape"], dots[-1]["tooltip"]["Latency"]) == (625.0, "triangle-right", "26000 ms")
    assert {dot["shape"] for dot in dots[:-1]} == {"circle"}


@pytest.mark.parametrize(("format", "magic"), [("png", b"\x89PNG"), ("svg", b"<svg"), ("pdf", b"%PDF")])
def test_pictures(format, magic):
    drawn = picture(case_results(make_default_records()), format)
    assert drawn is not None
    assert drawn.startswith(magic)
    if format == "svg":
        assert b"CoX3D-M (64)" in drawn
        assert b"var(--" not in drawn  # a picture has no style sheet


def test_a_picture_has_a_row_for_each_setting_and_arrows_in_each():
    other = [make_record(name, case=make_case(name, threads=1)) for name in ("x3d-m", "cox3d-m-16")]
    spec = picture_spec(case_results(make_default_records() + other))
    assert spec is not None
    assert [row["title"]["text"].split(" · ")[4] for row in spec["vconcat"]] == ["2 threads", "1 thread"]
    plots = [plot for row in spec["vconcat"] for plot in row["hconcat"]]
    assert len({plot["name"] for plot in plots}) == 6  # scales are called by the name
    assert picture(case_results([make_failed_record()]), "png") is None
