import pytest

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.migrate import migrate

STEPS = {
    1: lambda raw: {**{k: v for k, v in raw.items() if k != "time_ms"}, "time_s": raw["time_ms"] / 1e3},
    2: lambda raw: {**raw, "unit": "s"},
}


def test_old_records_are_lifted_step_by_step_and_left_alone():
    old = {"schema_version": 1, "time_ms": 250}
    assert migrate(old, STEPS, current=3) == {"schema_version": 3, "time_s": 0.25, "unit": "s"}
    assert old == {"schema_version": 1, "time_ms": 250}


def test_a_current_record_is_unchanged():
    assert migrate({"schema_version": 3, "a": 1}, STEPS, current=3) == {"schema_version": 3, "a": 1}


def test_a_newer_record_asks_for_an_upgrade():
    with pytest.raises(UserError, match=r"schema version 4.*upgrade"):
        migrate({"schema_version": 4}, STEPS, current=3)


@pytest.mark.parametrize("version", [0, None, "1", True, -1])
def test_a_version_no_step_can_lift_is_an_error(version):
    with pytest.raises(ValueError, match="schema"):
        migrate({"schema_version": version}, STEPS, current=3)
