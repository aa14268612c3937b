import pytest

from co3d_bench.bench.errors import UserError
from co3d_bench.bench.record.migrate import migrate

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


OLD = {
    "schema_version": 1,
    "settings": {"runs": 4, "budget_s": 30.0, "min_s": 1.0},
    "timing": {
        "load_s": 0.1,
        "pace_work": "the work",
        "others_before": 0.25,
        "others_meanwhile": 0.5,
        "warmup_steady": False,
        "samples": {
            "latency_s": [0.1, 0.4, 0.1, 0.1],
            "involuntary_switches": [0, 9, 0, 0],
            "pace_s": [0.01, 0.01, 0.02, 0.01],
            "usual_pace_s": 0.005,
            "cpu_share": 0.9,
        },
    },
}


def test_from_1_to_2_samples_stay_readings_are_evidence_and_corrections_go():
    assert migrate(OLD) == {
        "schema_version": 2,
        "settings": {"runs": 4, "min_s": 1.0},
        "timing": {
            "load_s": 0.1,
            "background_load_before": 0.25,
            "background_load": 0.5,
            "warmup_stable": False,
            "samples": {"latency_s": [0.1, 0.4, 0.1, 0.1], "involuntary_switches": [0, 9, 0, 0]},
            "reference": {"name": "the work", "readings_s": [0.01, 0.02, 0.01]},
        },
    }


def test_from_1_to_2_what_was_not_taken_is_not_guessed():
    early = {"schema_version": 1, "settings": {}, "timing": {"samples": {"latency_s": [0.1], "pace_s": []}}}
    lifted = migrate(early)
    assert lifted["timing"]["reference"] is None
    assert lifted["timing"]["background_load"] is None
    assert migrate({"schema_version": 1, "timing": None, "settings": {}}) == {
        "schema_version": 2, "timing": None, "settings": {},
    }  # fmt: skip
    nameless = migrate({"schema_version": 1, "timing": {"samples": {"latency_s": [0.1], "pace_s": [0.2]}}})
    assert nameless["timing"]["reference"]["name"] == "the fixed work of an early version"
