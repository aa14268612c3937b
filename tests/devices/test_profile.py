from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co3d_bench.devices.profile import (
    AUTO,
    DeviceProfile,
    ProfileError,
    check_host,
    list_profiles,
    load_profile,
    load_profiles,
    with_custom,
)

BOARD = 'title = "A board"\nprecisions = ["fp32"]\n[recognise]\ndevice_tree = ["acme,board"]\n'
BUILT_IN = {profile.name: profile for profile in list_profiles()}
BOARDS = ("tx2", "xavier", "xavier-nx", "orin", "orin-nano")
CARDS = ("rtx2080ti", "rtx3090", "rtx4090", "a100", "h100", "h200")


def test_every_device_of_the_plan_is_here_and_none_is_called_auto():
    assert set(BUILT_IN) == {"cpu", *BOARDS, *CARDS}
    assert AUTO not in BUILT_IN


@pytest.mark.parametrize("profile", list_profiles(), ids=lambda profile: profile.name)
def test_a_profile_agrees_with_itself(profile):
    assert len({mode.id for mode in profile.power_modes}) == len(profile.power_modes)
    assert sum(mode.meant for mode in profile.power_modes) == (1 if profile.power_modes else 0)
    if profile.power:
        named = {rail for chip in profile.power.chips for rail in chip.rails}
        assert set(profile.power.total) <= named
    assert profile.torch_device == "cpu" or profile.before
    assert profile.batch.source or profile.name == "cpu"
    for pattern in profile.batch.networks:
        assert any(fnmatchcase(name, pattern) for name in PAPER), pattern
    if profile.name in (*BOARDS, *CARDS):
        assert "ntested on hardware" in profile.notes


PAPER = [
    *("i3d-r50", "r2plus1d-18-8", "r2plus1d-18-16", "slow-8x8-r50", "slowfast-8x8-r50", "slowfast-4x16-r50"),
    *("x3d-l", "x3d-m", "x3d-s", "x3d-xs", "coi3d-r50-8", "coslow-r50-64", "cox3d-l-16", "cox3d-m-64", "cox3d-s-13"),
]


def test_batches_of_the_authors_scripts():
    batch = BUILT_IN["rtx2080ti"].batch
    assert [batch.batch(name) for name in PAPER] == [32, 8, 8, 8, 16, 16, 32, 64, 64, 64, 8, 8, 32, 64, 64]
    batch = BUILT_IN["xavier"].batch
    assert [batch.batch(name) for name in PAPER] == [16, 16, 16, 8, 32, 32, 32, 64, 64, 64, 8, 8, 16, 64, 64]
    assert BUILT_IN["tx2"].batch.batch("x3d-m") == 1


def test_the_mode_that_is_meant_is_not_always_0():
    assert {name: BUILT_IN[name].meant_mode.id for name in BOARDS} == {
        "tx2": 0,
        "xavier": 0,
        "xavier-nx": 8,
        "orin": 0,
        "orin-nano": 2,
    }


def test_a_profile_is_its_file(tmp_path):
    (tmp_path / "board.toml").write_text(BOARD)
    (board,) = load_profiles(tmp_path)
    assert (board.name, board.torch_device, board.unified_memory) == ("board", "cpu", False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOARD.replace("title", "titel"), r"board\.toml: title: .*\nboard\.toml: titel = 'A board': .*mean title"),
        (BOARD.replace('["fp32"]', "[]"), r"board\.toml: precisions = \[\]"),
        ("title = ", r"board\.toml: not valid TOML"),
        (f'host = "-oProxyCommand=x"\n{BOARD}', r"board\.toml: host = '-oProxyCommand=x': must be host or user@host"),
    ],
)
def test_a_wrong_profile_names_file_key_and_value(tmp_path, text, message):
    (tmp_path / "board.toml").write_text(text)
    with pytest.raises(ProfileError, match=message):
        load_profile(tmp_path / "board.toml")


def own(**tables):
    return {profile.name: profile for profile in with_custom(list_profiles(), tables)}


def test_a_bench_toml_adds_a_board_and_changes_what_it_names():
    found = own(**{"my-xavier": {"extends": "xavier", "host": "user@xavier.local", "power": {"quantity": "mine"}}})
    mine, base = found["my-xavier"], found["xavier"]
    assert (mine.host, mine.extends, base.host) == ("user@xavier.local", "xavier", None)
    assert (mine.kind, base.kind) == ("xavier", "xavier")
    assert mine.power.quantity == "mine"
    assert mine.power.total == base.power.total
    assert mine.recognise == base.recognise
    same = {"name", "host", "extends", "power"}
    assert mine.model_dump(exclude=same) == base.model_dump(exclude=same)


def test_a_bench_toml_changes_a_profile_of_ours():
    found = own(tx2={"host": "tx2"})
    assert found["tx2"].host == "tx2"
    assert len(found) == len(BUILT_IN)


def test_own_profiles_may_extend_each_other_in_any_order():
    found = own(second={"extends": "first", "title": "B"}, first={"extends": "orin", "host": "a"})
    assert (found["second"].host, found["second"].title, found["second"].cuda_capability) == ("a", "B", "8.7")
    # Of a chain, the kind is its end: what figures of others are printed for.
    assert (found["second"].extends, found["second"].kind, found["first"].kind) == ("first", "orin", "orin")


def test_a_whole_profile_may_stand_in_a_bench_toml():
    table = {"title": "A board", "precisions": ["fp32"], "recognise": {"device_tree": ["acme,board"]}}
    assert own(acme=table)["acme"] == DeviceProfile.model_validate({"name": "acme", "kind": "acme", **table})
    found = own(acme=table, desk={"extends": "acme"})
    assert (found["desk"].kind, found["acme"].kind) == ("acme", "acme")


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"mine": {"extends": "xaver"}}, r"devices\.mine\.extends = 'xaver': did you mean xavier"),
        ({"mine": {"extends": "?"}}, r"devices\.mine\.extends = '\?': there are cpu, "),
        ({"mine": {"extends": 3}}, r"devices\.mine\.extends = 3: "),
        (
            {"mine": {"host": "a"}},
            r"devices\.mine\.title: missing\n(.*\n)*devices\.mine: extends no profile; .*\"xavier\"$",
        ),
        ({"mine": 3}, r"devices\.mine = 3: must be a table"),
        ({"tx2": {"host": "a b"}}, r"devices\.tx2\.host = 'a b': must be host"),
        ({"tx2": {"power": {"totl": []}}}, r"devices\.tx2\.power\.totl = \[\]: "),
        ({"auto": {"extends": "tx2"}}, r"devices\.auto: a device's name"),
        ({"My Board": {"extends": "tx2"}}, r"devices\.My Board: a device's name"),
        ({"a": {"extends": "b"}, "b": {"extends": "a"}}, r"devices: a, b: extend each other in a circle"),
        ({"tx2": {"host": 1}, "mine": {"extends": "q"}}, r"devices\.tx2\.host = 1.*\ndevices\.mine\.extends"),
    ],
)
def test_what_is_wrong_in_a_bench_toml_is_reported_with_its_place(tables, message):
    with pytest.raises(ProfileError, match=message):
        with_custom(list_profiles(), tables)


@pytest.mark.parametrize("host", ["xavier", "user@xavier.local", "10.0.0.3", "a_b@c-d", "my_board"])
def test_hosts(host):
    assert check_host(host) == host


@given(st.text(max_size=12))
def test_no_host_can_be_an_option_or_a_word_of_a_shell(text):
    try:
        host = check_host(text)
    except ValueError:
        return
    assert host.isascii()
    assert not host.startswith("-")
    assert not set(host) & set(" \t\n;&|$`\"'\\<>()*?[]{}!#~:/%")
