import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench.measure.loop import (
    FEWEST,
    MOST,
    REPORT_EVERY_S,
    WARMUP_KEPT,
    WINDOW,
    Calls,
    Instruments,
    SamplingRule,
    WarmUpRule,
    blocks,
    is_stable,
    loop_overhead_s,
    median,
    sample,
    seldom,
    timing_fields,
    warm_up,
)
from co3d_bench.bench.measure.passes import undisturbed
from co3d_bench.bench.measure.probe import Disturbance
from co3d_bench.bench.record.record import Timing

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


def calls(machine, inputs=(0,)):
    return Calls(machine.step, inputs, machine.synchronize)


def instruments(machine):
    return Instruments(machine.clock, machine.cpu_clock, machine.probe)


def take(machine, runs, inputs=(0,), min_s=0.0, until=float("inf"), **more):
    return sample(calls(machine, inputs), instruments(machine), SamplingRule(runs, min_s, until), **more)


def test_samples_are_exact_and_the_probe_is_outside_of_them():
    machine = FakeMachine([1.0, 2.0, 4.0], synchronize_s=0.5, probe_s=8.0)
    reported = []
    taken = take(machine, 3, ["a", "b"], on_sample=reported.append)
    assert taken.latency_s == [1.5, 2.5, 4.5]
    assert taken.involuntary_switches == [3, 5, 7]
    assert taken.steal_s == [1.0, 1.0, 1.0]
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
    assert take(machine, 4).own_cpu_s == 5 * 0.25
    assert machine_step is not None


def test_so_many_are_taken_as_are_asked_for_and_more_until_they_last_long_enough():
    assert len(take(FakeMachine([1.0] * 40), 4).latency_s) == 4
    assert len(take(FakeMachine([1.0] * 40), 4, min_s=3.5).latency_s) == 4  # it lasted longer already
    longer = take(FakeMachine([1.0] * 40), 4, min_s=9.5)
    assert len(longer.latency_s) == 10
    assert longer.wall_s == 10.0
    machine = FakeMachine([1.0] * 40, probe_s=1.0)
    assert len(take(machine, 2, min_s=9.5).latency_s) == 5  # by the wall: probes are part of it


def test_however_short_a_call_is_a_record_stays_a_line():
    assert len(take(FakeMachine([1e-6] * 3000), 15, min_s=1.0).latency_s) == MOST
    assert len(take(FakeMachine([1e-6] * 3000), MOST + 7, min_s=1.0).latency_s) == MOST + 7


def test_samples_end_when_their_time_is_over_but_for_a_few():
    assert len(take(FakeMachine([1.0] * 40), 30, until=12.5).latency_s) == 13
    assert len(take(FakeMachine([1.0] * 40), 30, min_s=20.0, until=12.5).latency_s) == 13
    assert len(take(FakeMachine([1.0] * 40), 30, until=0.0).latency_s) == FEWEST
    assert len(take(FakeMachine([1.0] * 40), 2, until=0.0).latency_s) == 2  # no more were asked for


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

    taken = take(machine, 4, hand_over=hand_over)
    assert taken.latency_s == [1.0] * 4
    assert taken.steal_s == [1.0] * 4
    assert len(handed) == 4, "the last sample is followed by a turn, too"


@pytest.mark.parametrize(("until", "predictions"), [(360.0, 4), (1750.0, 20)])
def test_a_warm_up_ends_when_its_time_is_over_also_amid_the_receptive_field(until, predictions):
    machine = FakeMachine([100.0 - n for n in range(1, 100)])
    warmed = warm_up(calls(machine), machine.clock, TEN._replace(fill=20, until=until))
    assert (len(warmed.latency_s), warmed.stable) == (predictions, False)


TEN = WarmUpRule(window=10)


def warm(machine, fill=0, rule=TEN):
    return warm_up(calls(machine), machine.clock, rule._replace(fill=fill))


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

    counted = warm(falling(), rule=TEN._replace(max_predictions=17, max_seconds=1000))
    assert (len(counted.latency_s), counted.stable) == (17, False)
    timed = warm(falling(), rule=TEN._replace(max_seconds=9))
    assert (len(timed.latency_s), timed.stable) == (12, False)


def test_what_becomes_slower_is_warm():
    assert warm(FakeMachine(1.0 + 0.1 * i for i in range(100))).stable


def test_a_slow_network_may_take_longer_than_the_limit_to_show_that_it_is_stable():
    warmed = warm(FakeMachine([3.0] * 20), rule=TEN._replace(max_seconds=5))
    assert (len(warmed.latency_s), warmed.stable) == (10, True)


def test_too_few_values_are_not_stable():
    assert not is_stable([1.0] * (WINDOW - 1))
    assert is_stable([1.0] * WINDOW)


@pytest.mark.parametrize(("level", "stable"), [(0.981, True), (0.979, False), (1.021, True), (3.0, True)])
def test_what_still_gets_faster_by_more_than_two_percent_is_not_warm(level, stable):
    assert is_stable([1.0] * 8 + [level] * 8) is stable


def test_only_the_newest_values_are_looked_at():
    assert is_stable([9.0] * 50 + [1.0] * WINDOW)


def test_noise_does_not_keep_a_warm_network_waiting():
    draw = random.Random(1)
    latencies = [1.0 + draw.uniform(-0.2, 0.2) for _ in range(64)]
    ends = [count for count in range(WINDOW, 65) if is_stable(latencies[:count])]
    assert ends[0] < 2 * WINDOW


def test_one_slow_value_among_fast_ones_changes_nothing():
    assert is_stable([1.0] * 7 + [30.0] + [1.0] * 8)


def test_latencies_that_still_fall_are_found_out():
    falling = [1.0 + 0.5 * 0.8**n for n in range(16)]
    assert not is_stable(falling)
    assert is_stable([*falling, *[1.0] * 16])


@given(st.lists(st.floats(1e-6, 1e3), min_size=16, max_size=60))
def test_what_counts_does_not_depend_on_the_unit(values):
    assert is_stable(values) == is_stable([4 * value for value in values])


def test_the_median_of_an_even_count_is_between_the_two_in_the_middle():
    assert (median([3.0, 1.0, 2.0]), median([4.0, 1.0, 3.0, 2.0])) == (2.0, 2.5)
    with pytest.raises(ValueError, match="no values"):
        median([])


def test_what_the_loop_takes_is_timed_by_an_empty_network():
    assert loop_overhead_s(instruments(FakeMachine([], probe_s=0.5)), runs=10) == 11 * 0.5 / 10


def test_a_record_has_the_newest_of_the_warm_up_and_all_samples():
    machine = FakeMachine([1.0] * 300, probe_s=0.125)
    warmed = warm(machine, fill=150)
    fields = timing_fields(warmed, take(machine, 4))
    timing = Timing(load_s=0.0, first_prediction_s=0.0, **fields)
    assert (timing.warmup_predictions, timing.warmup_s, timing.warmup_stable) == (150, 150.0, True)
    assert timing.warmup_latency_s == [1.0] * WARMUP_KEPT
    assert (timing.samples.latency_s, timing.samples.steal_s) == ([1.0] * 4, [1.0] * 4)
    assert timing.sampling_wall_s == 4.625
    assert timing.harness_cpu_share == 0.625 / 4.625


def test_idle_and_busy_blocks_alternate():
    machine = FakeMachine(itertools.repeat(0.75))

    def sleep(seconds):
        machine.now += seconds

    found = blocks(calls(machine), 2, 2.0, machine.clock, sleep)
    assert found == [(0.0, 2.0, 0), (2.0, 4.25, 3), (4.25, 6.25, 0), (6.25, 8.5, 3), (8.5, 10.5, 0)]


def test_progress_is_reported_seldom():
    now, reported = [0.0], []
    report = seldom(reported.append, lambda: now[0])
    for done in range(1, 9):
        now[0] += REPORT_EVERY_S / 4
        report(done)
    assert reported == [4, 8]


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
