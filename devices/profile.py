"""What is known of a kind of device before it is touched: one validated TOML file each in `profiles/`.

A profile is found by its file; its file name is the name the user writes (`--device cpu`). A bench.toml adds others
and lays values over these: see `with_custom`.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports] - installed there only

PROFILES = Path(__file__).with_name("profiles")

# Stands for the profile of this machine; no profile may have this name.
AUTO = "auto"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
# As ssh takes it: an address or an alias of ~/.ssh/config, with or without a user. Nothing that ssh could read as an
# option, and no port: that, keys and jump hosts stand in the user's own ssh configuration.
_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


class ProfileError(ValueError):
    """A profile is wrong; the message names file, key and value."""


def check_host(host: str) -> str:
    """A host as it may be given to ssh. Raises ValueError."""
    if not _HOST.fullmatch(host):
        raise ValueError("must be host or user@host, of letters, digits, dots and dashes; a port goes to ~/.ssh/config")
    return host


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Recognise(_Table):
    """How a machine is recognised: a Jetson by its chip and board, a PC by its card."""

    any_machine: bool = Field(default=False, description="true for the generic profile only")
    device_tree: list[str] = Field(
        default_factory=list, description="patterns of /proc/device-tree/compatible; one entry that fits is enough"
    )
    soc: str | None = Field(default=None, description="an entry that must be among them as well")
    cuda_names: list[str] = Field(
        default_factory=list, description="patterns of the card's name, without the word NVIDIA before it"
    )
    cuda_capability: str | None = Field(default=None, description="that the card must have as well, e.g. 7.5")


class PowerMode(_Table):
    """One mode of nvpmodel. A cap that is not known, or not there, is left out."""

    id: int
    name: str
    meant: bool = Field(default=False, description="true for the mode that figures are usually given in")
    cores: int | None = Field(default=None, description="processors that are online")
    cpu_max_hz: float | None = None
    gpu_max_hz: float | None = None
    emc_max_hz: float | None = Field(default=None, description="clock of the memory")


class Chip(_Table):
    """An INA3221: three channels of current and voltage."""

    address: str = Field(description="bus and address, e.g. 0-0041", pattern=r"^\d+-[0-9a-f]{4}$")
    rails: list[str] = Field(description="names of the channels 0, 1, 2; empty where nothing is connected")


class Power(_Table):
    """What the rails of a board mean. Boards differ: some measure the input of the module, others only parts."""

    total: list[str] = Field(min_length=1, description="rails that add up to the figure of this board")
    quantity: str = Field(description="what that figure is, for people, e.g. module input")
    chips: list[Chip] = Field(default_factory=list, description="names of rails where the kernel hides them")


class Batches(_Table):
    """Batches that others ran, as facts: nothing is set by them."""

    default: int = Field(default=1, ge=1)
    networks: dict[str, int] = Field(
        default_factory=dict, description="pattern of networks: batch; the first that fits"
    )
    precision: str | None = Field(default=None, description="in which they ran")
    source: str | None = None

    def batch(self, network: str) -> int:
        """The batch for a network by its name."""
        return next((size for pattern, size in self.networks.items() if fnmatchcase(network, pattern)), self.default)


class Peak(_Table):
    """A rate somebody printed; never used for a figure of ours."""

    what: str
    value: float
    unit: Literal["FLOP/s", "B/s", "W"]
    source: str


Sensor = Literal["cpu", "thermal", "rapl", "nvml", "jetson"]


class DeviceProfile(_Table):
    """One kind of device. What a plan and a measuring process need is `torch_device` and `precisions`."""

    name: str = Field(default="", description="the file's name; not written in the file")
    kind: str = Field(
        default="",
        description="the name of the profile at the end of what it extends, else its own; not written either",
    )
    title: str
    torch_device: Literal["cpu", "cuda"] = "cpu"
    precisions: list[str] = Field(min_length=1)
    recognise: Recognise
    notes: str = ""
    before: list[str] = Field(default_factory=list, description="what to check before a run, for people")
    order: int = 100
    extends: str | None = Field(default=None, description="the profile it was made from, in a bench.toml")
    host: Annotated[str, AfterValidator(check_host)] | None = Field(
        default=None, description="where the board is reached by ssh; in a bench.toml"
    )
    python: str = Field(default="python3", min_length=1, description="the one to use there, e.g. of an environment")

    cores: int | None = Field(default=None, description="of the CPU, all of them")
    cpu_max_hz: float | None = None
    gpu_max_hz: float | None = None
    emc_max_hz: float | None = None
    memory_bytes: int | None = Field(default=None, description="of the GPU, or of both where they share it")
    unified_memory: bool = Field(default=False, description="CPU and GPU share one memory")
    cuda_capability: str | None = None
    power_modes: list[PowerMode] = Field(default_factory=list)
    power: Power | None = None
    batch: Batches = Batches()
    sensors: list[Sensor] = Field(default_factory=lambda: ["cpu", "thermal", "rapl"])
    peaks: list[Peak] = Field(default_factory=list)

    @property
    def meant_mode(self) -> PowerMode | None:
        """The power mode that figures are usually given in."""
        return next((mode for mode in self.power_modes if mode.meant), None)


def load_profile(file: Path) -> DeviceProfile:
    """The profile in one file. Raises ProfileError."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{file.name}: not valid TOML: {error}") from error
    return _checked({**table, "name": file.stem, "kind": file.stem}, f"{file.name}: ")


def load_profiles(folder: Path = PROFILES) -> tuple[DeviceProfile, ...]:
    """Every profile of a folder, by `order`, then by name. Raises ProfileError."""
    return _sorted(load_profile(file) for file in folder.glob("*.toml"))


@cache
def list_profiles() -> tuple[DeviceProfile, ...]:
    """The profiles that come with co3d-bench, read once."""
    return load_profiles()


def with_custom(
    profiles: Iterable[DeviceProfile], tables: Mapping[str, Any], label: str = "devices"
) -> tuple[DeviceProfile, ...]:
    """The profiles with those of a bench.toml added or merged in.

    `tables` is its `[devices]`: name -> table. `extends` names the profile a table is laid over; without it that is the
    profile of the same name, if there is one. Inside tables values are laid over one by one; lists are replaced.
    Raises ProfileError, a line for each thing that is wrong.
    """
    known = {profile.name: profile for profile in profiles}
    waiting = dict(tables)
    wrong = []
    while waiting:
        # A profile may extend another one of the file, wherever that stands.
        ready = [name for name, table in waiting.items() if _base_name(name, table) not in waiting.keys() - {name}]
        if not ready:
            wrong.append(f"{label}: {', '.join(waiting)}: extend each other in a circle")
            break
        for name in ready:
            try:
                known[name] = _custom(name, waiting.pop(name), known, f"{label}.{name}")
            except ProfileError as error:  # noqa: PERF203 - every mistake of a file is named at once
                wrong.append(str(error))
    if wrong:
        raise ProfileError("\n".join(wrong))
    return _sorted(known.values())


def _base_name(name: str, table: Any) -> str:
    extends = table.get("extends", name) if isinstance(table, Mapping) else name
    return extends if isinstance(extends, str) else name


def _custom(name: str, table: Any, known: Mapping[str, DeviceProfile], key_path: str) -> DeviceProfile:
    if not _NAME.fullmatch(name) or name == AUTO:
        raise ProfileError(
            f"{key_path}: a device's name is of small letters, digits, dots and dashes, and not {AUTO!r}"
        )
    if not isinstance(table, Mapping):
        raise ProfileError(f"{key_path} = {table!r}: must be a table, like [{key_path}]")
    base = known.get(_base_name(name, table))
    if base is None and "extends" in table:
        word = table["extends"]
        near = difflib.get_close_matches(str(word), known, n=1)
        there = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise ProfileError(f"{key_path}.extends = {word!r}: {there}")
    below = base.model_dump(exclude_defaults=True) if base else {}
    kind = base.kind if base else name
    try:
        return _checked({**_merged(below, table), "name": name, "kind": kind}, f"{key_path}.")
    except ProfileError as error:
        if base:
            raise
        known_kind = 'a board of a kind of `co3d-bench list devices` needs only that, e.g. extends = "xavier"'
        raise ProfileError(f"{error}\n{key_path}: extends no profile; {known_kind}") from None


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(value, Mapping) and isinstance(under, Mapping):
            value = _merged(under, value)
        merged[key] = value
    return merged


def _checked(table: dict[str, Any], key_path: str) -> DeviceProfile:
    try:
        return DeviceProfile.model_validate(table)
    except ValidationError as error:
        lines = []
        for found in error.errors():
            key = ".".join(map(str, found["loc"]))
            message = found["msg"].removeprefix("Value error, ")
            value = "" if found["type"] == "missing" else f" = {found['input']!r}"
            if found["type"] == "missing":
                message = "missing"
            if found["type"] == "extra_forbidden" and len(found["loc"]) == 1:
                near = difflib.get_close_matches(key, DeviceProfile.model_fields, n=1)
                message = f"unknown key{f'; did you mean {near[0]}?' if near else ''}"
            lines.append(f"{key_path}{key}{value}: {message}")
        raise ProfileError("\n".join(lines)) from error


def _sorted(profiles: Iterable[DeviceProfile]) -> tuple[DeviceProfile, ...]:
    return tuple(sorted(profiles, key=lambda profile: (profile.order, profile.name)))
