"""What is known of a kind of device before it is touched: one validated TOML file each in `profiles/`.

A profile is found by its file; its file name is the name the user writes (`--device cpu`).
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .host import HostFacts

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports] - installed there only

PROFILES = Path(__file__).with_name("profiles")


class ProfileError(ValueError):
    """A profile file is wrong; the message names file, key and value."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Recognise(_Table):
    """How a machine is known to be this device; any one match is enough."""

    any_machine: bool = Field(default=False, description="true for the generic profile only")
    device_tree: list[str] = Field(default_factory=list, description="entries of /proc/device-tree/compatible")


class DeviceProfile(_Table):
    """One kind of device. `precisions` and `torch_device` are what the plan and the worker read."""

    name: str = Field(default="", description="the file's name; not written in the file")
    title: str
    torch_device: str = "cpu"
    precisions: list[str] = Field(min_length=1)
    recognise: Recognise
    notes: str = ""
    order: int = 100


def load_profile(file: Path) -> DeviceProfile:
    """The profile in one file. Raises ProfileError."""
    try:
        table = tomllib.loads(file.read_text())
        return DeviceProfile.model_validate({**table, "name": file.stem})
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{file.name}: not valid TOML: {error}") from error
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))} = {e['input']!r}: {e['msg']}" for e in error.errors()]
        raise ProfileError(f"{file.name}: {'; '.join(lines)}") from error


def load_profiles(folder: Path = PROFILES) -> tuple[DeviceProfile, ...]:
    """Every profile of a folder, by `order`, then by name. Raises ProfileError."""
    found = [load_profile(file) for file in folder.glob("*.toml")]
    return tuple(sorted(found, key=lambda profile: (profile.order, profile.name)))


@cache
def list_profiles() -> tuple[DeviceProfile, ...]:
    """The profiles that come with co3d-bench, read once."""
    return load_profiles()


def matches(profile: DeviceProfile, host: HostFacts) -> bool:
    """Whether this machine is that device."""
    wanted = profile.recognise
    return wanted.any_machine or any(entry in host.device_tree for entry in wanted.device_tree)
