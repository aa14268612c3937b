import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench.measure.energy import METERS, Meter, at, energy_of, energy_pass, find_meter, integral, needed_s
from co3d_bench.bench.measure.loop import Calls
from co3d_bench.bench.record.sensing import Energy, EnergyBlock
from co3d_bench.bench.stats.metrics import get_metric
from co3d_bench.devices.profile import list_profiles
from co3d_bench.devices.sensors import Figure, Reading
from co3d_bench.devices.sensors.sampler import Log

from ..records import make_record

CPU = next(profile for profile in list_profiles() if profile.name == "cpu")
POWER, COUNTER = Meter("power_w/board", False, 10.0), Meter("energy_j/gpu", True, 2.0)


def log_of(name, points):
    times = tuple(time for time, _ in points)
    return Log((Figure(name),), times, {name: [Reading(value) for _, value in points]}, 0.01, 0.5)


class World:
    """A device of 5 W when idle and 20 W when busy; a call takes 10 ms. Its meter is read all along."""

    def __init__(self, meter, step_s=0.05):
        self.meter, self.step_s, self.now, self.joules = meter, step_s, 0.0, 0.0
        self.points = []
        self.ready = lambda: None

    def pass_time(self, seconds, watts):
        end = self.now + seconds
        while self.now < end - 1e-9:
            part = min(self.step_s, end - self.now)
            # The figure of power jitters by a hair, as a real one does; its mean is right.
            jitter = 0.001 * (-1) ** len(self.points)
            self.points.append((self.now, self.joules if self.meter.counter else watts + jitter))
            self.now += part
            self.joules += part * watts

    def __call__(self, *_, **__):
        return self

    def stop(self):
        self.pass_time(0.1, 5.0)
        return log_of(self.meter.figure, self.points)


@pytest.mark.parametrize("meter", [POWER, COUNTER])
def test_energy_of_a_call_with_and_without_the_idle_part(meter):
    world = World(meter)
    energy = energy_pass(
        CPU,
        Calls(lambda x: world.pass_time(0.01, 20.0), ["x"], lambda: None),
        clock=lambda: world.now,
        sleep=lambda seconds: world.pass_time(seconds, 5.0),
        start=world,
        find=lambda profile: (meter, "of the board"),
    )
    assert energy.reason is None
    assert (len(energy.busy), len(energy.idle), energy.quantity) == (3, 4, "of the board")
    assert all(block.seconds == pytest.approx(meter.block_s, abs=0.02) for block in (*energy.busy, *energy.idle))
    record = make_record(energy=energy)
    # 20 W for 10 ms are 200 mJ; above the 5 W of idling 150 mJ. Where blocks meet, power is read with an error of one
    # interval in ten seconds.
    assert get_metric("energy").value(record) == pytest.approx(0.2, rel=0.01)
    assert get_metric("energy_above_idle").value(record) == pytest.approx(0.15, rel=0.01)
    assert get_metric("energy").value(make_record()) is None
    assert get_metric("energy").value(make_record(energy=Energy(reason="none"))) is None


def test_a_call_of_several_streams_answers_for_each():
    case = make_record().case.model_copy(update={"batch": 4})
    block = EnergyBlock(seconds=2, calls=10, energy_j=40, fresh_readings=9)
    idle = EnergyBlock(seconds=1, calls=0, energy_j=5, fresh_readings=9)
    record = make_record(case=case, energy=Energy(busy=(block,), idle=(idle,)))
    assert get_metric("energy").value(record) == 1
    assert get_metric("energy_above_idle").value(record) == 0.75


def test_a_sensor_that_stands_still_gives_no_energy():
    log = log_of(POWER.figure, [(float(t), 7.0) for t in range(40)])
    energy = energy_of(log, POWER, None, [(1.0, 11.0, 0), (11.0, 21.0, 50)])
    assert "did not change" in energy.reason
    assert energy.busy == ()


def test_a_sensor_that_was_not_read_all_the_time_gives_no_energy():
    energy = energy_of(log_of(POWER.figure, [(5.0, 7.0), (6.0, 8.0)]), POWER, None, [(1.0, 11.0, 3)])
    assert "all the time" in energy.reason


def test_too_little_time_is_a_reason():
    def never(*_, **__):
        raise AssertionError("it was started")

    energy = energy_pass(
        CPU, Calls(never, ["x"], never), time_left_s=30, start=never, find=lambda profile: (POWER, None), clock=never
    )
    assert needed_s(POWER) > 30
    assert "raise run.timeout_s" in energy.reason


def test_what_this_machine_has_is_a_meter_or_a_reason():
    found = find_meter(CPU)
    assert found[0] in METERS if isinstance(found, tuple) else found


@given(
    st.lists(st.tuples(st.floats(0.01, 5), st.floats(0, 100)), min_size=2, max_size=20),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_energy_of_a_stretch_is_that_of_its_parts(steps, a, b, c):
    points, now = [], 0.0
    for gap, watts in steps:
        points.append((now, watts))
        now += gap
    last = points[-1][0]
    begin, middle, end = sorted(share * last for share in (a, b, c))
    whole = integral(points, begin, end)
    parts = integral(points, begin, middle) + integral(points, middle, end)
    assert whole == pytest.approx(parts, abs=1e-6)
    assert min(w for _, w in points) * (end - begin) - 1e-6 <= whole <= max(w for _, w in points) * (end - begin) + 1e-6


def test_outside_of_the_readings_there_is_no_value():
    points = [(1.0, 10.0), (3.0, 20.0)]
    assert [at(points, time) for time in (0.5, 1.0, 2.0, 3.0, 3.5)] == [None, 10.0, 15.0, 20.0, None]
    assert at([], 1.0) is None
    assert not math.isnan(integral(points, 1.0, 3.0))
