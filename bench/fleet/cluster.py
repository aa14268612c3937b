"""Dask for a fleet: a scheduler with one worker a board beside us, or the client of a scheduler elsewhere.

Boards get nothing of it: a worker is a thread of a host, and reaches its board by ssh. Dask is an extra: this room
imports it within functions only.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import NOT_HERE, NOTHING, UserError
from .boards import FleetBoard

if TYPE_CHECKING:
    from distributed import Client

# Workers beside us are threads of this process, as many as there are boards, on few cores. What dask samples of them a
# hundred times a second would be most of the CPU time of a fleet.
SETTINGS = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.system-monitor.disk": False,
    "distributed.scheduler.work-stealing": False,
    # Every worker serves pages about itself, by default on all interfaces; nobody asks for them.
    "distributed.worker.http.routes": [],
    # What workers report goes through the scheduler, which would keep a thousand of it.
    "distributed.admin.low-level-log-length": 20,
    # A task whose worker ended is given out again by us, after a look at the records that there are.
    "distributed.scheduler.allowed-failures": 0,
}


INSTALL = "pip install distributed bokeh"
# What dask serves, it serves to this machine alone.
LOOPBACK = "127.0.0.1:0"
ANSWER = "10s"  # of a scheduler elsewhere
# Of every worker, here or elsewhere: it does one thing at a time, most of which is to wait for a board or for films.
WORKER: dict[str, Any] = {"nthreads": 1, "memory_limit": 0, "dashboard": False, "dashboard_address": LOOPBACK}


@dataclass(frozen=True)
class Address:
    """A scheduler elsewhere: its URL, and dask's `Security` where that is tls://."""

    url: str
    security: Any = None


@dataclass(frozen=True)
class Fleet:
    """The boards that need a worker each, and whether dask shows its dashboard."""

    boards: tuple[FleetBoard, ...]
    dashboard: bool = False


def check_installed(*, dashboard: bool = False) -> None:
    """Raises UserError, with what to install, where dask (or what draws its dashboard) is not there."""
    from importlib.util import find_spec

    for package in ("distributed", *(["bokeh"] if dashboard else [])):
        if find_spec(package) is None:
            raise UserError(
                f"a fleet needs {package}, of the extra `fleet`, which is not installed: {INSTALL}; nothing was run",
                NOTHING,
            )


@contextmanager
def open_cluster(fleet: Fleet, *, scheduler: Address | None = None) -> Iterator[Client]:
    """A client of the cluster; without `scheduler` one beside us that ends with it.

    Raises UserError where dask is missing or the scheduler is not reached.
    """
    check_installed(dashboard=fleet.dashboard)
    from distributed import Client

    with our_dask(dashboard=fleet.dashboard):
        if scheduler is not None:
            with _client_of(scheduler) as client:
                yield client
            return
        with (
            tempfile.TemporaryDirectory(prefix="co3d-bench-fleet-") as folder,
            _beside_us(fleet, folder) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client


@contextmanager
def our_dask(*, dashboard: bool = False) -> Iterator[None]:
    """With our settings of dask, and without its log: what a person needs to know, we say."""
    import distributed
    from dask import config

    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == distributed.__name__:
            logging.getLogger(name).setLevel(logging.CRITICAL)
    # Without a dashboard the scheduler serves no page either.
    pages = {} if dashboard else {"distributed.scheduler.http.routes": []}
    with config.set({**SETTINGS, **pages}):
        yield


@contextmanager
def _client_of(address: Address) -> Iterator[Client]:
    from distributed import Client

    try:
        client = Client(address.url, security=address.security, timeout=ANSWER, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"no scheduler answers at {address.url}: {error}; nothing was run. Start it with "
            "`co3d-bench fleet scheduler`, and workers with `co3d-bench fleet worker`",
            NOT_HERE,
        ) from None
    try:
        yield client
    finally:
        client.close(timeout=5)


def dashboard_address(client: Client) -> str | None:
    """Where dask shows its dashboard, on this machine; None where the scheduler has none, or is elsewhere."""
    scheduler = getattr(client.cluster, "scheduler", None)
    port = getattr(getattr(scheduler, "http_server", None), "port", None)
    return f"http://127.0.0.1:{port}/status" if port else None


def _beside_us(fleet: Fleet, folder: str) -> Any:
    from distributed import Scheduler, SpecCluster

    options = {"protocol": "inproc://", "dashboard": fleet.dashboard, "dashboard_address": LOOPBACK}
    return SpecCluster(
        workers=dict(workers_of(fleet.boards, folder)),
        scheduler={"cls": Scheduler, "options": options},
        silence_logs=False,
        name="co3d-bench",
    )


def workers_of(boards: Iterable[FleetBoard], folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """By board, the worker that reaches it."""
    from distributed import Worker

    for board in boards:
        options = {
            **WORKER,
            "name": board.name,
            "resources": board.resources,
            "local_directory": folder,
            "protocol": "inproc://",
        }
        yield board.name, {"cls": Worker, "options": options}
