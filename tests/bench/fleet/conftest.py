"""Boards of a fleet for tests: invented ones below a real sshd on loopback, each with a home of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[0] / "run" / "boards"))

import board_zoo

from co3d_bench.bench.plan.catalog import Catalog

from ...devices.boards import board as write_board
from ...sshd import serving

CATALOG = Catalog(find_model=board_zoo.find_model)
BOARD_WORKER = (sys.executable, str(HERE.parents[0] / "run" / "boards" / "board_worker.py"))
NAMES = ("lab-1", "lab-2")


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sshd")
    write_board(folder / "xavier", "xavier")
    boards = {}
    for name in NAMES:
        (folder / f"home-{name}").mkdir()
        boards[f"{name}.local"] = {
            "CO3D_BENCH_SYSROOT": str(folder / "xavier"),
            "OWN_HOME": str(folder / f"home-{name}"),
        }
    with serving(folder, boards) as server:
        yield server


@pytest.fixture
def tables(tmp_path):
    """A bench.toml with two boards of one kind, which compute on the CPU of this machine."""
    return {
        "plan": {"models": ["small-frames", "small-clip"], "devices": ["shelf"], "threads": [1]},
        "run": {"out": str(tmp_path / "results"), "runs": 15, "processes": 1, "energy": False, "min_s": 0.0},
        "devices": {
            "shelf": {"extends": "xavier", "torch_device": "cpu"},
            **{name: {"extends": "shelf", "host": f"{name}.local"} for name in NAMES},
        },
    }
