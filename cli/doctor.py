"""`co3d-bench doctor`: what speaks against measuring on this machine now, and how to mend it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..bench.errors import ENVIRONMENT, FAILED, NOTHING, OK, USAGE, UserError
from . import options

if TYPE_CHECKING:
    from ..devices.doctor import Finding, Patient
    from ..devices.doctor.fix import Fixer
    from ..devices.profile import DeviceProfile

_MARKS = {"good": "ok", "advice": "note", "bad": "BAD", "unknown": "?"}


def doctor(
    command: Annotated[
        list[str] | None,
        typer.Argument(help="With --fix: run this while the settings hold, then put them back.", metavar="-- COMMAND"),
    ] = None,
    device: Annotated[
        str, typer.Option("--device", help="Device profile (`list devices`).", metavar="NAME|auto")
    ] = "auto",
    config: options.ConfigFile = None,
    fix: Annotated[bool, typer.Option("--fix", help="Apply what can be applied (needs root).")] = False,
    restore: Annotated[bool, typer.Option("--restore", help="Put back what --fix changed.")] = False,
    sysroot: Annotated[Path, typer.Option("--sysroot", hidden=True)] = Path("/"),
) -> None:
    """Look at this machine before measuring on it: each finding with its effect and how to mend it.

    `--fix -- COMMAND` applies what it may, runs the command, and puts everything back, also on Ctrl-C. `--fix` alone
    leaves it applied until `--restore`. The exit code is 1 while something is bad, else that of the command.
    """
    from ..devices.doctor.fix import FixError
    from ..devices.root import Local
    from .aftermath import after_a_kill, fixer_of

    root = Local(sysroot)
    here = sysroot == Path("/")
    if command and not fix:
        raise UserError("a command goes with --fix: co3d-bench doctor --fix -- COMMAND", USAGE)
    if fix and restore:
        raise UserError("--fix and --restore are opposites; give one of them", USAGE)
    fixer = fixer_of(sysroot)
    try:
        if restore:
            _tell(fixer.restore() or ["nothing to put back"])
            return
        after_a_kill(fixer)
        profile = _profile(device, config, root)
        if not fix:
            findings = _examine(profile, root, here)
            _show(findings)
            if any(finding.state == "bad" for finding in findings):
                raise typer.Exit(FAILED)
            return
        _tell(fixer.apply(_examine(profile, root, here)) or ["nothing that can be applied"])
    except FixError as error:
        raise UserError(str(error), ENVIRONMENT) from error
    if not command:
        if fixer.leftover():
            fixer.hold(0)
            typer.echo("these settings stay until: co3d-bench doctor --restore", err=True)
        return
    code = _held(command, fixer)
    if code:
        raise typer.Exit(code)


def _profile(device: str, config: Path | None, root) -> DeviceProfile:
    """The profile that is asked for; said in a line. Raises UserError where this machine is not that device."""
    from ..bench.plan.catalog import Names
    from ..bench.plan.complaints import nearest
    from ..bench.plan.config import find_profiles
    from ..bench.plan.locate import check_here, find_auto, tell_auto
    from ..devices.profile import AUTO
    from ..devices.seen import look

    names = Names(look=lambda: look(root))
    profiles = {profile.name: profile for profile in find_profiles(names, config)}
    if device == AUTO:
        found = find_auto(profiles.values(), names.look())
        typer.echo(tell_auto(found), err=True)
        return found.profile
    if device not in profiles:
        raise UserError(f"--device: {device}: {nearest(device, [*profiles, AUTO])}")
    profile = profiles[device]
    if profile.host:
        raise UserError(f"device {device} is at {profile.host}: run co3d-bench doctor there", NOTHING)
    check_here([device], profiles, names)
    return profile


def _examine(profile: DeviceProfile, root, here: bool) -> tuple[Finding, ...]:
    from ..devices.doctor.checks import examine

    return examine(_patient(profile, root, here))


def _patient(profile: DeviceProfile, root, here: bool) -> Patient:
    from ..bench.plan.torch_facts import ask_torch
    from ..devices.doctor import Patient
    from ..devices.jtop import read_jtop
    from ..devices.nvpmodel import read_mode, run_quietly
    from ..devices.seen import look
    from ..devices.sensors.find import find_sensors

    readings = {}
    for sensor in find_sensors(profile, root):
        readings |= sensor.read()
    return Patient(
        root,
        profile,
        look(root),
        readings,
        read_mode(root, run_quietly if here else None) if profile.power_modes else None,
        ask_torch() if here else None,
        read_jtop() if here and profile.unified_memory else None,
    )


def _show(findings: Sequence[Finding]) -> None:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        typer.echo(f"{_MARKS[finding.state]:<5} {finding.check:<{width}}  {finding.what}")
        for text in (finding.effect, finding.mend):
            if text and finding.state != "good":
                typer.echo(f"{'':<{width + 8}}{text}")
    if any(finding.can_be_fixed for finding in findings):
        typer.echo(
            f"\n`sudo {Path(sys.argv[0]).absolute()} doctor --fix -- COMMAND` applies these while COMMAND runs",
            err=True,
        )


def _tell(lines: Sequence[str]) -> None:
    for line in lines:
        typer.echo(line, err=True)


def _held(command: Sequence[str], fixer: Fixer) -> int:
    """Run a command and put everything back behind it, however it ends; its exit code."""
    # Before the first change nothing holds; from here on a signal ends the command, and we go on to put back.
    running: list[subprocess.Popen[Any]] = []
    received: list[int] = []

    def passed_on(number: int, _) -> None:
        received.append(number)
        if running and number != signal.SIGINT:  # the terminal sent Ctrl-C to the command as well
            running[0].send_signal(number)

    before = {number: signal.signal(number, passed_on) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
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
        _tell(fixer.restore())
        for number, handler in before.items():
            signal.signal(number, handler)


def _as_the_caller() -> dict[str, Any]:
    """Under sudo, the command runs as who called it: files it writes are theirs, and their folders are found."""
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
