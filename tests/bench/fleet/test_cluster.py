"""Dask beside us: what it offers, and that nothing of it is reached from another machine."""

from __future__ import annotations

import socket

import psutil
import pytest

pytest.importorskip("distributed")

from co3d_bench.bench.errors import NOT_HERE, NOTHING, UserError
from co3d_bench.bench.fleet import cluster
from co3d_bench.bench.fleet.boards import FleetBoard
from co3d_bench.bench.fleet.cluster import Address, Fleet, dashboard_address, open_cluster
from co3d_bench.bench.fleet.host import workers_there

BOARDS = tuple(FleetBoard(name, f"{name}.local", (name, "xavier")) for name in ("lab-1", "lab-2"))


def listening():
    return {each.laddr.ip for each in psutil.Process().net_connections("inet") if each.status == psutil.CONN_LISTEN}


def test_a_worker_a_board_and_nothing_that_another_machine_reaches():
    before = listening()
    with open_cluster(Fleet(BOARDS, dashboard=True)) as client:
        assert workers_there(client) == {"board:lab-1", "board:lab-2", "lab-1", "lab-2", "xavier"}
        assert listening() - before == {"127.0.0.1"}
        address = dashboard_address(client)
        assert address.startswith("http://127.0.0.1:")
        future = client.submit(threads, resources={"board:lab-2": 1}, pure=False)
        assert future.result(10) == ("lab-2", 1)


def threads():
    from distributed import get_worker

    return get_worker().name, get_worker().state.nthreads


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setattr(cluster, "ANSWER", "0.5s")
        with (
            pytest.raises(UserError, match=f"no scheduler answers at {url}") as raised,
            open_cluster(Fleet(BOARDS), scheduler=Address(url)),
        ):
            pass
    assert raised.value.exit_code == NOT_HERE


def test_without_dask_the_packages_are_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"distributed, of the extra `fleet`.*pip install distributed bokeh") as raised:
        cluster.check_installed()
    assert raised.value.exit_code == NOTHING
