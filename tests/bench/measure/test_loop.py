from dataclasses import replace

import pytest

from co3d_bench.bench.measure.loop import FEWEST, MOST, WarmUpRule, sample, warm_up
from co3d_bench.bench.measure.passes import undisturbed
from co3d_bench.bench.measure.probe import Disturbance

from ...factories import make_record


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


def test_so_many_are_taken_as_are_asked_for_and_more_until_they_last_long_enough():
    assert len(take(FakeMachine([1.0] * 40), [0], 4).samples) == 4
    assert len(take(FakeMachine([1.0] * 40), [0], 4, min_s=3.5).samples) == 4  # it lasted longer already
    longer = take(FakeMachine([1.0] * 40), [0], 4, min_s=9.5)
    assert len(longer.samples) == 10
    assert longer.wall_s == 10.0
    machine = FakeMachine([1.0] * 40, probe_s=1.0)
    assert len(take(machine, [0], 2, min_s=9.5).samples) == 5  # by the wall: probes are part of it


def test_however_short_a_call_is_a_record_stays_a_line():
    assert len(take(FakeMachine([1e-6] * 3000), [0], 15, min_s=1.0).samples) == MOST
    assert len(take(FakeMachine([1e-6] * 3000), [0], MOST + 7, min_s=1.0).samples) == MOST + 7


def test_samples_end_when_their_time_is_over_but_for_a_few():
    assert len(take(FakeMachine([1.0] * 40), [0], 30, until=12.5).samples) == 13
    assert len(take(FakeMachine([1.0] * 40), [0], 30, min_s=20.0, until=12.5).samples) == 13
    assert len(take(FakeMachine([1.0] * 40), [0], 30, until=0.0).samples) == FEWEST
    assert len(take(FakeMachine([1.0] * 40), [0], 2, until=0.0).samples) == 2  # no more were asked for


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
    assert len(handed) == 4, "the last sample is followed by a turn, too"


@pytest.mark.parametrize(("until", "predictions"), [(360.0, 4), (1750.0, 20)])
def test_a_warm_up_ends_when_its_time_is_over_also_amid_the_receptive_field(until, predictions):
    machine = FakeMachine([100.0 - n for n in range(1, 100)])
    warmed = warm_up(
        machine.step, [0], fill=20, clock=machine.clock, synchronize=machine.synchronize, rule=TEN, until=until
    )
    assert (len(warmed.latency_s), warmed.stable) == (predictions, False)


TEN = WarmUpRule(window=10)


def warm(machine, fill=0, rule=TEN):
    return warm_up(machine.step, [0], fill=fill, clock=machine.clock, synchronize=machine.synchronize, rule=rule)


def test_warm_up_ends_where_the_latencies_fall_no_more():
    warmed = warm(FakeMachine([1.0] * 5 + [0.5] * 20))
    assert warmed.stable
    assert warmed.latency_s == (*[1.0] * 5, *[0.5] * 8)  # of the last ten, the older five are mostly the new level
    assert warmed.seconds == 9.0


def test_a_frame_network_sees_its_receptive_field_first():
    assert len(warm(FakeMachine([1.0] * 50), fill=20).latency_s) == 20
    assert len(warm(FakeMachine([9.0] * 20 + [1.0] * 20), fill=20).latency_s) == 20
    assert len(warm(FakeMachine([9.0] * 14 + [1.0] * 26), fill=20).latency_s) == 22


def test_the_limits_end_what_is_never_stable():
    def falling():
        return FakeMachine(0.95**i for i in range(100))

    counted = warm(falling(), rule=replace(TEN, max_predictions=17, max_seconds=1000))
    assert (len(counted.latency_s), counted.stable) == (17, False)
    timed = warm(falling(), rule=replace(TEN, max_seconds=9))
    assert (len(timed.latency_s), timed.stable) == (12, False)


def test_what_becomes_slower_is_warm():
    assert warm(FakeMachine(1.0 + 0.1 * i for i in range(100))).stable


def test_a_slow_network_may_take_longer_than_the_limit_to_show_that_it_is_stable():
    warmed = warm(FakeMachine([3.0] * 20), rule=replace(TEN, max_seconds=5))
    assert (len(warmed.latency_s), warmed.stable) == (10, True)


@pytest.mark.parametrize(("load", "threads"), [(None, 2), (0.02, 2), (0.9, 1)])
def test_beside_other_work_what_is_not_timed_has_one_thread(load, threads):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with undisturbed(make_record().timing.model_copy(update={"background_load": load})):
            assert torch.get_num_threads() == threads
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
