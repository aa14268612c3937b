"""A bench.toml of a fleet: two boards of one kind, which compute on the CPU of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from co3d_bench.bench.fleet.ready import fleet_config
from co3d_bench.bench.plan.catalog import Catalog
from co3d_bench.bench.plan.config import Origin, check_config

NAMES = ("lab-1", "lab-2")


def configured(tables, catalog=None):
    """A table laid out like bench.toml, resolved for a fleet."""
    return fleet_config(check_config(tables, Origin("bench.toml", Path.cwd()), catalog or Catalog()))


@pytest.fixture
def tables(tmp_path):
    return {
        "plan": {"models": ["x3d-xs", "x3d-s"], "devices": ["shelf"], "threads": [1]},
        "run": {"out": str(tmp_path / "results"), "runs": 15, "processes": 1, "energy": False, "min_s": 0.0},
        "devices": {
            "shelf": {"extends": "xavier", "torch_device": "cpu"},
            **{name: {"extends": "shelf", "host": f"{name}.local"} for name in NAMES},
        },
    }
