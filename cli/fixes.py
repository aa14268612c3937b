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
    from ..devices.doctor import Finding
    from ..devices.doctor.fix import Fixer

_ENDS_US = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
    left = fixer.left_by_killed_process()
    if left is None:
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


class Signals:
    """From before the first change until the last is taken back: a signal is noted, and ends the command, not us."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self._running: subprocess.Popen[Any] | None = None

    def __enter__(self) -> Signals:
        ends_us = [each for each in _ENDS_US if signal.getsignal(each) is not signal.SIG_IGN]  # as under nohup
        self._before = {each: signal.signal(each, self._note) for each in ends_us}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def run(self, command: Sequence[str]) -> int:
        """Run a command to its end and return its exit code; it is not begun after a signal. Raises UserError."""
        if self.received:
            return 128 + self.received[0]
        try:
            process = self._running = subprocess.Popen(list(command), **_as_the_caller())  # noqa: S603 - the user's own words, no shell
        except OSError as error:
            raise UserError(f"{command[0]}: cannot be started: {error.strerror or error}", ENVIRONMENT) from error
        for number in self.received:  # between the question above and its start
            process.send_signal(number)
        code = process.wait()
        return 128 - code if code < 0 else code or OK

    def _note(self, number: int, _: object) -> None:
        self.received.append(number)
        if self._running and number != signal.SIGINT:  # the terminal sent Ctrl-C to the command as well
            self._running.send_signal(number)


def run_while_fixed(command: Sequence[str], fixer: Fixer, findings: Sequence[Finding]) -> int:
    """Apply the fixes, run a command, restore the settings however it ends, and return its exit code.

    Without a command the settings are held for nobody, until they are restored; a signal meanwhile restores them.
    Raises FixError, UserError.
    """
    with Signals() as signals:
        kept = False
        try:
            print_notes(fixer.apply(findings, lambda: bool(signals.received)) or ["no fix that can be applied"])
            if command:
                return signals.run(command)
            if signals.received:
                return 128 + signals.received[0]
            kept = _hold(fixer)
            return OK
        finally:
            if not kept:
                print_notes(fixer.restore_own())


def _hold(fixer: Fixer) -> bool:
    if fixer.leftover():
        fixer.hold(0)
        print_notes(["these settings stay until: co3d-bench doctor --restore"])
    return True


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
