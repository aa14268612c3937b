"""Where the devices of a plan are: this machine, a board that is reached by ssh, or nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..devices.profile import AUTO, DeviceProfile
from ..devices.recognise import Found, Seen, describe, match, recognise
from .errors import NOT_HERE, UserError
from .names import Names


def find_auto(profiles: Iterable[DeviceProfile], seen: Seen) -> Found:
    """What `--device auto` stands for on this machine. A profile with a host is another machine."""
    return recognise((profile for profile in profiles if profile.host is None), seen)[0]


def tell_auto(found: Found) -> str:
    """What was found, and why, in a line."""
    return f"device {AUTO}: {found.profile.name} ({found.profile.title}), because {found.why}"


def state(profile: DeviceProfile, seen: Seen) -> str:
    """Where a device is, in a few words. A host that is named is believed, also where this machine would do."""
    if profile.host is not None:
        return f"at {profile.host}"
    why = match(profile, seen)
    return f"this machine: {why}" if why else "not here"


def check_here(devices: Iterable[str], profiles: Mapping[str, DeviceProfile], names: Names) -> None:
    """Raises UserError for devices that are neither this machine nor have a host. Asks the machine only if it must."""
    wanted = [profiles[name] for name in devices]
    wanted = [profile for profile in wanted if profile.host is None and not profile.recognise.any_machine]
    if not wanted:
        return
    seen = names.look()
    missing = [profile for profile in wanted if match(profile, seen) is None]
    if missing:
        raise UserError("\n".join(_not_here(profile, seen, profiles) for profile in missing), NOT_HERE)


def check_no_host(devices: Iterable[str], profiles: Mapping[str, DeviceProfile]) -> None:
    """Raises UserError for devices at a host: what is measured here would carry the name of another machine."""
    lines = [
        f"device {name} is at {profiles[name].host}; this version does not measure over ssh: run it there"
        for name in devices
        if profiles[name].host
    ]
    if lines:
        raise UserError("\n".join(lines), NOT_HERE)


def _not_here(profile: DeviceProfile, seen: Seen, profiles: Mapping[str, DeviceProfile]) -> str:
    here = find_auto(profiles.values(), seen).profile
    return (
        f"device {profile.name} ({profile.title}) is not this machine, and no host is set for it\n"
        f"  this machine: {describe(seen)}\n"
        f"  looked for:   {_looked_for(profile)}\n"
        "  to reach a board by ssh, put into bench.toml:\n"
        f"      [devices.{profile.name}]\n"
        '      host = "user@address"\n'
        f"  to measure this machine:  --device {here.name}"
    )


def _looked_for(profile: DeviceProfile) -> str:
    wanted = profile.recognise
    parts = []
    if wanted.device_tree:
        soc = f"{wanted.soc} and " if wanted.soc else ""
        parts.append(f"{soc}one of {', '.join(wanted.device_tree)} in /proc/device-tree/compatible")
    if wanted.cuda_names:
        capability = f" of compute capability {wanted.cuda_capability}" if wanted.cuda_capability else ""
        parts.append(f"a GPU called {' or '.join(wanted.cuda_names)}{capability}")
    return "; or ".join(parts) or "nothing: its profile says not how it is recognised"
