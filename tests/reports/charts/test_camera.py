"""The frames of a camera as pictures."""

import math

import numpy as np
import pytest

from co3d_bench.bench.stats.camera import FrameTimes
from co3d_bench.reports.charts.camera import (
    MOST_PLACES,
    MOST_STEPS,
    answered_by,
    answered_chart,
    outcomes,
    strip_chart,
)

from .specs import assert_valid, layers

NAN = math.nan


def times(due_s, latency_s, end_s=None, deadline_s=0.1):
    due = np.array(due_s, dtype=float)
    return FrameTimes(due, due + np.array(latency_s, dtype=float), due[-1] + 1 if end_s is None else end_s, deadline_s)


def long_run(count=20_000, dropped=(7, 9_001), late=(15_000,)):
    latency = np.full(count, 0.01)
    latency[list(dropped)], latency[list(late)] = NAN, 0.5
    return times(np.arange(count) / 30, latency)


def test_each_frame_is_a_mark_in_the_lane_of_its_outcome():
    found = outcomes(times([0, 1, 2, 3], [0.05, 0.2, NAN, 0.09]))
    assert [(mark["s"], mark["outcome"]) for mark in found] == [
        (0, "in time"),
        (1, "late"),
        (2, "dropped"),
        (3, "in time"),
    ]
    assert found[2]["tooltip"] == {"Due": "2.00 s", "Dropped": "dropped"}


def test_of_a_long_run_no_miss_is_left_out_and_marks_stay_few():
    found = outcomes(long_run())
    lanes = {outcome: [m for m in found if m["outcome"] == outcome] for outcome in ("in time", "late", "dropped")}
    assert (len(lanes["in time"]), len(lanes["late"]), len(lanes["dropped"])) == (MOST_PLACES, 1, 2)
    assert lanes["late"][0]["s"] == pytest.approx(500, abs=20_000 / 30 / MOST_PLACES)
    assert lanes["late"][0]["tooltip"]["Late"] == "1 of 66"


def test_the_curve_is_the_share_answered_by_a_time_and_dropped_frames_never_are():
    found = answered_by(times([0, 1, 2, 3], [0.2, 0.05, NAN, 0.1]))
    assert [(step["ms"], step["share"]) for step in found] == [
        (pytest.approx(50), 0.25),
        (pytest.approx(100), 0.5),
        (pytest.approx(200), 0.75),
    ]
    many = answered_by(long_run())
    assert len(many) == MOST_STEPS
    assert many[-1]["share"] == (20_000 - 2) / 20_000


def test_the_deadline_is_drawn_where_it_is_also_beyond_every_answer():
    spec = answered_chart(times([0, 1], [0.004, 0.005], deadline_s=0.1), "frame")
    assert spec is not None
    ((rule,),) = layers(spec, "rule")
    assert (rule["ms"], rule["text"]) == (100, "deadline 100 ms")
    low, high = spec["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert low < 4 < 100 < high


def test_the_name_of_the_deadline_stands_where_the_curve_is_not():
    def height(latency_s):
        spec = answered_chart(times(range(100), latency_s), "frame")
        return next(each["encoding"]["y"]["value"] for each in spec["layer"] if each["mark"]["type"] == "text")

    assert height([0.01] * 100) > height([0.5] * 99 + [0.01])  # from above


def test_without_an_answer_there_is_a_strip_and_no_curve():
    none = times([0, 1], [NAN, NAN])
    assert answered_chart(none, "clip") is None
    assert {mark["outcome"] for mark in outcomes(none)} == {"dropped"}


def test_the_pictures_are_valid_vega_lite():
    run = long_run()
    for spec in (strip_chart(run, "frame"), answered_chart(run, "frame")):
        assert_valid(spec)
    assert_valid(strip_chart(times([0], [0.01]), "clip"))
