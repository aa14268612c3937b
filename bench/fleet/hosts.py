"""What `co3d-bench fleet` starts: a scheduler, and on each host a worker that scores films. Both serve until a signal.

A scheduler listens on loopback or over TLS, and so does each worker; no page is served anywhere.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ENVIRONMENT, NOT_HERE, UserError
from ..run.stop import SIGNALS, Stop
from .cluster import LOOPBACK, SETTINGS
from .film_host import PLUGIN, FilmHost, folder_of_films, host_name
from .security import SchedulerAddress, security

if TYPE_CHECKING:
    from distributed import WorkerPlugin

_NO_PAGES = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
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
            raise UserError(f"{named.url}: cannot listen there: {error.__cause__ or error}", ENVIRONMENT) from error
        ready(scheduler.address)
        try:
            await _signalled(stop, scheduler.finished())
        finally:
            await scheduler.close()
        return stop.signal

    return _run(serve)


def serve_worker(named: SchedulerAddress, films: Path | None, ready: Callable[[str], None]) -> int | None:
    """Score films for a scheduler until a signal, and return it, or until the scheduler ends: None. `ready` is called
    with this worker's name. Raises UserError where the scheduler is not reached."""
    keys, folder = security(named), folder_of_films(films)

    host = FilmHost(folder)

    async def serve(stop: Stop) -> int | None:
        from distributed import Worker

        options: dict[str, Any] = {
            "name": f"{host_name()}-{os.getpid()}",
            "host": None if named.certificates else "127.0.0.1",
            "security": keys,
            "nthreads": 1,
            "memory_limit": 0,
            "dashboard": False,
            "dashboard_address": LOOPBACK,
            "death_timeout": _CONNECT_S,
            "plugins": (plugin_of(host),),
        }
        try:
            worker = await Worker(named.url, **options)
        except (OSError, RuntimeError, TimeoutError, ValueError) as error:
            raise UserError(_no_answer(named, str(error.__cause__ or error)), NOT_HERE) from error
        ready(options["name"])
        try:
            await _signalled(stop, worker.finished())
        finally:
            host.end()
            await worker.close()
        return stop.signal

    return _run(serve)


def _no_answer(named: SchedulerAddress, why: str) -> str:
    same = f", or its certificates are not those in {named.certificates}" if named.certificates else ""
    return f"no scheduler answers at {named.url}{same}: {why}"


def plugin_of(host: FilmHost) -> WorkerPlugin:
    """By which the tasks of a worker find what they need of it."""
    from distributed import WorkerPlugin

    class Films(WorkerPlugin):
        name = PLUGIN

        def __init__(self) -> None:
            self.host = host

    return Films()


async def _signalled(stop: Stop, finished: Awaitable[Any]) -> None:
    """Wait for a signal, or for the end of what is served."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # the shell asked for it, with nohup or &
            loop.add_signal_handler(number, lambda number=number: (stop.request(number), asked.set()))
    waiting = [asyncio.ensure_future(each) for each in (asked.wait(), finished)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()


def _run(serve: Callable[[Stop], Any]) -> int | None:
    with _quiet(), Stop() as stop:
        return asyncio.run(serve(stop))


@contextmanager
def _quiet() -> Iterator[None]:
    """With our settings of dask, and without its log: what a person needs to know we say."""
    import distributed
    from dask import config

    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == distributed.__name__:
            logging.getLogger(name).setLevel(logging.CRITICAL)
    with config.set({**SETTINGS, **_NO_PAGES}):
        yield
