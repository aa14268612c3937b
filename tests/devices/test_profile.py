import pytest

from co3d_bench.devices.host import read_host
from co3d_bench.devices.profile import ProfileError, list_profiles, load_profile, load_profiles, matches

BOARD = 'title = "A board"\nprecisions = ["fp32"]\n[recognise]\ndevice_tree = ["acme,board"]\n'


def test_every_profile_that_comes_with_us_is_valid():
    profiles = {profile.name: profile for profile in list_profiles()}
    assert profiles["cpu"].torch_device == "cpu"
    assert matches(profiles["cpu"], read_host())


def test_a_board_is_recognised_by_its_device_tree(tmp_path):
    (tmp_path / "board.toml").write_text(BOARD)
    (board,) = load_profiles(tmp_path)
    assert board.name == "board"
    assert not matches(board, read_host(tmp_path))
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/compatible").write_text("acme,board\0acme,soc\0")
    assert matches(board, read_host(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOARD.replace("title", "titel"), r"board\.toml: title = .*titel = 'A board'"),
        (BOARD.replace('["fp32"]', "[]"), r"board\.toml: precisions = \[\]"),
        ("title = ", r"board\.toml: not valid TOML"),
    ],
)
def test_a_wrong_profile_names_file_key_and_value(tmp_path, text, message):
    (tmp_path / "board.toml").write_text(text)
    with pytest.raises(ProfileError, match=message):
        load_profile(tmp_path / "board.toml")
