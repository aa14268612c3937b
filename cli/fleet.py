"""`co3d-bench fleet`: a scheduler, and workers on other hosts, for `--fleet`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..bench.errors import OK
from .options import Verbs

if TYPE_CHECKING:
    from ..bench.fleet.security import SchedulerAddress

tls = click.option(
    "--tls",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Certificates: ca.pem, cert.pem and key.pem. Default: none, so loopback alone; e.g. keys.",
)


def scheduler_elsewhere(address: str | None, certificates: Path | None) -> SchedulerAddress | None:
    """The scheduler that `--fleet ADDRESS` and `--tls FOLDER` name; None where none is. Raises UserError, also for
    certificates that are missing or open to others."""
    from ..bench.errors import UserError
    from ..bench.fleet.security import certificates_in, parse_address

    if certificates and not address:
        raise UserError("--tls FOLDER: belongs to --fleet ADDRESS, which is missing")
    named = parse_address(address, certificates) if address else None
    if named and named.certificates:
        certificates_in(named.certificates)
    return named


@click.group(cls=Verbs)
def fleet() -> None:
    """Let several hosts measure or evaluate together.

    Example: co3d-bench fleet scheduler
    """


@fleet.command()
@click.argument("address", default="", help="HOST:PORT to listen at. Default: tcp://127.0.0.1:8786.")
@tls
def scheduler(address: str, tls: Path | None) -> int:
    """Serve hosts that share work, until Ctrl-C.

    On loopback for workers of this machine, else over TLS. A FOLDER without certificates gets a new set: copy it to
    each host. Whoever holds it may run code as you on all of them.

    Example: co3d-bench fleet scheduler tls://lab-1 --tls keys
    """
    from ..bench.fleet.hosts import serve_scheduler
    from ..bench.fleet.security import LOOPBACK, VALID_DAYS, make_certificates, parse_address

    named = parse_address(address or LOOPBACK, tls)
    if named.certificates and make_certificates(named.certificates):
        click.echo(f"{named.certificates}: a key and its certificate were made, valid for {VALID_DAYS} days", err=True)

    def ready(listening: str) -> None:
        flag = f" --tls {named.certificates}" if named.certificates else ""
        who = "who holds the certificates" if named.certificates else "who has an account on this machine"
        click.echo(f"scheduler at {named.url}; {who} may run code as you through it")
        click.echo(f"on each host: co3d-bench fleet worker {named.url}{flag}")
        click.echo(f"here:         co3d-bench evaluate --fleet {named.url}{flag} ...  (or run)")

    serve_scheduler(named, ready)
    return OK


@fleet.command()
@click.argument("address", default="", help="Of the scheduler. Default: tcp://127.0.0.1:8786.")
@tls
@click.option(
    "--films",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where the films lie on this host. Default: the folder of `evaluate`; e.g. /data/films.",
)
@click.option(
    "--boards",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Instead of films: the boards of [fleet] in this file, which ssh reaches from here; e.g. bench.toml.",
)
def worker(address: str, tls: Path | None, films: Path | None, boards: Path | None) -> int:
    """Work for a scheduler on this host, until Ctrl-C.

    Or until the scheduler ends. It scores films for `evaluate --fleet`, one network at a time in a process of its own;
    with --boards it measures on boards for `run --fleet`.

    Example: co3d-bench fleet worker tls://lab-1 --tls keys --films /data/films
    """
    from ..bench.errors import NOT_HERE, UserError
    from ..bench.fleet.boards import boards_of
    from ..bench.fleet.hosts import Offers, serve_worker
    from ..bench.fleet.ready import load_fleet_config
    from ..bench.fleet.security import LOOPBACK, parse_address

    if films and boards:
        raise UserError("--films and --boards exclude each other: start a worker for each")
    named = parse_address(address or LOOPBACK, tls)
    offers = Offers(films, boards_of(load_fleet_config(boards)) if boards else ())
    what = "measures on this board" if boards else "scores films"
    if serve_worker(named, offers, lambda name: click.echo(f"{name}: {what} for {named.url}")) is None:
        raise UserError(f"the scheduler at {named.url} has ended", NOT_HERE)
    return OK
