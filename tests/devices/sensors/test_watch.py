import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.devices.profile import list_profiles
from co3d_bench.devices.sensors import Figure, Reading
from co3d_bench.devices.sensors.sampler import Log, collect, parse_log
from co3d_bench.devices.sensors.watch import Watch

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
def test_what_is_no_log_is_reported(line):
    with pytest.raises(ValueError, match=r"log of sensors|Expecting"):
        parse_log(line)


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
