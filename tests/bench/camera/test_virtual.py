"""The loop on a virtual clock, against closed forms and a simulator that is written in another way."""

import math
import random

import numpy as np
import pytest

from co3d_bench.bench.camera.virtual import simulate
from co3d_bench.bench.stats.camera import FrameTimes

PERIOD_S = 1 / 32  # powers of two: sums are exact


def due_times(count, period_s=PERIOD_S):
    return [number * period_s for number in range(count)]


def figures(timeline, deadline_s=0.1, end_s=0.0):
    return FrameTimes(np.array(timeline.due_s), np.array(timeline.answered_s), end_s, deadline_s)


def other_simulator(due_s, service_s, capacity, policy):
    """When each frame is answered, by walking from event to event instead of from frame to frame."""
    answered = [math.nan] * len(due_s)
    waiting, arriving, now, done, busy_until, serving = [], list(range(len(due_s))), 0.0, 0, math.inf, None
    while arriving or waiting or serving is not None:
        if serving is None and waiting:
            serving = waiting.pop(0)
            busy_until = now + service_s[done % len(service_s)]
            done += 1
        room = policy != "block" or len(waiting) < capacity
        arrival = max(due_s[arriving[0]], now) if arriving and room else math.inf
        if serving is not None and busy_until < arrival:
            now, answered[serving], serving, busy_until = busy_until, busy_until, None, math.inf
            continue
        now = arrival
        waiting.append(arriving.pop(0))
        if len(waiting) > capacity:
            waiting.pop(0 if policy == "newest" else -1)
        if serving is not None and busy_until == now:  # a frame that comes as the network is done still finds it busy
            answered[serving], serving, busy_until = busy_until, None, math.inf
    return answered


def test_a_network_that_keeps_up():
    """Service S below the period P: mean age S + P/2 over whole periods, peak S + P, nothing dropped."""
    service_s = 1 / 64
    timeline = simulate(due_times(1000), [service_s], 1, "newest")
    found = figures(timeline)
    assert found.dropped == 0
    assert set(found.latency_s) == {service_s}
    assert found.mean_age_s == service_s + PERIOD_S / 2
    assert found.peak_age_s == service_s + PERIOD_S
    assert found.longest_gap_s == PERIOD_S


def test_overload_of_one_and_a_half_drops_a_third():
    timeline = simulate(due_times(3001), [1.5 * PERIOD_S], 1, "newest")
    found = figures(timeline)
    assert found.dropped == 1000
    # Every other answer begins when its frame comes, the others half a period later.
    assert set(found.latency_s[np.isfinite(found.latency_s)]) <= {1.5 * PERIOD_S, 2 * PERIOD_S}


def test_overload_with_a_queue_that_keeps_the_oldest_ends_at_its_full_length():
    timeline = simulate(due_times(3000), [1.5 * PERIOD_S], 4, "oldest")
    late = figures(timeline).latency_s
    finite = late[np.isfinite(late)]
    # Three that wait before it, itself, and the one that is being answered since half a period.
    assert finite.max() == (3 + 1) * 1.5 * PERIOD_S + 1.0 * PERIOD_S
    assert len(finite) == pytest.approx(2000, abs=5)


def test_a_camera_that_blocks_drops_nothing_and_its_latency_grows_without_end():
    timeline = simulate(due_times(1000), [1.5 * PERIOD_S], 1, "block")
    found = figures(timeline)
    assert found.dropped == 0
    assert found.latency_s[-1] == 1.5 * PERIOD_S + 999 * 0.5 * PERIOD_S


def test_two_alternating_service_times():
    """Half a period and two periods: in steady state a frame in three is dropped."""
    timeline = simulate(due_times(3000), [PERIOD_S / 2, 2 * PERIOD_S], 1, "newest")
    assert figures(timeline).answered_s.tolist() == pytest.approx(
        other_simulator(due_times(3000), [PERIOD_S / 2, 2 * PERIOD_S], 1, "newest"), nan_ok=True, abs=0
    )


def test_a_stall_of_one_second_is_one_gap():
    services = [PERIOD_S / 2] * 100 + [1.0] + [PERIOD_S / 2] * 899
    found = figures(simulate(due_times(960), services, 1, "newest"), end_s=due_times(960)[-1])
    assert found.longest_gap_s == 1.0 + PERIOD_S / 2
    assert found.dropped == 31  # of 32 that came meanwhile, one waited


@pytest.mark.parametrize("capacity", [1, 4])
@pytest.mark.parametrize("policy", ["newest", "oldest", "block"])
def test_equal_to_another_simulator(policy, capacity):
    draw = random.Random(f"{policy}{capacity}")
    for _ in range(10_000 // 6 + 1):
        count = draw.randint(1, 30)
        due_s = [draw.randint(1, 6) / 64 for _ in range(count)]
        due_s = [sum(due_s[: number + 1]) for number in range(count)]
        services = [draw.randint(1, 40) / 256 + 1 / 4096 for _ in range(count)]  # never as a frame comes
        timeline = simulate(due_s, services, capacity, policy)
        expected = other_simulator(due_s, services, capacity, policy)
        assert [None if math.isnan(t) else t for t in timeline.answered_s] == [
            None if math.isnan(t) else t for t in expected
        ]
        stamps = [t for t in expected if not math.isnan(t)]
        queries = sorted([*due_s, *stamps])
        assert figures(timeline).newest_answers(np.array(queries)).tolist() == newest_by_walking(stamps, queries)


def newest_by_walking(stamps, queries):
    """The rule of streaming perception (sAP, mtli/sAP det/streaming_eval.py): at each query time the last answer that
    is there by then; -1: none."""
    last, found = -1, []
    for query in queries:
        while last + 1 < len(stamps) and stamps[last + 1] <= query:
            last += 1
        found.append(last)
    return found
