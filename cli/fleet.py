"""`co3d-bench fleet`: a scheduler, and workers on other hosts, for `--fleet`."""

from __future__ import annotations

from pathlib import Path

import click

from ..bench.errors import OK
from .options import Verbs

tls = click.option(
    "--tls",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Certificates: ca.pem, cert.pem and key.pem. Default: none, so loopback alone; e.g. keys.",
)


@click.group(cls=Verbs)
def fleet() -> None:
    """Share the work of `evaluate --fleet` among hosts.

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
        click.echo(f"here:         co3d-bench evaluate --fleet {named.url}{flag} ...")

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
def worker(address: str, tls: Path | None, films: Path | None) -> int:
    """Score films on this host for `evaluate --fleet`, until Ctrl-C or until the scheduler ends.

    One network at a time, in a process of its own.

    Example: co3d-bench fleet worker tls://lab-1 --tls keys --films /data/films
    """
    from ..bench.errors import NOT_HERE, UserError
    from ..bench.fleet.hosts import serve_worker
    from ..bench.fleet.security import LOOPBACK, parse_address

    named = parse_address(address or LOOPBACK, tls)
    if serve_worker(named, films, lambda name: click.echo(f"{name}: scores films for {named.url}")) is None:
        raise UserError(f"the scheduler at {named.url} has ended", NOT_HERE)
    return OK
