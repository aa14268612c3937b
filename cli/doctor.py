"""`co3d-bench doctor`: what would disturb measurements on this machine now, and how to fix it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..bench.errors import ENVIRONMENT, FAILED, NOTHING, OK, USAGE, UserError
from .fixes import fixer_of, print_notes, restore_leftover, run_while_fixed
from .options import AUTO, Given, verb

if TYPE_CHECKING:
    from ..devices.doctor import Finding, MachineFacts
    from ..devices.profile import DeviceProfile

_MARKS = {"good": "ok", "advice": "note", "bad": "BAD", "unknown": "?"}


@verb("doctor", device=AUTO)
@click.argument(
    "command",
    nargs=-1,
    type=click.UNPROCESSED,
    metavar="[-- COMMAND]",
    help="With --fix: run this with the fixes applied, then restore the old settings.",
)
@click.option("--fix", is_flag=True, help="Apply the fixes that can be applied (needs root).")
@click.option("--restore", is_flag=True, help="Restore the settings that --fix changed.")
@click.option("--sysroot", type=click.Path(path_type=Path), default="/", hidden=True)
def doctor(given: Given, command: tuple[str, ...], fix: bool, restore: bool, sysroot: Path) -> int:
    """Report what would disturb measurements here, and the fix.

    `--fix -- COMMAND` applies the fixes it can, runs the command, and restores the old settings, also on Ctrl-C.
    `--fix` alone keeps the fixes until `--restore`. The exit code is 1 while a check is BAD, or that of the command.

    Example: sudo co3d-bench doctor --fix -- co3d-bench run
    """
    from ..devices.doctor.fix import FixError

    if command and not fix:
        raise UserError("a command goes with --fix: co3d-bench doctor --fix -- COMMAND", USAGE)
    if fix and restore:
        raise UserError("--fix and --restore are opposites; give one of them", USAGE)
    fixer = fixer_of(sysroot)
    try:
        if restore:
            print_notes(fixer.restore() or ["nothing to restore"])
            return OK
        restore_leftover(fixer)
        findings = _examine(given, sysroot)
        if not fix:
            _show(findings)
            return FAILED if any(finding.state == "bad" for finding in findings) else OK
        return run_while_fixed(command, fixer, findings)
    except FixError as error:
        raise UserError(str(error), ENVIRONMENT) from error


def _examine(given: Given, sysroot: Path) -> tuple[Finding, ...]:
    from ..devices.doctor.checks import examine
    from ..devices.root import Local

    root = Local(sysroot)
    return examine(_machine_facts(_profile(given, root), root, here=sysroot == Path("/")))


def _profile(given: Given, root) -> DeviceProfile:
    """The requested profile; what `auto` means is reported. Raises UserError where this machine is not that device."""
    from ..bench.plan.complaints import nearest
    from ..bench.plan.config import find_profiles
    from ..bench.plan.locate import auto_note, check_here, find_auto
    from ..devices.detect import read_hardware

    device = given.value("plan.devices")
    hardware, profiles = read_hardware(root), find_profiles(given.config)
    if device == AUTO:
        found = find_auto(profiles.values(), hardware)
        print_notes([auto_note(found)])
        return found.profile
    if device not in profiles:
        raise UserError(f"--device: {device}: {nearest(device, [*profiles, AUTO])}")
    profile = profiles[device]
    if profile.host:
        raise UserError(f"device {device} is at {profile.host}: run co3d-bench doctor there", NOTHING)
    check_here([profile], hardware, profiles.values())
    return profile


def _machine_facts(profile: DeviceProfile, root, here: bool) -> MachineFacts:
    from ..bench.plan.torch_facts import ask_torch
    from ..devices.detect import read_hardware
    from ..devices.doctor import MachineFacts
    from ..devices.jtop import read_jtop
    from ..devices.nvpmodel import read_mode, run_quietly
    from ..devices.sensors.find import find_sensors

    readings = {}
    for sensor in find_sensors(profile, root):
        readings |= sensor.read()
    return MachineFacts(
        root,
        profile,
        read_hardware(root),
        readings,
        read_mode(root, run_quietly if here else None) if profile.power_modes else None,
        ask_torch() if here else None,
        read_jtop() if here and profile.unified_memory else None,
    )


def _show(findings: Sequence[Finding]) -> None:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        click.echo(f"{_MARKS[finding.state]:<5} {finding.check:<{width}}  {finding.what}")
        for text in (finding.effect, finding.fix):
            if text and finding.state != "good":
                click.echo(f"{'':<{width + 8}}{text}")
    if any(finding.can_be_fixed for finding in findings):
        program = Path(sys.argv[0]).absolute()
        print_notes([f"\n`sudo {program} doctor --fix -- COMMAND` applies these while COMMAND runs"])
