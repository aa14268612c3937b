"""The ceilings: the best of several, by a clock of our own."""

from __future__ import annotations

import time
from itertools import chain, repeat

import pytest
import torch

from co3d_bench.bench.measure.ceilings import best_s, measure_ceilings


def clock_of(durations):
    """A clock that stands still but during a call, which takes these seconds one after the other."""
    now = 0.0
    left = iter(durations)

    def clock():
        return now

    def call():
        nonlocal now
        now += next(left)

    return clock, call


def test_the_best_counts_and_the_first_call_does_not():
    clock, call = clock_of([0.001, 0.3, 0.1, 0.2])
    assert best_s(call, clock=clock, budget_s=0.0, least=3) == pytest.approx(0.1)


def test_it_goes_on_until_the_budget_is_spent():
    clock, call = clock_of(chain([9.0, 0.3, 0.3, 0.3, 0.1], repeat(5.0)))
    assert best_s(call, clock=clock, budget_s=0.95, least=3) == pytest.approx(0.1)


def test_a_real_machine_has_ceilings_that_can_be():
    found = measure_ceilings(time.perf_counter, gemm_size=256, copy_bytes=1 << 20)
    assert 1e7 < found.gemm_macs_per_s < 1e14
    assert 1e7 < found.copy_bytes_per_s < 1e13
    assert 1e-8 < found.call_s < 1e-2
    assert 0 <= found.event_s < 1e-2
    assert found.threads == torch.get_num_threads()
