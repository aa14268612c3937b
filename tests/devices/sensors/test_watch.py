import math
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.devices.profile import list_profiles
from co3d_bench.devices.sensors import Figure, Reading
from co3d_bench.devices.sensors.sampler import Log, collect, parse_log
from co3d_bench.devices.sensors.throttle import could_tell, throttled
from co3d_bench.devices.sensors.watch import Seen, Spread, Watch, around, spread

from ..boards import board

GAUGE, COUNTER, FLAGS = Figure("power_w/a"), Figure("energy_j/a", kind="counter"), Figure("gpu_throttle", kind="flags")
PROFILES = {profile.name: profile for profile in list_profiles()}


class FakeSensor:
    figures = (GAUGE, COUNTER)

    def __init__(self):
        self.reads = 0

    def read(self):
        self.reads += 1
        return {GAUGE.name: Reading(10.0 + self.reads), COUNTER.name: Reading(100.0 * self.reads)}


def test_readings_are_taken_at_their_times():
    now = [5.0]
    waits = []

    def wait(seconds):
        waits.append(seconds)
        now[0] += seconds + (2.0 if len(waits) == 2 else 0.0)  # the second one comes late
        return len(waits) == 4

    log = collect([FakeSensor()], 1.0, wait, clock=lambda: now[0], cpu_clock=lambda: now[0] / 10)
    assert log.times == (5.0, 6.0, 9.0, 9.0, 10.0)
    assert [reading.value for reading in log.readings[GAUGE.name]] == [11, 12, 13, 14, 15]
    assert waits == [1.0, 1.0, 0.0, 1.0]
    assert log.cpu_s == pytest.approx(0.5)


def test_only_some_figures_may_be_asked_for():
    log = collect([FakeSensor()], 1.0, lambda _: True, only=("energy_j",))
    assert [figure.name for figure in log.figures] == [COUNTER.name]
    assert set(log.readings) == {COUNTER.name}


READINGS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(Reading),
    st.text(min_size=1, max_size=5).map(lambda text: Reading(reason=text)),
    st.lists(st.text(max_size=3), min_size=1, max_size=2).map(lambda words: Reading(words=tuple(words))),
)


@given(st.lists(READINGS, max_size=5))
def test_a_log_is_read_as_it_was_sent(series):
    log = Log((GAUGE, FLAGS), tuple(range(len(series))), {GAUGE.name: series, FLAGS.name: series}, 0.25, 0.5)
    assert parse_log(log.line()) == log


@pytest.mark.parametrize("line", ["", "3", "{}", "[]", '{"figures": [{"nome": 1}]}'])
def test_what_is_no_log_is_told(line):
    with pytest.raises(ValueError, match=r"log of sensors|Expecting"):
        parse_log(line)


def log_of(figure, *pairs):
    return Log((figure,), tuple(time for time, _ in pairs), {figure.name: [reading for _, reading in pairs]})


def values(*numbers):
    return [(float(time), Reading(float(value))) for time, value in enumerate(numbers)]


def test_before_during_and_after():
    (seen,) = around(log_of(GAUGE, *values(10, 20, 40, 30, 5)), 0.5, 3.5)
    assert seen == Seen(GAUGE, before=10, during=Spread(20, 30, 40, 3), after=5)
    (seen,) = around(log_of(COUNTER, *values(100, 110, 140, 170, 175)), 0.5, 3.5)
    assert (seen.before, seen.added, seen.after) == (100, 75, 175)


def test_a_stretch_between_two_readings_has_those_two():
    (seen,) = around(log_of(GAUGE, *values(10, 20)), 0.2, 0.4)
    assert seen.during == Spread(10, 15, 20, 2)


def test_a_reason_stays_and_values_beside_it_too():
    (seen,) = around(log_of(GAUGE, (0.0, Reading(reason="off")), (1.0, Reading(reason="off"))), 0.2, 0.8)
    assert (seen.reason, seen.during, seen.before) == ("off", None, None)
    pairs = [*values(10, 20, 30), (3.0, Reading(reason="off")), (4.0, Reading(40.0))]
    (seen,) = around(log_of(GAUGE, *pairs), 0.5, 3.5)
    assert (seen.reason, seen.during) == ("off", Spread(20, 25, 30, 2))


def test_flags_are_every_word_that_was_set():
    words = [Reading(words=w) for w in ((), ("a",), ("b", "a"), ("c",))]
    (seen,) = around(log_of(FLAGS, *enumerate(words)), 0.5, 2.5)
    assert (seen.words, seen.words_before) == (("a", "b", "c"), ())


@given(st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=1, max_size=20))
def test_a_spread_is_ordered_and_of_its_values(numbers):
    found = spread(sorted(numbers))
    assert found.min == min(numbers)
    assert found.max == max(numbers)
    assert found.min <= found.median <= found.max
    assert sum(value <= found.median for value in numbers) >= math.ceil(len(numbers) / 2)


def test_signs_of_throttling():
    def counter(name, added):
        return Seen(Figure(name, kind="counter"), 0.0, None, added, added)

    def gauge(name, before, low, high):
        return Seen(Figure(name), before, Spread(low, low, high, 3), None, before)

    quiet = [
        counter("cpu_throttle_events", 0.0),
        counter("throttle_events/oc1", 0.0),
        counter("gpu_power_capped_s", 3.0),
        counter("gpu_thermal_capped_s", None),
        gauge("cooling_state/gpu-throttle", 0, 0, 0),
        gauge("gpu_max_hz", 1.3e9, 1.3e9, 1.3e9),
        gauge("gpu_hz", 1.3e9, 1.0e9, 1.3e9),
        Seen(FLAGS, words=("power cap (software)",)),
        Seen(FLAGS, reason="not supported"),
    ]
    assert throttled(quiet) == ()
    # What has no value, or shows nothing of throttling, is no evidence that there was none.
    assert [could_tell([seen]) for seen in quiet] == [True, True, False, False, True, True, False, True, False]
    loud = [
        counter("cpu_throttle_events", 2.0),
        counter("throttle_events/oc1", 1.0),
        counter("gpu_thermal_capped_s", 0.5),
        gauge("cooling_state/gpu-throttle", 0, 0, 2),
        gauge("gpu_max_hz", 1.3e9, 0.9e9, 1.3e9),
        Seen(FLAGS, words=("power cap (software)", "thermal slowdown (hardware)")),
    ]
    assert throttled(loud) == (
        "the processor was throttled 2 x",
        "over-current or under-voltage: 1 x oc1",
        "GPU: slowed down by heat for 0.5 s",
        "gpu-throttle was at work (state 2)",
        "GPU: the cap of its clock fell from 1300 to 900 MHz",
        "GPU: thermal slowdown (hardware)",
    )
    assert all(could_tell([seen]) for seen in loud)


def test_a_process_of_its_own_reads_a_board(tmp_path):
    board(tmp_path, "tx2")
    log = Watch(PROFILES["tx2"], interval_s=0.01, sysroot=tmp_path).stop()
    assert log.reason is None
    assert len(log.times) >= 2
    assert log.times == tuple(sorted(log.times))
    assert {reading.value for reading in log.readings["power_w/board"]} == {3.056}
    assert log.cpu_s > 0


def test_a_sampler_that_cannot_start_is_a_reason(monkeypatch):
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert "could not be started" in Watch(PROFILES["cpu"]).stop().reason
    monkeypatch.setattr("sys.executable", "/bin/false")
    assert "ended at its start" in Watch(PROFILES["cpu"]).stop().reason

    class Gone(subprocess.Popen):
        """It has ended before anything is written to it."""

        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.wait()

    monkeypatch.setattr("subprocess.Popen", Gone)
    assert "ended at its start" in Watch(PROFILES["cpu"]).stop().reason


def test_sensors_that_give_nothing_are_not_asked_again():
    from co3d_bench.devices.sensors import Absent

    def wait(seconds):
        raise AssertionError("it waited")

    log = collect([Absent((GAUGE,), "none here")], 1.0, wait)
    assert [reading.reason for reading in log.readings[GAUGE.name]] == ["none here"]
