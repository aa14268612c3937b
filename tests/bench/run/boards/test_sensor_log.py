"""What a board's agent has read says the same as our own sampler would."""

from __future__ import annotations

import pytest

from co3d_bench.bench.measure.loop import Calls, blocks
from co3d_bench.bench.run.boards import sensor_log
from co3d_bench.devices.profile import list_profiles
from co3d_bench.devices.remote.files import STANDING
from co3d_bench.devices.root import Reason, Snapshot
from co3d_bench.devices.sensors import find

from ....devices.boards import snapshot

PROFILES = {profile.name: profile for profile in list_profiles()}
BOARDS = ("tx2", "xavier", "xavier-nx", "orin")


def moments(board, count=5, **changes):
    """The lines of an agent that reads once a second; `changes` says what a file was from one moment to the next."""
    lines = []
    paths = sensor_log.sensor_paths(PROFILES["xavier"], board)
    for index in range(count):
        files = {path: board.files[path] for path in paths if path in board.files}
        files |= {path: series[index] for path, series in changes.items()}
        unread = {path: board.unread[path].value for path in paths if path in board.unread}
        lines.append({"event": "watch", "t": float(index), "files": files, "unread": unread})
    return [*lines, {"event": "watched", "cpu_s": 0.02, "wall_s": 5.0}]


@pytest.mark.parametrize("name", BOARDS)
def test_every_figure_is_that_of_the_sensors_themselves(name):
    board, profile = snapshot(name), PROFILES[name]
    log = sensor_log.log_of(moments(board), profile, board)
    direct = {
        figure: reading for sensor in find.find_sensors(profile, board) for figure, reading in sensor.read().items()
    }
    assert {figure.name for figure in log.figures} == direct.keys()
    for figure, series in log.readings.items():
        assert series == [direct[figure]] * 5
    assert log.cpu_s == 0.02


@pytest.mark.parametrize("name", BOARDS)
def test_what_changes_is_read_and_what_stands_is_not(name):
    board = snapshot(name)
    paths = sensor_log.sensor_paths(PROFILES[name], board)
    assert any(path.endswith("/temp") for path in paths)
    assert not [path for path in paths if path.endswith(("type", "name", "label", "governor", "compatible"))]
    for pattern in STANDING:
        assert not set(board.glob(pattern)) & set(paths)


def test_a_clock_that_falls_while_samples_are_taken_is_seen():
    board = snapshot("tx2")
    (cap,) = [path for path in board.files if path.endswith("gp10b/max_freq")]
    series = ["1134750000", "1134750000", "624750000", "624750000", "1134750000"]
    log = sensor_log.log_of(moments(board, **{cap: series}), PROFILES["tx2"], board)
    figure = sensor_log.sensors_during(log, (1.5, 3.5)).figure("gpu_max_hz")
    assert figure.before == 1134750000
    assert figure.during.min == 624750000
    assert sensor_log.sensors_during(log, None).reason == "no samples were taken"


def test_a_board_without_sensors_says_so():
    nothing = Snapshot({"/proc/meminfo": "MemTotal: 1 kB"})
    assert sensor_log.sensor_paths(PROFILES["tx2"], nothing) == []
    pc = Snapshot({"/proc/cpuinfo": "processor: 0\ncpu MHz: 2400.1"})
    assert sensor_log.sensor_paths(PROFILES["cpu"], pc) == ["/proc/cpuinfo"]
    assert "no file" in sensor_log.log_of([], PROFILES["tx2"], nothing).reason
    reason = sensor_log.energy_meter(PROFILES["tx2"], nothing, 600.0).reason
    assert reason
    assert sensor_log.energy_job(sensor_log.energy_meter(PROFILES["tx2"], nothing, 600.0)) is None


def test_cards_of_this_machine_are_not_taken_for_the_boards():
    card = PROFILES["rtx2080ti"]
    assert "nvml" in card.sensors
    board = Snapshot({"/sys/class/thermal/thermal_zone0/type": "x86_pkg_temp"}, {"/sys/none": Reason.GATED})
    line = {"event": "watch", "t": 0.0, "files": {}, "unread": {}}
    assert not [f for f in sensor_log.log_of([line], card, board).figures if "gpu" in f.name]


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def step(self, x):
        self.now += 0.5


def test_energy_is_measured_in_long_blocks_with_idle_ones_beside():
    board, profile, clock = snapshot("tx2"), PROFILES["tx2"], Clock()
    asked = sensor_log.energy_meter(profile, board, 600.0)
    meter, quantity = asked
    assert meter.figure == "power_w/board"
    assert "VDD_IN" in quantity
    assert sensor_log.energy_meter(profile, board, 60.0).reason.startswith("it takes 77 s")
    job = sensor_log.energy_job(asked)
    spans = blocks(Calls(clock.step, [0], lambda: None), job["blocks"], job["block_s"], clock, clock.sleep)
    assert [calls for _, _, calls in spans] == [0, 20, 0, 20, 0, 20, 0]
    assert (clock.now, job["after_s"]) == (70.0, 2.0)
    assert job["needed_s"] > 72.0
    # 3 W where it is idle, 5 or 5.076 W where it works
    (rail,) = [path for path in board.files if "0-0041" in path and path.endswith("in_power0_input")]
    series = [str(3000 if int(t // 10) % 2 == 0 else 5000 + 76 * (t % 2)) for t in range(74)]
    log = sensor_log.log_of(moments(board, 74, **{rail: series}), profile, board)
    energy = sensor_log.block_energy(log, asked, spans)
    assert energy.reason is None
    assert [block.calls for block in energy.busy] == [20, 20, 20]
    assert energy.busy[0].energy_j == pytest.approx(50.4, abs=1.5)
    assert energy.idle[1].energy_j == pytest.approx(30.0, abs=1.5)
    assert energy.busy[0].fresh_readings >= 9
    assert "raise run.timeout_s" in sensor_log.block_energy(log, asked, None).reason
