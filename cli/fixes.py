"""Settings that `doctor --fix` applied: kept while a command runs, and restored after it, or after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..bench.errors import ENVIRONMENT, OK, UserError

if TYPE_CHECKING:
    from ..devices.doctor.fix import Fixer


def fixer_of(sysroot: Path) -> Fixer:
    """A Fixer for the machine below that folder; it calls the board's tools only for the real machine (`/`)."""
    from ..devices.doctor.fix import STATE, Fixer
    from ..devices.nvpmodel import run_quietly
    from ..devices.root import Local

    return Fixer(Local(sysroot), sysroot / STATE, run_quietly if sysroot == Path("/") else None)


def restore_leftover(fixer: Fixer) -> None:
    """Restore what a killed doctor left behind; without root print how. Settings of a plain --fix stay.

    Raises FixError where its file cannot be read or written.
    """
    from ..devices.doctor.fix import alive

    left = fixer.leftover()
    if left is None or not left.pid or alive(left.pid):
        return
    if os.geteuid():
        print_notes(
            [
                f"settings of an earlier doctor (process {left.pid}), which was killed, are still active; "
                "`sudo co3d-bench doctor --restore` restores the old ones"
            ]
        )
        return
    print_notes(
        [f"an earlier doctor (process {left.pid}) was killed; restoring the settings it changed", *fixer.restore()]
    )


def report_leftover() -> None:
    """Before a run: restore or report settings of a killed doctor, which would change what is measured."""
    from ..devices.doctor.fix import FixError

    try:
        restore_leftover(fixer_of(Path("/")))
    except FixError as error:
        print_notes([str(error)])


def run_while_fixed(command: Sequence[str], fixer: Fixer) -> int:
    """Run a command, restore the settings however it ends, and return its exit code."""
    # From here on a signal ends the command, and the settings are restored after it.
    running: list[subprocess.Popen[Any]] = []
    received: list[int] = []

    def pass_on(number: int, _) -> None:
        received.append(number)
        if running and number != signal.SIGINT:  # the terminal sent Ctrl-C to the command as well
            running[0].send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        try:
            process: subprocess.Popen[Any] = subprocess.Popen(list(command), **_as_the_caller())  # noqa: S603 - the user's own words, no shell
        except OSError as error:
            raise UserError(f"{command[0]}: cannot be started: {error.strerror or error}", ENVIRONMENT) from error
        running.append(process)
        if received:
            process.send_signal(received[0])
        code = process.wait()
        return 128 - code if code < 0 else code or OK
    finally:
        print_notes(fixer.restore())
        for number, handler in before.items():
            signal.signal(number, handler)


def print_notes(lines: Sequence[str]) -> None:
    """Print each line to standard error."""
    for line in lines:
        click.echo(line, err=True)


def _as_the_caller() -> dict[str, Any]:
    """Under sudo the command runs as the calling user, with their home: the files it writes are theirs."""
    import pwd

    uid, gid = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if os.geteuid() != 0 or not (uid.isdigit() and gid.isdigit()) or uid == "0":
        return {}
    try:
        person = pwd.getpwuid(int(uid))
    except KeyError:
        return {}
    return {
        "user": int(uid),
        "group": int(gid),
        "extra_groups": os.getgrouplist(person.pw_name, int(gid)),
        "env": {**os.environ, "HOME": person.pw_dir, "USER": person.pw_name, "LOGNAME": person.pw_name},
    }
