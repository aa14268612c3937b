import pytest

from co3d_bench.bench.measure import WarmUpRule, is_steady, sample, warm_up
from co3d_bench.bench.probe import Disturbance


class FakeMachine:
    """A clock that only steps, probes and bookkeeping move, by the seconds they are said to take."""

    def __init__(self, latencies, synchronize_s=0.0, probe_s=0.0):
        self.now = 0.0
        self.cpu = 0.0
        self.latencies = iter(latencies)
        self.synchronize_s = synchronize_s
        self.probe_s = probe_s
        self.seen = []
        self.probes = 0

    def clock(self):
        return self.now

    def cpu_clock(self):
        return self.cpu

    def step(self, x):
        self.seen.append(x)
        self.now += next(self.latencies)

    def synchronize(self):
        self.now += self.synchronize_s

    def probe(self):
        self.now += self.probe_s
        self.cpu += self.probe_s
        self.probes += 1
        return Disturbance(involuntary_switches=self.probes**2, steal_s=float(self.probes))


def take(machine, inputs, runs, **more):
    return sample(
        machine.step,
        inputs,
        runs,
        clock=machine.clock,
        cpu_clock=machine.cpu_clock,
        synchronize=machine.synchronize,
        probe=machine.probe,
        **more,
    )


def test_samples_are_exact_and_the_probe_is_outside_of_them():
    machine = FakeMachine([1.0, 2.0, 4.0], synchronize_s=0.5, probe_s=8.0)
    reported = []
    taken = take(machine, ["a", "b"], 3, on_sample=reported.append)
    assert taken.samples.latency_s == [1.5, 2.5, 4.5]
    assert taken.samples.involuntary_switches == [3, 5, 7]
    assert taken.samples.steal_s == [1.0, 1.0, 1.0]
    assert taken.wall_s == 8.5 + 4 * 8.0
    assert taken.own_cpu_s == 4 * 8.0
    assert machine.seen == ["a", "b", "a"]
    assert reported == [1, 2, 3]


def test_cpu_time_of_the_step_is_not_the_harness():
    machine = FakeMachine([1.0] * 4, probe_s=0.25)

    def step(x):
        machine.cpu += 100.0
        FakeMachine.step(machine, x)

    machine_step, machine.step = machine.step, step
    assert take(machine, [0], 4).own_cpu_s == 5 * 0.25
    assert machine_step is not None


WINDOW_OF_TWO = WarmUpRule(window=2)


def warm(machine, fill=0, rule=WINDOW_OF_TWO):
    return warm_up(machine.step, [0], fill=fill, clock=machine.clock, synchronize=machine.synchronize, rule=rule)


def test_warm_up_ends_when_two_windows_agree():
    warmed = warm(FakeMachine([9.0, 5.0, 1.0, 0.5, 0.25, 0.25, 0.25, 0.25]))
    assert (warmed.predictions, warmed.steady) == (8, True)
    assert warmed.seconds == 16.5


def test_a_frame_network_sees_its_receptive_field_first():
    assert warm(FakeMachine([1.0] * 50), fill=20).predictions == 20
    assert warm(FakeMachine([2.0 ** (-i) for i in range(20)] + [1.0] * 20), fill=20).predictions == 24


def test_the_limits_end_what_is_never_steady():
    def rising():
        return FakeMachine(float(i + 1) for i in range(100))

    counted = warm(rising(), rule=WarmUpRule(window=2, max_predictions=7, max_seconds=1000))
    assert (counted.predictions, counted.steady) == (7, False)
    timed = warm(rising(), rule=WarmUpRule(window=2, max_seconds=10))
    assert (timed.predictions, timed.steady) == (4, False)


@pytest.mark.parametrize(("last", "steady"), [(1.05, True), (1.06, False), (0.95, True), (0.94, False)])
def test_steady_is_within_five_percent(last, steady):
    assert is_steady([1.0] * 5 + [last] * 5, WarmUpRule(tolerance=0.05 + 1e-12)) is steady
