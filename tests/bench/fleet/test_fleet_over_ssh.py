"""A fleet of two boards over a real sshd: the whole path once; what goes wrong there by `make acceptance`."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("distributed")

from co3d_bench.bench.errors import NOT_HERE, UserError
from co3d_bench.bench.fleet.boards import boards_of
from co3d_bench.bench.fleet.cluster import Fleet, open_cluster
from co3d_bench.bench.fleet.ready import fleet_config, make_fleet_plan
from co3d_bench.bench.fleet.run import Asked, reach, run_fleet
from co3d_bench.bench.fleet.show import Shown
from co3d_bench.bench.plan.config import Origin, check_config
from co3d_bench.bench.record.store import read_records

from .conftest import BOARD_WORKER, CATALOG


def measure(tables, **asked):
    config = fleet_config(check_config(tables, Origin("config", Path.cwd()), CATALOG))
    boards = boards_of(config)
    with open_cluster(Fleet(boards)) as client:
        plan = make_fleet_plan(config, boards, *reach(client, boards, config))
        return plan, run_fleet(client, plan, config, Asked(board_worker=BOARD_WORKER, **asked))


def test_two_boards_share_the_cases_and_each_is_measured_once(sshd, tables, tmp_path):
    tables["fleet"] = {"cool_down": "45 C", "seed": 3}
    plan, records = measure(tables, progress=Shown())
    assert sorted(record.key for record in records) == sorted(case.key for case in plan.plan.cases)
    assert read_records(tables["run"]["out"]) == records
