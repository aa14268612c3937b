"""Where the devices of a plan are: this machine, a board that is reached by ssh, or nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ...devices.detect import Hardware, Match, describe, match, recognise
from ...devices.profile import AUTO, DeviceProfile
from ...devices.remote.ssh import Ssh, Unreachable
from ..errors import NOT_HERE, UserError

_ANSWER_S = 15.0


def find_auto(profiles: Iterable[DeviceProfile], hardware: Hardware) -> Match:
    """The profile that `--device auto` is on this machine; profiles with a host are other machines."""
    return recognise((profile for profile in profiles if profile.host is None), hardware)[0]


def auto_note(found: Match) -> str:
    """Which profile `auto` is, and why, in one line."""
    return f"device {AUTO}: {found.profile.name} ({found.profile.title}), because {found.why}"


def why_unreachable(host: str) -> str | None:
    """Why a host does not answer over ssh within 15 s; None where it does."""
    try:
        done = Ssh(host).run(["true"], timeout_s=_ANSWER_S)
    except Unreachable as error:
        return str(error)
    return None if done.returncode == 0 else f"`true` ended with exit code {done.returncode} there"


def state(
    profile: DeviceProfile, hardware: Hardware, why_unreachable: Callable[[str], str | None] = why_unreachable
) -> str:
    """Where a device is, in a few words. A host only has to answer here; a plan checks what it is."""
    if profile.host is not None:
        why_not = why_unreachable(profile.host)
        return f"reachable at {profile.host}" if why_not is None else f"not reachable at {profile.host}: {why_not}"
    why = match(profile, hardware)
    return f"this machine: {why}" if why else "not here"


def check_here(wanted: Iterable[DeviceProfile], hardware: Hardware, profiles: Iterable[DeviceProfile]) -> None:
    """Raises UserError for each wanted device that this machine is not; it suggests one of `profiles` that it is."""
    missing = [profile for profile in wanted if match(profile, hardware) is None]
    if missing:
        here = find_auto(profiles, hardware).profile
        raise UserError("\n".join(_not_here(profile, hardware, here) for profile in missing), NOT_HERE)


def check_local(devices: Iterable[str], profiles: Mapping[str, DeviceProfile]) -> None:
    """Raises UserError for devices with a host: for verbs that measure on this machine only."""
    if away := [f"{name} is at {profiles[name].host}" for name in devices if profiles[name].host]:
        raise UserError(
            f"device {', '.join(away)}: only `run` reaches boards; this verb measures on this machine", NOT_HERE
        )


def _not_here(profile: DeviceProfile, hardware: Hardware, here: DeviceProfile) -> str:
    return (
        f"device {profile.name} ({profile.title}) is not this machine, and no host is set for it\n"
        f"  this machine: {describe(hardware)}\n"
        f"  recognised by: {recognition_text(profile)}\n"
        "  to reach a board by ssh, put into bench.toml:\n"
        f"      [devices.{profile.name}]\n"
        '      host = "user@address"\n'
        f"  to measure this machine:  --device {here.name}"
    )


def recognition_text(profile: DeviceProfile) -> str:
    """How a device is recognised, in one line."""
    wanted = profile.recognise
    parts = []
    if wanted.device_tree:
        soc = f"{wanted.soc} and " if wanted.soc else ""
        parts.append(f"{soc}one of {', '.join(wanted.device_tree)} in /proc/device-tree/compatible")
    if wanted.cuda_names:
        capability = f" of compute capability {wanted.cuda_capability}" if wanted.cuda_capability else ""
        parts.append(f"a GPU called {' or '.join(wanted.cuda_names)}{capability}")
    return "; or ".join(parts) or "nothing: its profile does not say how it is recognised"
