import pytest

from co3d_bench.devices.nvpmodel import Mode, modes, parse_query, read_mode, run_quietly
from co3d_bench.devices.root import Snapshot

from .boards import FIXTURES, snapshot


@pytest.mark.parametrize(
    ("file", "mode"),
    [
        ("nvpmodel-tx2.txt", Mode(3, "MAXP_CORE_ARM")),
        ("nvpmodel-xavier.txt", Mode(5, "MODE_30W_4CORE")),
        ("nvpmodel-tx2-verbose.txt", Mode(3, "MAXP_CORE_ARM")),
        ("nvpmodel-not-root.txt", Mode(1, "5W")),
        ("nvpmodel-fanless.txt", Mode(2, "MODE_15W_6CORE")),
        ("nvpmodel-reboot-declined.txt", None),
    ],
)
def test_every_dialect(file, mode):
    assert parse_query((FIXTURES / file).read_text()) == mode


def test_a_missing_number_is_looked_up_by_name():
    config = "# c\n< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=3 NAME=MAXP_CORE_ARM >\n"
    assert modes(config) == {0: "MAXN", 3: "MAXP_CORE_ARM"}
    text = "NV Power Mode: MAXP_CORE_ARM\nNVPM ERROR: Error opening x: 13\n"
    assert parse_query(text, config) == Mode(3, "MAXP_CORE_ARM")
    assert parse_query(text) == Mode(None, "MAXP_CORE_ARM")


def test_without_the_tool_its_files_tell():
    assert read_mode(snapshot("tx2"), None) == Mode(3, "MAXP_CORE_ARM")
    assert read_mode(snapshot("tx2"), lambda words: (127, "not installed")) == Mode(3, "MAXP_CORE_ARM")
    assert read_mode(Snapshot({}), None) is None


def test_a_question_of_a_tool_meets_an_empty_input():
    assert run_quietly(("sh", "-c", "read answer; echo got:$answer:$?")) == (0, "got::1\n")
    assert run_quietly(("no-such-tool",))[0] == 127
