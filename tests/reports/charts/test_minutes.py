"""A long run minute by minute as pictures."""

import math

import numpy as np
import pytest

from co3d_bench.bench.stats.camera import FrameTimes
from co3d_bench.reports.charts.minutes import device_by_minute, median_by_minute, missed_by_minute
from co3d_bench.reports.minutes import run_minutes

from ..device_records import by_minute
from .specs import assert_valid, layers

NAN = math.nan


def two_minutes(sensors=None):
    """One frame a second; in the second minute every frame but the first is dropped."""
    due = np.arange(120.0)
    return run_minutes(FrameTimes(due, due + ([0.05] * 60 + [0.2] + [NAN] * 59), 120, 0.1), sensors)


def test_minute_by_minute_misses_and_medians():
    missed, median = missed_by_minute(two_minutes()), median_by_minute(two_minutes(), "frame")
    (bars,) = layers(missed, "bar")
    assert [(bar["minute"], bar["value"]) for bar in bars] == [(1, 0), (2, 1)]
    assert bars[1]["tooltip"] == {"Minute": "2", "Missed": "60 of 60", "p50": "dropped", "Answers": "1.67 %"}
    (dots,) = layers(median, "point")
    assert [(dot["minute"], dot["value"]) for dot in dots] == [(1, pytest.approx(50))]
    assert not layers(missed, "rect")
    assert device_by_minute(two_minutes()) == []


def test_heat_and_clocks_beside_them_with_throttled_minutes_shaded():
    found = two_minutes(by_minute())
    (heat_label, heat), (clock_label, clock) = device_by_minute(found)
    assert (heat_label, clock_label) == ("Heat of the hottest zone", "CPU clock")
    assert [dot["value"] for dot in layers(heat, "point")[0]] == [60, 85]
    assert [dot["value"] for dot in layers(clock, "point")[0]] == [3.0, 2.0]
    for spec in (heat, clock, missed_by_minute(found), median_by_minute(found, "clip")):
        ((shade,),) = layers(spec, "rect")
        assert (shade["minute"], shade["end"]) == (1.5, 2.5)
        assert shade["tooltip"]["Throttled"] == "the processor was throttled 7 x"
        assert_valid(spec)


def test_the_pictures_are_valid_vega_lite():
    assert_valid(missed_by_minute(two_minutes()))
    assert_valid(median_by_minute(two_minutes(), "clip"))
