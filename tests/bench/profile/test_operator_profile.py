"""What is derived from a profile, to the digit; and its file."""

from __future__ import annotations

import pytest

from co3d_bench.bench.errors import ENVIRONMENT, UserError
from co3d_bench.bench.profile.operator_profile import (
    append_profile,
    between_s,
    profiles_file,
    read_profiles,
    rows,
    rows_by_kind,
)

from ...profiles import make_operator, make_profile


def test_what_recording_cost_is_taken_off_event_by_event():
    # 2 microseconds each, of which 100 lie inside the one and 1000 in the other.
    operators = (make_operator("mul", traced_s=1e-3, events=100), make_operator("add", traced_s=1e-3, events=1000))
    first, second = rows(make_profile(operators=operators))
    assert first.time_s == pytest.approx(0.8e-3)
    assert second.time_s == 0.0  # never less than nothing
    assert first.share == pytest.approx(0.8 / 24)
    assert between_s(make_profile(operators=operators)) == pytest.approx(23.2e-3)


@pytest.mark.parametrize(
    ("macs", "moved", "calls", "bound", "least_s"),
    [
        (50_000_000, 1_000_000, 2, "compute", 1e-3),
        (1_000_000, 5_000_000, 2, "memory", 1e-3),
        (100, 1_000, 500, "calls", 0.5e-3),
        (0, 0, 1, "calls", 1e-6),
    ],
)
def test_what_bounds_an_operator_is_what_would_take_longest_at_its_best(macs, moved, calls, bound, least_s):
    operator = make_operator("mul", macs=macs, moved_bytes=moved, calls=calls, traced_s=2e-3)
    (row,) = rows(make_profile(operators=(operator,)))
    assert row.bound == bound
    assert row.least_s == pytest.approx(least_s)


def test_rates_and_shares_of_the_ceilings():
    operator = make_operator("mul", macs=5_000_000, moved_bytes=1_000_000, calls=4, traced_s=1e-3)
    (row,) = rows(make_profile(operators=(operator,)))
    assert (row.macs, row.moved_bytes, row.intensity) == (20_000_000, 4_000_000, 5)
    assert row.macs_per_s == pytest.approx(20e9)
    assert row.gemm_share == pytest.approx(0.2)
    assert row.bytes_per_s == pytest.approx(4e9)
    assert row.copy_share == pytest.approx(0.4)


def test_kinds_are_sums_and_unknown_work_is_not_taken_for_none():
    operators = (
        make_operator("mul", calls=2),
        make_operator("mul", shapes=((1,),), calls=3),
        make_operator("roll", macs=None, moved_bytes=None),
    )
    first, second = rows_by_kind(make_profile(operators=operators))
    assert (first.kind, first.calls, first.macs) == ("mul", 5, 5_000_000)
    assert first.time_s == pytest.approx(2e-3)
    assert (second.macs, second.macs_per_s, second.bound) == (None, None, None)


def test_the_newest_profile_of_each_case_is_read(tmp_path):
    old, other, new = make_profile(), make_profile("x3d-m"), make_profile(step_s=20e-3)
    for profile in (old, other, new):
        append_profile(tmp_path, profile)
    assert profiles_file(tmp_path) == tmp_path / "profiles.jsonl"
    assert read_profiles(tmp_path) == (new, other)
    assert read_profiles(tmp_path / "records.jsonl") == (new, other)


def test_no_file_is_no_profile_and_a_torn_line_costs_itself(tmp_path):
    assert read_profiles(tmp_path) == ()
    profiles_file(tmp_path).write_text('{"schema_version":1,"sta')
    append_profile(tmp_path, make_profile())
    assert read_profiles(tmp_path) == (make_profile(),)


def test_a_newer_profile_is_reported(tmp_path):
    append_profile(tmp_path, make_profile(schema_version=2))
    with pytest.raises(UserError, match=r"profiles.jsonl, line 1: written by a newer co3d-bench") as raised:
        read_profiles(tmp_path)
    assert raised.value.exit_code == ENVIRONMENT
