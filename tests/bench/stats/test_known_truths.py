"""A network of which everything is known beforehand, measured as any other, in a process of its own."""

import time
from statistics import median

import pytest
from tiny_run import WORKER, config
from tiny_zoo import KNOWN_BYTES, KNOWN_MACS, KNOWN_S

from co3d_bench.bench.measure.loop import Instruments, loop_overhead_s
from co3d_bench.bench.measure.probe import KernelProbe, thread_seconds
from co3d_bench.bench.run.run import run

WEIGHTS = 8 * 4 * 4  # bytes, as all that follow
INPUT = 3 * 4 * 8 * 8 * 4
PRODUCT = 3 * 4 * 8 * 4 * 4  # what comes of it, there while the scratch is


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    made = config(tmp_path_factory.mktemp("known"), ["known"], runs=64)
    (found,) = run(made, worker=WORKER)
    assert found.error is None, found.error
    return found


def test_the_time_is_right_within_a_hundredth(record):
    """This network ends by the clock."""
    assert median(record.timing.samples.latency_s) == pytest.approx(KNOWN_S, rel=0.01)


def test_bytes_are_exact(record):
    assert record.counters.peak_allocated_bytes == WEIGHTS + INPUT + PRODUCT + KNOWN_BYTES
    assert record.counters.weights_bytes == WEIGHTS
    assert record.counters.input_bytes == INPUT


def test_multiply_accumulates_are_exact(record):
    assert record.counters.macs == record.counters.macs_once == KNOWN_MACS
    assert record.counters.flops_torch == 2 * KNOWN_MACS
    assert record.counters.parameters == 8 * 4


def test_what_the_timed_loop_costs_is_reported_and_is_little(record):
    assert record.timing.loop_overhead_s > 0
    # Of several, for a busy machine may interrupt any: less than 0.5 % of a step of 30 ms.
    instruments = Instruments(time.perf_counter, thread_seconds, KernelProbe())
    assert min(loop_overhead_s(instruments) for _ in range(5)) < 0.005 * 0.03
