"""What `co3d-bench fleet` starts: a scheduler, and on each host workers for films or boards, until a signal.

A scheduler listens on loopback or over TLS, and so does each worker; no page is served anywhere.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ENVIRONMENT, NOT_HERE, UserError
from ..run.stop import SIGNALS, Stop
from .boards import FleetBoard
from .cluster import LOOPBACK, WORKER, our_dask
from .film_host import PLUGIN, FilmHost, folder_of_films, host_name
from .security import SchedulerAddress, security

if TYPE_CHECKING:
    from distributed import WorkerPlugin

_CONNECT_S = 10.0


def serve_scheduler(named: SchedulerAddress, ready: Callable[[str], None]) -> int | None:
    """Serve until a signal, and return it; `ready` is called with the address. Raises UserError where the port is taken
    or the certificates cannot be used."""
    keys = security(named)

    async def serve(stop: Stop) -> int | None:
        from distributed import Scheduler

        listens: dict[str, Any] = {"protocol": named.scheme, "host": named.listens_on, "port": named.port}
        try:
            scheduler = await Scheduler(**listens, security=keys, dashboard=False, dashboard_address=LOOPBACK)
        except (OSError, RuntimeError, ValueError) as error:
            raise UserError(
                f"{named.url}: cannot listen there: {error.__cause__ or error}; name another HOST:PORT", ENVIRONMENT
            ) from error
        ready(scheduler.address)
        try:
            await _signalled(stop, scheduler.finished())
        finally:
            await scheduler.close()
        return stop.signal

    return _run(serve)


@dataclass(frozen=True)
class Offers:
    """What a worker is for: boards that ssh reaches from its host, or else films."""

    films: Path | None = None  # their folder, where it is another one than on the host of `evaluate`
    boards: tuple[FleetBoard, ...] = ()


def serve_worker(named: SchedulerAddress, offers: Offers, ready: Callable[[str], None]) -> int | None:
    """Work for a scheduler until a signal, and return it, or until the scheduler ends: None. `ready` is called with the
    name of each worker. Raises UserError where the scheduler is not reached."""
    keys, host = security(named), FilmHost(folder_of_films(offers.films))

    async def serve(stop: Stop, folder: str) -> int | None:
        from distributed import Worker

        common: dict[str, Any] = {
            **WORKER,
            "host": "127.0.0.1" if named.listens_on else None,
            "security": keys,
            "death_timeout": _CONNECT_S,
            "local_directory": folder,
        }
        workers: list[Any] = []
        try:
            for own in _each_offer(offers, host):
                workers.append(await Worker(named.url, **common, **own))
                ready(own["name"])
            await _signalled(stop, *(worker.finished() for worker in workers))
        except (OSError, RuntimeError, asyncio.TimeoutError, ValueError) as error:  # of its own in 3.10
            raise UserError(_no_answer(named, error.__cause__ or error), NOT_HERE) from error
        finally:
            host.end()
            # What a board measures goes on there, and is followed by the next run: nobody waits for it here.
            await asyncio.gather(*(worker.close(executor_wait=not offers.boards) for worker in workers))
        return stop.signal

    with tempfile.TemporaryDirectory(prefix="co3d-bench-worker-") as folder:
        return _run(partial(serve, folder=folder))


def _each_offer(offers: Offers, host: FilmHost) -> Iterator[dict[str, Any]]:
    """The worker of each board, or the one that scores films."""
    for board in offers.boards:
        yield {"name": board.name, "resources": board.resources}
    if not offers.boards:
        yield {"name": f"{host_name()}-{os.getpid()}", "plugins": (plugin_of(host),)}


def _no_answer(named: SchedulerAddress, error: BaseException) -> str:
    tls = f" --tls {named.certificates}" if named.certificates else ""
    same = f", or its certificates are not those in {named.certificates}" if named.certificates else ""
    why = str(error) or f"no connection within {_CONNECT_S:.0f} s"
    return (
        f"no scheduler answers at {named.url}{same}: {why}; start it with `co3d-bench fleet scheduler {named.url}{tls}`"
    )


def plugin_of(host: FilmHost) -> WorkerPlugin:
    """By which the tasks of a worker find what they need of it."""
    from distributed import WorkerPlugin

    class Films(WorkerPlugin):
        name = PLUGIN

        def __init__(self) -> None:
            self.host = host

    return Films()


async def _signalled(stop: Stop, *finished: Awaitable[Any]) -> None:
    """Wait for a signal, or for the end of what is served."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # the shell asked for it, with nohup or &
            loop.add_signal_handler(number, lambda number=number: (stop.request(number), asked.set()))
    waiting = [asyncio.ensure_future(each) for each in (asked.wait(), *finished)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()


def _run(serve: Callable[[Stop], Any]) -> int | None:
    with our_dask(), Stop() as stop:
        return asyncio.run(serve(stop))
