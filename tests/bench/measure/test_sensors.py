"""What the sensors beside a case were before, during and after its samples."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench.measure.job import Event, phase_event
from co3d_bench.bench.measure.sensors import SensorWatch, sensors_of, spread
from co3d_bench.bench.record.record import Record
from co3d_bench.bench.record.sensing import InMinute, SensorFigure, Sensors, Spread
from co3d_bench.devices.profile import list_profiles
from co3d_bench.devices.sensors import Figure, Reading
from co3d_bench.devices.sensors.sampler import Log

from ..records import make_record

CPU = next(profile for profile in list_profiles() if profile.name == "cpu")
GAUGE, COUNTER, FLAGS = Figure("power_w/a"), Figure("energy_j/a", kind="counter"), Figure("gpu_throttle", kind="flags")
OFF = Reading(reason="off")


def log_of(figure, *readings):
    """A log with one reading a second."""
    readings = [each if isinstance(each, Reading) else Reading(float(each)) for each in readings]
    return Log((figure,), tuple(map(float, range(len(readings)))), {figure.name: readings}, 0.01, 0.5)


def during(low, median, high, count):
    return Spread(min=low, median=median, max=high, count=count)


def test_a_log_becomes_part_of_a_record():
    sensors = sensors_of(log_of(GAUGE, 10, 20, 40, 30, 5), 0.5, 3.5)
    assert sensors.figure("power_w/a") == SensorFigure(
        name="power_w/a", before=10, during=during(20, 30, 40, 3), after=5
    )
    assert (sensors.readings, sensors.sampler_cpu_s, sensors.watched_s, sensors.interval_s) == (5, 0.01, 4.0, 0.5)
    record = make_record(sensors=sensors)
    assert Record.model_validate_json(record.model_dump_json()) == record
    assert sensors_of(Log(reason="none here"), 0, 1) == Sensors(reason="none here")
    assert make_record().sensors is None


WORDS = [Reading(words=words) for words in ((), ("a",), ("b", "a"), ("c",))]


@pytest.mark.parametrize(
    ("log", "begin", "end", "fields"),
    [
        (log_of(COUNTER, 100, 110, 140, 170, 175), 0.5, 3.5, {"before": 100, "added": 75, "after": 175}),
        # A stretch between two readings has those two.
        (log_of(GAUGE, 10, 20), 0.2, 0.4, {"before": 10, "during": during(10, 15, 20, 2), "after": 20}),
        (log_of(GAUGE, OFF, OFF), 0.2, 0.8, {"reason": "off"}),
        # A reason stays, and so do values beside it.
        (
            log_of(GAUGE, 10, 20, 30, OFF, 40),
            0.5,
            3.5,
            {"before": 10, "during": during(20, 25, 30, 2), "after": 40, "reason": "off"},
        ),
        (log_of(FLAGS, *WORDS), 0.5, 2.5, {"words": ("a", "b", "c")}),
        (log_of(FLAGS, *WORDS), 1.5, 2.5, {"words": ("b", "a", "c"), "words_before": ("a",)}),
    ],
)
def test_a_figure_before_during_and_after(log, begin, end, fields):
    (figure,), (of,) = sensors_of(log, begin, end).figures, log.figures
    assert figure == SensorFigure(name=of.name, kind=of.kind, **fields)


def minutes_of(figure, *readings, begin=0.5, end=120.5):
    """A figure minute by minute, with a reading every 20 s."""
    log = log_of(figure, *readings)
    log = replace(log, times=tuple(20.0 * number for number in range(len(log.times))))
    return sensors_of(log, begin, end).figures[0].minutes


def test_long_samples_are_kept_minute_by_minute():
    assert minutes_of(GAUGE, *range(8)) == (
        InMinute(during=during(1, 2, 3, 3)),
        InMinute(during=during(4, 5, 6, 3)),
    )
    assert minutes_of(COUNTER, 0, 5, 5, 7, 7, 8, 9, 30) == (InMinute(added=7), InMinute(added=2))
    words = [Reading(words=(word,)) if word else Reading() for word in ("", "", "a", "", "", "b", "c", "d")]
    assert minutes_of(FLAGS, *words) == (InMinute(words=("a",)), InMinute(words=("b", "c")))
    # The last minute is longer; below two there is nothing to set against the first.
    assert [minute.during.count for minute in minutes_of(GAUGE, *range(10), end=170.5)] == [3, 5]
    assert minutes_of(GAUGE, *range(8), end=120) == ()


def test_a_minute_without_a_reading_is_empty_and_not_its_neighbour():
    assert minutes_of(GAUGE, 1, 2, 3, 4, OFF, OFF, OFF, 8)[1] == InMinute()
    assert minutes_of(COUNTER, OFF, OFF, 5, 7, 7, 8, 9, 10) == (InMinute(), InMinute(added=2))
    assert minutes_of(GAUGE, OFF, OFF) == ()


def test_the_length_of_the_samples_may_be_given():
    now = iter([1.5, 99.0])
    watched = SensorWatch(CPU, lambda _: None, clock=lambda: next(now), start=FakeWatch(log_of(GAUGE, *range(6))))
    watched.emit(phase_event("sampling", 0, 9))
    watched.emit(Event(event="sampled"))
    assert watched.stop(length_s=2.0).figure("power_w/a").during == during(2, 2.5, 3, 2)


@given(st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=1, max_size=20))
def test_a_spread_is_ordered_and_of_its_values(numbers):
    found = spread(numbers)
    assert found.min == min(numbers)
    assert found.max == max(numbers)
    assert found.min <= found.median <= found.max
    assert sum(value <= found.median for value in numbers) >= math.ceil(len(numbers) / 2)


class FakeWatch:
    def __init__(self, log):
        self.log = log

    def __call__(self, profile, **_):
        return self

    def stop(self):
        return self.log


def test_the_stretch_is_that_of_the_samples():
    now = iter([1.5, 3.5])
    passed = []
    watched = SensorWatch(CPU, passed.append, clock=lambda: next(now), start=FakeWatch(log_of(GAUGE, *range(6))))
    events = [
        phase_event("warming"),
        phase_event("sampling", 0, 9),
        phase_event("sampling", 5, 9),
        Event(event="sampled"),
    ]
    for event in events:
        watched.emit(event)
    assert passed == events
    figure = watched.stop().figure("power_w/a")
    assert (figure.before, figure.during.count, figure.after) == (1.0, 2, 4.0)


def test_without_samples_there_is_a_reason():
    watched = SensorWatch(CPU, lambda event: None, start=FakeWatch(Log()))
    assert watched.stop().reason == "no samples were taken"
