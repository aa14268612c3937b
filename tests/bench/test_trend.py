"""Series of runs and the steps in them."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench.metrics import get_metric
from co3d_bench.bench.trend import MIN_LEVEL, levels, series

from ..factories import make_environment, make_failed_record, make_machine, make_noisy_record, on_slower_machine
from ..runs import make_runs

LATENCY = get_metric("latency")


def one_series(records, metric=LATENCY):
    (found,) = series(records, metric)
    return found


def test_a_level_that_changed_for_good_is_a_step_with_its_size_and_the_commit_that_came_with_it():
    found = one_series(make_runs([0.100] * 8 + [0.105] * 8))
    (step,) = found.steps
    assert step.first == 8
    assert step.change == pytest.approx(0.05, abs=0.015)
    assert step.changed == ("commit 0000000000 → 0000000100",)


def test_a_change_of_versions_at_the_step_is_told():
    records = make_runs([0.1] * 6, torch="2.12.0") + make_runs([0.1] * 6 + [0.12] * 6, seed=1)[6:]
    (step,) = one_series(records).steps
    assert "torch 2.12.0 → 2.13.0" in step.changed


def test_single_slow_runs_are_no_steps():
    latencies = [0.1] * 30
    latencies[7] = latencies[19] = 0.15
    assert one_series(make_runs(latencies)).steps == ()


def test_what_is_usual_on_a_machine_may_change_on_the_way():
    records = make_runs([0.1] * 20, scatter=0.0005)
    told = [on_slower_machine(r, *((1.0, 1.0), (1.25, 1.2))[n >= 10]) for n, r in enumerate(records)]
    found = one_series(told)
    assert found.steps == ()
    assert [point.value for point in found.points] == pytest.approx([120.0] * 20, rel=0.01)


def test_a_change_of_one_per_cent_is_not_told_of():
    assert one_series(make_runs([0.1] * 20 + [0.101] * 20, scatter=0.0005)).steps == ()


def test_too_few_runs_have_no_steps():
    assert one_series(make_runs([0.1] * MIN_LEVEL + [0.2] * (MIN_LEVEL - 1))).steps == ()


def test_noisy_runs_are_points_but_no_evidence():
    records = make_runs([0.1] * 12)
    noisy = [make_noisy_record("cox3d-m-16", run_id=f"x-{day}", started_at=f"2026-03-{day:02d}") for day in range(1, 9)]
    found = one_series(records + noisy)
    assert len(found.points) == 20
    assert found.steps == ()
    assert all(point.doubts for point in found.points[12:])


def test_two_machines_are_two_series_and_failed_cases_are_no_points():
    records = make_runs([0.1, 0.1])
    other = make_environment(machine=make_machine(cpu_model="another"))
    moved = [record.model_copy(update={"environment": other}) for record in records]
    found = series([*records, *moved, make_failed_record("cox3d-m-16")], LATENCY)
    assert [(each.machine, len(each.points)) for each in found] == [
        ("Imaginary Core i3-1005 @ 1.20GHz", 2),
        ("another", 2),
    ]


def test_several_processes_of_one_run_are_one_point_at_their_middle():
    slow, middle, fast = (make_runs([level])[0] for level in (0.12, 0.11, 0.10))
    (point,) = one_series([slow, middle, fast]).points
    assert point.value == LATENCY.value(middle)
    assert point.record == middle


def test_a_metric_where_more_is_better_is_followed_alike():
    (step,) = one_series(make_runs([0.100] * 8 + [0.120] * 8), get_metric("throughput")).steps
    assert step.change == pytest.approx(-1 / 6, abs=0.02)


@given(st.lists(st.floats(-5, 5), min_size=6, max_size=60))
def test_borders_part_the_whole_series_and_no_level_is_shorter_than_allowed(logarithms):
    borders = levels(logarithms)
    assert borders[0] == 0
    assert borders[-1] == len(logarithms)
    assert all(high - low >= MIN_LEVEL for low, high in pairwise(borders))


@given(st.integers(6, 40), st.floats(1e-6, 1e3))
def test_a_constant_has_no_step(runs, value):
    assert levels([math.log(value)] * runs) == [0, runs]
