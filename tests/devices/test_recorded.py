"""What a board sends over is all that is ever read of it."""

from typing import ClassVar

import pytest

from co3d_bench.devices.detect import read_hardware
from co3d_bench.devices.doctor import Patient
from co3d_bench.devices.doctor.checks import examine
from co3d_bench.devices.nvpmodel import read_mode
from co3d_bench.devices.profile import list_profiles
from co3d_bench.devices.recorded import PATTERNS
from co3d_bench.devices.root import Local, take_snapshot
from co3d_bench.devices.sensors.find import find_sensors

from .boards import board

PROFILES = {profile.name: profile for profile in list_profiles()}


class Watched(Local):
    """Notes every file that is looked at and is there."""

    seen: ClassVar[set[str]] = set()

    def look(self, path):
        found = super().look(path)
        if found.text is not None:
            self.seen.add(path)
        return found


def everything(root, profile):
    readings = {}
    for sensor in find_sensors(profile, root):
        readings |= sensor.read()
    patient = Patient(root, profile, read_hardware(root), readings, read_mode(root, None))
    return patient.seen, readings, patient.mode, examine(patient)


@pytest.mark.parametrize("name", ["tx2", "xavier", "xavier-nx", "orin"])
def test_a_snapshot_is_as_good_as_the_board(tmp_path, name):
    root = Watched(board(tmp_path, name).sysroot)
    root.seen.clear()
    taken = take_snapshot(Local(tmp_path), PATTERNS)
    assert everything(root, PROFILES[name]) == everything(taken, PROFILES[name])
    assert root.seen <= set(taken.files)
    assert len(root.seen) > 30


def test_it_can_be_taken_of_this_machine():
    assert "/proc/meminfo" in take_snapshot(Local(), PATTERNS).files
