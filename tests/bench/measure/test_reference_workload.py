"""The reference workload: what it is called, how it is timed, and that it is the same work every time."""

import math

import pytest
import torch

from co3d_bench.bench.measure.reference_workload import BLOCKS, NETWORK, READINGS, Workload, workload_for
from co3d_bench.bench.record.record import ReferenceWorkload


def test_each_work_has_a_name_of_its_own_which_stands_for_it_for_ever():
    """Whoever changes the work changes the name here too: readings of two works are never set against each other."""
    assert NETWORK.name == "MobileNetV2 of 160 x 160"
    assert BLOCKS.name == "a block of X3D in each of 4 stages, from 24 x 4 x 28 x 28"
    assert workload_for("cpu") is NETWORK
    assert workload_for("cuda") is BLOCKS


def test_it_is_read_so_often_and_the_first_call_is_behind_it():
    now, calls = [0.0], []

    def work():
        calls.append(now[0])
        now[0] += 0.001 * len(calls)

    read = Workload("w", lambda: work).reader(clock=lambda: now[0])
    assert len(calls) == 1  # finds its code; no reading
    assert read() == pytest.approx([0.002, 0.003, 0.004, 0.005, 0.006])
    assert len(read()) == READINGS == 5
    assert len(calls) == 1 + 2 * READINGS


def test_readings_are_in_the_digits_of_a_record():
    ticks = iter(n / 3 for n in range(100))
    read = Workload("w", lambda: lambda: None).reader(clock=lambda: next(ticks))
    assert read() == (0.333333333,) * READINGS
    assert ReferenceWorkload(name="w", readings_s=read()).readings_s == (0.333333333,) * READINGS


@pytest.mark.parametrize("workload", [NETWORK, BLOCKS], ids=["network", "blocks"])
def test_it_draws_no_random_number_and_never_runs_away(workload):
    """Numbers it drew would be missing where a network draws its weights."""
    state = torch.get_rng_state()
    with torch.inference_mode():
        call = workload.make()
        first, *_, last = [call() for _ in range(3)]
    assert torch.equal(torch.get_rng_state(), state)
    if first is not None:
        assert torch.equal(first, last)
        assert 1e-6 < first.abs().max().item() < 1e6
    readings = workload.reader()()
    assert len(readings) == READINGS
    assert all(0 < reading < math.inf for reading in readings)
