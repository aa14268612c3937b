"""What the agent sends over of a board is all that is ever read of it."""

import pytest

from co3d_bench.devices.detect import read_hardware
from co3d_bench.devices.profile import list_profiles
from co3d_bench.devices.remote.agent import read_files
from co3d_bench.devices.remote.files import HOST, MOVING, STANDING
from co3d_bench.devices.root import Local, Reason, Snapshot
from co3d_bench.devices.sensors.find import find_sensors

from ..boards import board

PROFILES = {profile.name: profile for profile in list_profiles()}


class Watched:
    """A root that notes every file that is there and read."""

    def __init__(self, root):
        self.root, self.read_files = root, set()

    def contents(self, path):
        found = self.root.contents(path)
        if found.text is not None:
            self.read_files.add(path)
        return found

    def read(self, path):
        return self.contents(path).text

    def glob(self, pattern):
        return self.root.glob(pattern)


def everything(root, profile):
    readings = {}
    for sensor in find_sensors(profile, root):
        readings |= sensor.read()
    return read_hardware(root), readings


@pytest.mark.parametrize("name", ["tx2", "xavier", "xavier-nx", "orin"])
def test_a_snapshot_is_as_good_as_the_board(tmp_path, name):
    root = Watched(Local(board(tmp_path, name).sysroot))
    files, unread = read_files(tmp_path, (*HOST, *STANDING, *MOVING))
    sent = Snapshot(files, {path: Reason(word) for path, word in unread.items()})
    assert everything(root, PROFILES[name]) == everything(sent, PROFILES[name])
    assert root.read_files <= set(files)
    assert len(root.read_files) > 30
