"""A fleet of two boards over a real sshd, each with a home of its own: the whole path once; what goes wrong there by
`make acceptance`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed")

from co3d_bench.bench.fleet.boards import boards_of
from co3d_bench.bench.fleet.cluster import Fleet, open_cluster
from co3d_bench.bench.fleet.ready import make_fleet_plan
from co3d_bench.bench.fleet.run import Asked, reach, run_fleet
from co3d_bench.bench.plan.catalog import Catalog
from co3d_bench.bench.record.store import read_records

from ...devices.boards import board as write_board
from ...sshd import serving
from .conftest import NAMES, configured

BOARDS = Path(__file__).parents[1] / "run" / "boards"
BOARD_WORKER = (sys.executable, str(BOARDS / "board_worker.py"))


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sshd")
    write_board(folder / "xavier", "xavier")
    environment = {"CO3D_BENCH_SYSROOT": str(folder / "xavier")}
    boards = {f"{name}.local": {**environment, "OWN_HOME": str(folder / name)} for name in NAMES}
    for name in NAMES:
        (folder / name).mkdir()
    with serving(folder, boards) as server:
        yield server


def test_two_boards_share_the_cases(sshd, tables, monkeypatch):
    monkeypatch.syspath_prepend(str(BOARDS))
    import board_zoo

    tables["plan"]["models"] = ["small-frames", "small-clip"]
    tables["fleet"] = {"cool_down": "90 C", "seed": 3}
    config = configured(tables, Catalog(find_model=board_zoo.find_model))
    boards = boards_of(config)
    with open_cluster(Fleet(boards)) as client:
        plan = make_fleet_plan(config, boards, *reach(client, boards, config))
        records = run_fleet(client, plan, config, Asked(board_worker=BOARD_WORKER))
    assert read_records(config.run.out) == records
    assert {record.case for record in records} == set(plan.plan.cases)
    assert {record.fleet.board for record in records} == set(NAMES)
    for record in records:
        assert record.ok
        assert (record.case.device, record.device_kind) == ("shelf", "xavier")
        assert (record.fleet.seed, record.fleet.host) == (3, f"{record.fleet.board}.local")
        assert record.fleet.cool_down.asked == "90 C"
        zones = [figure for figure in record.sensors.figures if figure.name.startswith("temperature_c/")]
        assert record.fleet.cool_down.temperature_c == max(figure.before for figure in zones if figure.before)
    for name in NAMES:
        assert [path.name for path in (sshd.folder / name / ".cache/co3d-bench/agent").iterdir()] == ["lock"]
