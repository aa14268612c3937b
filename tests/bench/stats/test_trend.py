"""Series of runs and the steps in them."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.bench.record.record import ModelSource
from co3d_bench.bench.stats.metrics import get_metric
from co3d_bench.bench.stats.trend import MIN_LEVEL, changed, levels, series

from ...factories import (
    make_environment,
    make_failed_record,
    make_machine,
    make_noisy_record,
    make_wrong_record,
    on_machine_of_speed,
)
from ...runs import make_runs

LATENCY = get_metric("latency")


def one_series(records, metric=LATENCY):
    (found,) = series(records, metric)
    return found


def test_the_commit_of_a_custom_network_is_that_of_its_own_repository():
    found = []
    theirs = (("a" * 40, False), ("b" * 40, True), (None, None))
    for record, (commit, dirty) in zip(make_runs([1.0, 1.0, 1.0]), theirs, strict=True):
        source = ModelSource(file="net.py", sha256="0" * 64, git_commit=commit, git_dirty=dirty)
        found.append(record.model_copy(update={"model": record.model.model_copy(update={"source": source})}))
    one = one_series(found)
    assert [point.commit for point in one.points] == ["a" * 10, "b" * 10 + "+", None]
    moved = found[1].environment.model_copy(update={"git_commit": "c" * 40})
    assert changed(found[0], found[1].model_copy(update={"environment": moved})) == (
        "commit aaaaaaaaaa → bbbbbbbbbb",
        f"co3d-bench {found[0].environment.git_commit[:10]} → cccccccccc",
    )


def test_a_level_that_changed_for_good_is_a_step_with_its_size_and_the_commit_that_came_with_it():
    found = one_series(make_runs([0.100] * 8 + [0.105] * 8))
    (step,) = found.steps
    assert step.first == 8
    assert step.change == pytest.approx(0.05, abs=0.015)
    assert step.changed == ("commit 0000000000 → 0000000100",)


def test_a_change_of_versions_at_the_step_is_reported():
    records = make_runs([0.1] * 6, torch="2.12.0") + make_runs([0.1] * 6 + [0.12] * 6, seed=1)[6:]
    (step,) = one_series(records).steps
    assert "torch 2.12.0 → 2.13.0" in step.changed


def test_single_slow_runs_are_no_steps():
    latencies = [0.1] * 30
    latencies[7] = latencies[19] = 0.15
    assert one_series(make_runs(latencies)).steps == ()


def test_the_latency_at_one_machine_speed_stands_beside_the_measured_one_and_not_in_its_place():
    records = make_runs([0.1] * 20, scatter=0.0005)
    found = one_series([on_machine_of_speed(r, (1.0, 1.2)[n >= 10]) for n, r in enumerate(records)])
    assert [step.first for step in found.steps] == [10]  # the measured one decides
    assert [point.value for point in found.points] == pytest.approx([0.100] * 10 + [0.120] * 10, rel=0.01)
    normalised = [point.normalised_latency_s for point in found.points]
    assert normalised == pytest.approx([0.12] * 20, rel=0.01)  # as fast as in the newest run


def test_nothing_is_normalised_by_another_work_nor_another_figure():
    old, new = make_runs([0.1, 0.1])
    mixed = one_series([on_machine_of_speed(old, 1.0, "another"), on_machine_of_speed(new, 1.0)])
    assert mixed.points[0].normalised_latency_s is None
    assert mixed.points[1].normalised_latency_s == pytest.approx(0.1, rel=0.02)
    assert [point.normalised_latency_s for point in one_series([old, new]).points] == [None, None]
    throughput = one_series([on_machine_of_speed(old, 1.0)], get_metric("throughput"))
    assert [point.normalised_latency_s for point in throughput.points] == [None]


def test_a_change_of_one_per_cent_is_not_reported():
    assert one_series(make_runs([0.1] * 20 + [0.101] * 20, scatter=0.0005)).steps == ()


def test_too_few_runs_have_no_steps():
    assert one_series(make_runs([0.1] * MIN_LEVEL + [0.2] * (MIN_LEVEL - 1))).steps == ()


def test_runs_with_a_warning_are_points_but_no_evidence():
    records = make_runs([0.1] * 12)
    noisy = [
        make_noisy_record("cox3d-m-16", run_id=f"x-{day}", started_at=f"2026-03-{day:02d}T00:00:00+00:00")
        for day in range(1, 9)
    ]
    found = one_series(records + noisy)
    assert len(found.points) == 20
    assert found.steps == ()
    assert all(point.warnings for point in found.points[12:])


def test_two_machines_are_two_series_and_failed_cases_are_no_points():
    records = make_runs([0.1, 0.1])
    other = make_environment(machine=make_machine(cpu_model="another"))
    moved = [record.model_copy(update={"environment": other}) for record in records]
    found = series([*records, *moved, make_failed_record("cox3d-m-16")], LATENCY)
    assert [(each.machine, len(each.points)) for each in found] == [
        ("Imaginary Core i3-1005 @ 1.20GHz", 2),
        ("another", 2),
    ]


def test_several_processes_of_one_run_are_one_point_at_their_median():
    processes = [
        make_runs([level])[0].model_copy(update={"process": n}) for n, level in enumerate((0.12, 0.11, 0.10), 1)
    ]
    (point,) = one_series(processes).points
    assert point.value == LATENCY.value(processes[1])
    assert point.record == processes[1]


def test_one_wrong_answer_and_the_run_is_no_point():
    right, other = make_runs([0.1, 0.1])
    wrong = make_wrong_record("cox3d-m-16", backend="eager").model_copy(
        update={"run_id": other.run_id, "process": 2, "environment": None}
    )
    found = one_series([right, other, wrong])
    assert [point.run_id for point in found.points] == [right.run_id]
    crashed = make_failed_record("cox3d-m-16", run_id=other.run_id, process=2)
    assert len(one_series([right, other, crashed]).points) == 2


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
