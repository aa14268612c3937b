"""The specifications of the plots: valid Vega-Lite, with the right networks, arrows, front and warnings in them."""

import json

import pytest

from co3d_bench.bench.stats.case_result import case_results
from co3d_bench.reports import theme
from co3d_bench.reports.charts.pareto import PLOTS, front_of, pareto_chart, tooltips
from co3d_bench.reports.tables.results import build

from ...factories import (
    DEFAULT_MODELS,
    make_case,
    make_default_records,
    make_failed_record,
    make_mixed_records,
    make_model,
    make_record,
    make_samples,
)
from ..contrast import contrast
from ..device_records import on_locked_pc, on_pc
from .specs import assert_valid, layers

THROUGHPUT, AT_15, MACS, MEMORY, ENERGY = PLOTS
MEASURED = [on_pc(model) for model in DEFAULT_MODELS]


def chart_of(records, plot, **options):
    """The chart with the tooltips of the table of the same cases."""
    cases = case_results(records)
    return pareto_chart(cases, plot, tooltips(build(cases)), **options)


def points(spec):
    return next(data for data in layers(spec, "point") if "tooltip" in data[0])


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.name)
@pytest.mark.parametrize("records", [MEASURED, make_mixed_records()], ids=["measured", "mixed"])
def test_every_plot_is_valid_vega_lite(records, plot):
    spec = chart_of(records, plot)
    assert (spec is None) == (plot is ENERGY and records is not MEASURED)
    if spec:
        assert_valid(spec)


def test_each_network_is_one_point_of_its_form():
    found = points(chart_of(make_default_records(), MACS))
    assert [(p["title"], p["form"], round(p["x"], 3), p["y"]) for p in found] == [
        ("X3D-XS", "clip", 0.636, 59.37),
        ("X3D-S", "clip", 2.061, 64.71),
        ("X3D-M", "clip", 4.97, 67.24),
        ("CoX3D-S (13)", "frame", 0.167, 60.18),
        ("CoX3D-M (16)", "frame", 0.325, 62.8),
        ("CoX3D-M (64)", "frame", 0.325, 71.03),
    ]


@pytest.mark.parametrize(
    ("batch", "limit"), [(1, (30, "every frame of 30 a second")), (8, (240, "every frame of 30 a second, 8 streams"))]
)
def test_the_line_to_compare_with_is_of_every_stream_of_a_batch(batch, limit):
    """15 predictions/s of each of 8 streams are 120 in all, and still only half of the frames of 30 a second."""
    records = [
        make_record(model, case=make_case(model, batch=batch), samples=make_samples(1 / per_s))
        for model, per_s in (("x3d-m", 15), ("cox3d-m-16", 90))
    ]
    (line,) = (data for data in layers(chart_of(records, THROUGHPUT), "rule") if "text" in data[0])
    assert (line[0]["x"], line[0]["text"]) == limit


def test_at_15_frames_a_second_stand_the_networks_that_are_published_for_it():
    found = points(chart_of(make_default_records(), AT_15))
    assert [(p["title"], p["y"]) for p in found] == [
        ("X3D-S", 51.0),
        ("X3D-M", 62.1),
        ("CoX3D-S (13)", 49.2),
        ("CoX3D-M (16)", 56.3),
        ("CoX3D-M (64)", 64.9),
    ]
    assert chart_of([make_record("x3d-m"), make_record("x3d-xs")], AT_15) is None  # one network is not a comparison


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.name)
def test_the_axis_says_at_which_frame_rate_accuracies_were_measured(plot):
    title = chart_of(MEASURED, plot)["layer"][-1]["encoding"]["y"]["title"]
    wanted = "at 15 frames/s" if plot is AT_15 else "each at its own frame rate"
    assert title == f"published accuracy{'' if plot is AT_15 else ','} {wanted}, %"


def test_arrows_lead_from_clip_to_frame_and_to_the_longer_pool():
    spec = chart_of(make_default_records(), MACS)
    arrows = next(data for data in layers(spec, "rule") if "kind" in data[0])
    assert [(a["kind"], a["y"], a["y2"]) for a in arrows] == [
        ("counterpart", 64.71, 60.18),
        ("counterpart", 67.24, 62.8),
        ("longer-pool", 62.8, 71.03),
    ]


@pytest.mark.parametrize(("plot", "step"), [(MACS, "step-after"), (THROUGHPUT, "step-before")])
def test_the_front_is_a_staircase_in_the_direction_of_better(plot, step):
    spec = chart_of(make_default_records(), plot)
    (front,) = layers(spec, "line", interpolate=step)
    assert [p["x"] for p in front] == sorted(p["x"] for p in front)
    accuracies = [p["y"] for p in front]
    assert (
        accuracies
        == sorted(accuracies, reverse=plot is THROUGHPUT)
        == sorted(set(accuracies), reverse=plot is THROUGHPUT)
    )


def test_the_front_of_each_plot_is_named_cheapest_first_and_described_for_screen_readers():
    cases = case_results(make_mixed_records())  # X3D-M failed
    titles = [[case.model.title for case in front_of(cases, plot)] for plot in PLOTS]
    every = ["CoX3D-S (13)", "CoX3D-M (16)", "CoX3D-M (64)"]
    assert titles == [[every[0], every[2]], [every[0], every[2]], every, every, []]
    assert front_of(cases[:1], MACS) == ()  # nothing to compare it with
    (line,) = [layer for layer in chart_of(make_mixed_records(), MACS)["layer"] if layer["mark"]["type"] == "line"]
    assert line["mark"]["description"] == f"Pareto front: {', '.join(every)}"
    assert line["mark"].get("aria", True)


@pytest.mark.parametrize("palette", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_the_front_stands_out_from_its_ground(palette):
    spec = chart_of(make_default_records(), MACS, palette=palette)
    (mark,) = [layer["mark"] for layer in spec["layer"] if layer["mark"]["type"] == "line"]
    assert not {"strokeOpacity", "opacity"} & set(mark)
    assert contrast(mark["stroke"], palette["surface"]) >= 3  # WCAG AA, graphics


def test_a_warning_hollows_the_speed_only():
    hollow = [p["title"] for p in points(chart_of(make_mixed_records(), THROUGHPUT)) if p["hollow"]]
    assert hollow == ["CoX3D-M (16)"]
    assert not any(p["hollow"] for p in points(chart_of(make_mixed_records(), MACS)))


def test_the_tooltip_has_every_figure():
    found = {p["model"]: p["tooltip"] for p in points(chart_of(make_mixed_records(), MACS))}
    assert found["cox3d-m-64"]["title"] == "CoX3D-M (64)"
    assert found["cox3d-m-64"]["Accuracy"] == "71.03 %  (6 frames/s, whole film)"
    assert found["cox3d-m-64"]["MACs"] == "0.325 G  (paper 0.33)"
    assert found["cox3d-m-64"]["Paper: CPU"] == "7.51 ± 0.17 predictions/s"
    assert "Warnings" not in found["cox3d-m-64"]
    assert found["cox3d-m-16"]["Warnings"] == "other work kept up to 0.94 cores busy"


def test_what_has_no_figure_has_no_point_and_nothing_has_no_plot():
    unpublished = make_record("x3d-s", model=make_model("x3d-s", published=None))
    assert chart_of([], MACS) is None
    assert chart_of([make_failed_record(), unpublished], MACS) is None
    assert len(points(chart_of([unpublished, make_record("x3d-m")], MACS))) == 1


def test_energy_is_drawn_where_at_least_half_of_the_networks_have_it():
    models = DEFAULT_MODELS[:4]
    half = [on_pc(model) for model in models[:2]] + [on_locked_pc(model) for model in models[2:]]
    assert len(points(chart_of(half, ENERGY))) == 2
    fewer = [on_pc(models[0]), *(on_locked_pc(model) for model in models[1:])]
    assert chart_of(fewer, ENERGY) is None
    assert chart_of(make_default_records(), ENERGY) is None


def test_one_lonely_network_still_gives_a_plot():
    spec = chart_of([make_record("x3d-m")], THROUGHPUT)
    assert_valid(spec)
    assert len(points(spec)) == 1


def test_the_same_records_give_the_same_chart():
    texts = {json.dumps(chart_of(make_default_records(), MEMORY)) for _ in range(2)}
    assert len(texts) == 1
