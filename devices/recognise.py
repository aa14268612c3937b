"""Which of the profiles a machine is, and why we think so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .host import HostFacts
from .profile import DeviceProfile


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA card, as its driver tells it."""

    name: str  # without the word NVIDIA, which older drivers leave away
    capability: str | None = None  # e.g. 7.5
    memory_bytes: int | None = None
    index: int = 0
    uuid: str | None = None


@dataclass(frozen=True)
class Seen:
    """A machine as far as it shows what it is."""

    host: HostFacts
    gpus: tuple[Gpu, ...] = ()
    no_gpus: str | None = None  # why none are known


@dataclass(frozen=True)
class Found:
    """A profile that a machine is, and what speaks for it."""

    profile: DeviceProfile
    why: str


def card_name(name: str) -> str:
    """The name of a card as all drivers agree on it."""
    return name.removeprefix("NVIDIA ").strip()


def match(profile: DeviceProfile, seen: Seen) -> str | None:
    """Why this machine is that device; None if it is not.

    All entries of the device tree are looked at: where a board lists more than one chip, the last is not the one. Its
    model is free text, and is not looked at.
    """
    wanted, tree = profile.recognise, seen.host.device_tree
    entry = next((entry for entry in tree for pattern in wanted.device_tree if fnmatchcase(entry, pattern)), None)
    if entry is not None and (wanted.soc is None or wanted.soc in tree):
        soc = f" and {wanted.soc}" if wanted.soc else ""
        return f"its device tree has {entry}{soc}"
    for gpu in seen.gpus:
        named = any(fnmatchcase(gpu.name.lower(), pattern.lower()) for pattern in wanted.cuda_names)
        if named and gpu.capability in (None, wanted.cuda_capability):
            capability = f", compute capability {gpu.capability}" if gpu.capability else ""
            return f"its GPU {gpu.index} is a {gpu.name}{capability}"
    return "any Linux machine has one" if wanted.any_machine else None


def recognise(profiles: Iterable[DeviceProfile], seen: Seen) -> tuple[Found, ...]:
    """Every profile this machine is, the one to take first: a board or a card before the generic profile, and one
    that comes with us before the same under a user's name."""
    found = [Found(profile, why) for profile in profiles if (why := match(profile, seen))]
    return tuple(sorted(found, key=lambda each: (each.profile.recognise.any_machine, each.profile.host is not None)))


def describe(seen: Seen) -> str:
    """What a machine is, in a line."""
    host = seen.host
    parts = [f"{host.cpu_model}, {host.usable_cores} usable cores, {host.architecture}"]
    if host.device_tree:
        parts.append(f"device tree {' '.join(host.device_tree)}")
    parts += [f"GPU {gpu.index} {gpu.name}" for gpu in seen.gpus] or [f"no NVIDIA GPU ({seen.no_gpus or 'none found'})"]
    return "; ".join(parts)
