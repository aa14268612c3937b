from dataclasses import replace

import pytest

from co3d_bench.bench.measure import FEWEST, WarmUpRule, sample, warm_up
from co3d_bench.bench.passes import undisturbed
from co3d_bench.bench.probe import Disturbance
from co3d_bench.bench.steady import SteadyRule

from ..factories import make_record


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


def test_as_many_more_are_taken_as_are_asked_for_and_nothing_falls_between():
    machine = FakeMachine([1.0] * 6, probe_s=0.5)
    asked = []

    def further(samples, spent_s):
        asked.append((len(samples), spent_s))
        machine.now += 100.0  # asking takes time, which is in no sample
        return {2: 3, 5: 1, 6: 0}[len(samples)]

    taken = take(machine, [0], 2, further=further)
    assert taken.samples.latency_s == [1.0] * 6
    assert [count for count, _ in asked] == [2, 5, 6]
    assert asked[0][1] == 2 * 1.0 + 3 * 0.5
    # What happened while it was asked belongs to no sample either: one probe more at the beginning of each round.
    assert taken.samples.steal_s == [1.0] * 6


def test_what_happens_while_others_have_their_turn_belongs_to_no_sample():
    machine = FakeMachine([1.0] * 4, probe_s=0.5)
    handed = []

    def hand_over():
        handed.append(machine.now)
        if len(handed) % 2:
            return False  # the turn goes on
        machine.now += 100.0
        machine.probes += 50  # what the other one does, the machine's counters see
        return True

    taken = take(machine, [0], 4, hand_over=hand_over)
    assert taken.samples.latency_s == [1.0] * 4
    assert taken.samples.steal_s == [1.0] * 4
    assert len(handed) == 4


@pytest.mark.parametrize(("cores", "share"), [(0.0, 0.0), (0.5, 0.5), (2.0, 1.0)])
def test_the_share_of_the_calls_in_which_the_process_computed(cores, share):
    machine = FakeMachine([1.0] * 4)
    taken = take(machine, [0], 4, work_clock=lambda: cores * machine.now)
    assert taken.samples.cpu_share == pytest.approx(share)
    assert take(FakeMachine([1.0] * 4), [0], 4).samples.cpu_share is None


def test_samples_end_when_their_time_is_over_but_for_a_few():
    late = take(FakeMachine([1.0] * 40), [0], 30, until=12.5, further=lambda samples, spent_s: 10)
    assert len(late.samples) == 13
    never = take(FakeMachine([1.0] * 40), [0], 30, until=0.0, pace=lambda: 1.0)
    assert len(never.samples) == len(never.samples.pace_s) == FEWEST


def test_the_pace_is_read_around_the_samples_and_each_has_the_slower_of_two():
    machine = FakeMachine([1.0] * 6)
    readings = iter([5.0, 7.0, 6.0, 4.0])

    def pace():
        machine.now += 0.125
        return next(readings)

    taken = take(machine, [0], 6, pace=pace, usual_pace_s=4.5, pace_every_s=2.0)
    assert taken.samples.pace_s == [7.0, 7.0, 7.0, 7.0, 6.0, 6.0]
    assert taken.samples.usual_pace_s == 4.5
    assert taken.samples.latency_s == [1.0] * 6
    assert next(readings, None) is None  # before, after the second and the fourth sample, and at the end


def test_samples_have_most_of_the_time_where_the_pace_is_slow_to_read():
    machine = FakeMachine([1.0] * 20)
    read_at = []

    def pace():
        read_at.append(machine.now)
        machine.now += 2.0
        return 2.0

    taken = take(machine, [0], 20, pace=pace)
    assert read_at == [0.0, 12.0, 24.0], "each behind samples of five times as long"
    assert len(taken.samples.pace_s) == 20


@pytest.mark.parametrize(("until", "predictions"), [(10.0, 4), (200.0, 20)])
def test_a_warm_up_ends_when_its_time_is_over_also_amid_the_receptive_field(until, predictions):
    machine = FakeMachine([float(n) for n in range(1, 100)])
    warmed = warm_up(
        machine.step, [0], fill=20, clock=machine.clock, synchronize=machine.synchronize, rule=TEN, until=until
    )
    assert (len(warmed.latency_s), warmed.steady) == (predictions, False)


TEN = WarmUpRule(steady=SteadyRule(window=10, shortest=4))


def warm(machine, fill=0, rule=TEN):
    return warm_up(machine.step, [0], fill=fill, clock=machine.clock, synchronize=machine.synchronize, rule=rule)


def test_warm_up_ends_where_the_latencies_are_one_level():
    warmed = warm(FakeMachine([1.0] * 5 + [0.5] * 20))
    assert warmed.steady
    assert warmed.latency_s == (*[1.0] * 5, *[0.5] * 9)  # of ten, one slow one is no level of its own
    assert warmed.seconds == 9.5


def test_a_frame_network_sees_its_receptive_field_first():
    assert len(warm(FakeMachine([1.0] * 50), fill=20).latency_s) == 20
    assert len(warm(FakeMachine([9.0] * 20 + [1.0] * 20), fill=20).latency_s) == 20
    assert len(warm(FakeMachine([9.0] * 14 + [1.0] * 26), fill=20).latency_s) == 23


def test_the_limits_end_what_is_never_steady():
    def rising():
        return FakeMachine(1.0 + 0.1 * i for i in range(100))

    counted = warm(rising(), rule=replace(TEN, max_predictions=17, max_seconds=1000))
    assert (len(counted.latency_s), counted.steady) == (17, False)
    timed = warm(rising(), rule=replace(TEN, max_seconds=15))
    assert (len(timed.latency_s), timed.steady) == (11, False)


def test_a_slow_network_may_take_longer_than_the_limit_to_show_that_it_is_steady():
    warmed = warm(FakeMachine([3.0] * 20), rule=replace(TEN, max_seconds=5))
    assert (len(warmed.latency_s), warmed.steady) == (10, True)


@pytest.mark.parametrize(("others", "threads"), [(None, 2), (0.02, 2), (0.9, 1)])
def test_beside_other_work_what_is_not_timed_has_one_thread(others, threads):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with undisturbed(make_record().timing.model_copy(update={"others_meanwhile": others})):
            assert torch.get_num_threads() == threads
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
