"""What the user asked for: bench.toml and the command line as one frozen, validated `Config`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ...devices.profile import AUTO, DeviceProfile, ProfileError, with_own
from ...models.spec import ModelSpec, UnknownModelError
from ...models.weights.locate import is_path
from ..errors import ENVIRONMENT, USAGE, UserError
from .catalog import Names
from .complaints import complaints, nearest
from .custom_models import OwnModel
from .locate import find_auto, tell_auto

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports] - installed there only

FILE_NAME = "bench.toml"
# In `plan.backends`: eager PyTorch as the reference, and the fastest engine that is installed (`plan.py`).
AUTO_ENGINE = "auto"
DEFAULT_FILE = Path(__file__).parents[2] / FILE_NAME


def _as_tuple(value: Any) -> Any:
    """`batch = 1` means `batch = [1]`."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _as_share(value: Any) -> Any:
    """`"1%"` means 0.01."""
    if isinstance(value, str) and value.endswith("%"):
        try:
            return float(value[:-1]) / 100
        except ValueError:
            return value
    return value


_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600}


def _as_seconds(value: Any) -> Any:
    """`"90s"`, `"8m"` and `"1h"`, or a plain number of seconds in quotes, as the command line has it."""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+) ?([a-z]*)", value.strip()) if isinstance(value, str) else None
    if found and found[2] in ("", *_SECONDS):
        return float(found[1]) * _SECONDS.get(found[2], 1)
    if isinstance(value, str):
        raise ValueError("must be a time: 90s, 8m, 1h, or a number of seconds")
    return value


_List = BeforeValidator(_as_tuple)
# Not empty, and without the characters that would break a message or a file name.
Text = Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x1f]*$")]
Words = Annotated[tuple[Text, ...], _List, Field(min_length=1)]
Positive = Annotated[int, Field(ge=1)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RunTable(_Table):
    """[run]: how long to measure and where to write."""

    out: Text = "results"
    runs: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    # Not for ever: a record could not hold that number, and no clock waits so long.
    timeout_s: Annotated[float, Field(gt=0, le=1_000_000)] = 600.0
    processes: Annotated[int, Field(ge=1, le=1000)] | Literal["auto"] = "auto"
    min_s: Annotated[float, Field(ge=0, le=1_000_000)] = 1.0
    time_s: Annotated[float, BeforeValidator(_as_seconds), Field(gt=0, le=1_000_000)] = 480.0
    target_precision: Annotated[float | None, BeforeValidator(_as_share), Field(gt=0, lt=1)] = None
    energy: bool = True  # where a sensor can be read; else the record says why not
    # Used until samples were no longer replaced; a file that has it still works, and is told.
    budget_s: Annotated[float | None, Field(ge=0, le=1_000_000)] = None


class PlanTable(_Table):
    """[plan]: what to measure; every list is crossed with every other one."""

    models: Words = ()  # needed, unless a suite is named, whose networks these then are
    suite: Text | None = None
    weights: Text | None = None  # a file, an https address, the name of a public checkpoint, or auto; None: seeded
    devices: Words = ("cpu",)
    backends: Words = ("eager",)
    precisions: Words = ("fp32",)
    batch: Annotated[tuple[Positive | Literal["auto"], ...], _List, Field(min_length=1)] = (1,)
    threads: Annotated[tuple[Positive | Literal["auto"], ...], _List, Field(min_length=1)] = ("auto",)


class InputTable(_Table):
    """[input]: what the networks look at."""

    kind: Literal["random", "video"] = "random"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    file: Text | None = None


class Tables(_Table):
    """Every key that a bench.toml may have."""

    run: RunTable = RunTable()
    plan: PlanTable
    input: InputTable = InputTable()
    # [devices.NAME]: profiles beside ours, and values laid over them; checked by `with_own`
    devices: dict[str, Any] = Field(default_factory=dict)


class Config(Tables):
    """A whole, checked bench.toml with the command line laid over it."""

    source: str = Field(description="where it came from, for people")
    own: dict[str, OwnModel] = Field(default_factory=dict, description="by name: networks that are not of the zoo")
    profiles: dict[str, DeviceProfile] = Field(default_factory=dict, description="by name: every device there is")
    notes: tuple[str, ...] = Field(default=(), description="what was found out on the way, for people")

    def spec(self, model: str, names: Names) -> ModelSpec:
        """What is known of a network of the plan."""
        return self.own[model].spec() if model in self.own else names.find_model(model)


# Of these the command line's one replaces the file's other one.
_INSTEAD = {"plan.models": "plan.suite", "plan.suite": "plan.models"}


@dataclass(frozen=True)
class Override:
    """One value of the command line, and the flag it came from, so that an error names the flag."""

    flag: str
    value: Any


def find_config(path: Path | None = None) -> tuple[Path, str]:
    """The file to read and what people call it.

    It is `path`, else bench.toml of the current folder, else the one that comes with co3d-bench.
    """
    if path is not None:
        return path, str(path)
    if Path(FILE_NAME).is_file():
        return Path(FILE_NAME), FILE_NAME
    return DEFAULT_FILE, "the built-in bench.toml"


def load_config(
    path: Path | None = None, overrides: Mapping[str, Override] | None = None, names: Names | None = None
) -> Config:
    """Read and check a bench.toml; `overrides` maps dotted keys (`plan.models`) to values of the command line.

    Raises UserError that names file, key, value and what is allowed.
    """
    file, label = find_config(path)
    table = _read(file, label)
    overrides = overrides or {}
    for key, override in overrides.items():
        section, _, name = key.partition(".")
        if (instead := _INSTEAD.get(key)) and instead not in overrides and isinstance(table.get(section), dict):
            table[section].pop(instead.partition(".")[2], None)
        if isinstance(table.setdefault(section, {}), dict):
            under = table[section].get(name)
            over = override.value  # of a table the keys that are given, of anything else all
            table[section][name] = {**under, **over} if isinstance(under, dict) and isinstance(over, dict) else over
    flags = {key: override.flag for key, override in overrides.items()}
    return _check(table, label, flags, file.parent, names or Names())


def find_profiles(names: Names, path: Path | None = None) -> tuple[DeviceProfile, ...]:
    """Every device there is, those of a bench.toml (see `find_config`) included. Raises UserError."""
    file, label = find_config(path)
    tables = _read(file, label).get("devices", {})
    if not isinstance(tables, dict):
        raise UserError(f"{label}: devices = {tables!r}: must be a table, like [devices.my-board]")
    try:
        return with_own(names.devices.values(), tables, f"{label}: devices")
    except ProfileError as error:
        raise UserError(str(error)) from error


def make_config(table: dict[str, Any], names: Names | None = None) -> Config:
    """A Config from a dict laid out like bench.toml, for Python callers. Raises UserError."""
    copy = {key: dict(value) if isinstance(value, dict) else value for key, value in table.items()}
    return _check(copy, "config", {}, Path.cwd(), names or Names())


def _read(file: Path, label: str) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_bytes().decode())
    except FileNotFoundError:
        raise UserError(f"{label}: no such file; leave --config away to use the built-in one") from None
    except OSError as error:
        raise UserError(f"{label}: cannot be read: {error.strerror}", ENVIRONMENT) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{label}: not a text file in UTF-8 (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:  # its message ends with the line and the column
        raise UserError(f"{label}: not valid TOML: {error}") from error


def _check(table: dict[str, Any], label: str, flags: Mapping[str, str], folder: Path, names: Names) -> Config:
    try:
        tables = Tables.model_validate(table)
    except ValidationError as error:
        raise UserError("\n".join(complaints(error, Tables, label, flags))) from error

    try:
        profiles = {each.name: each for each in with_own(names.devices.values(), tables.devices, f"{label}: devices")}
    except ProfileError as error:
        raise UserError(str(error)) from error
    wanted, notes = _auto(tables.plan, profiles, names)
    plan, own, wrong = _resolve(wanted, profiles, names, Path() if "plan.models" in flags else folder)
    lines = [f"{flags.get(key) or f'{label}: {key}'}: {message}" for key, message in wrong]
    where = flags.get("input.file") or f"{label}: input.file"
    source = tables.input
    if source.kind == "video" and source.file is None:
        lines.append(f"{where}: missing; input.kind = 'video' needs the path of a video")
    if source.kind == "video":
        specs = [own[name].spec() if name in own else names.find_model(name) for name in plan.models if not wrong]
        lines += [f"{where}: {why}" for spec in specs if (why := spec.not_watchable())]
    if source.kind == "random" and source.file is not None:
        lines.append(f"{where}: only used with input.kind = 'video', and that is 'random'")
    if lines:
        raise UserError("\n".join(lines), USAGE)
    if source.file is not None and "input.file" not in flags:
        source = source.model_copy(update={"file": str(folder / source.file)})
    if plan.weights is not None and "plan.weights" not in flags and is_path(plan.weights):
        plan = plan.model_copy(update={"weights": str(folder / plan.weights)})
    notes = (*notes, *_outdated(tables.run, label, flags))
    return Config(
        run=tables.run,
        plan=plan,
        input=source,
        devices=tables.devices,
        source=label,
        own=own,
        profiles=profiles,
        notes=notes,
    )


def _outdated(run: RunTable, label: str, flags: Mapping[str, str]) -> Iterator[str]:
    """What was asked for and has no effect, each with what replaced it."""
    if run.budget_s is not None:
        where = flags.get("run.budget_s") or f"{label}: run.budget_s"
        yield f"{where} is no longer used: no sample is replaced; run.time_s (--time) limits the whole run"
    if "run.time_s" in flags and run.processes != "auto":
        number = f"{run.processes} processes of each case"
        yield f"{flags['run.time_s']} is not used: {number} are asked for, however long they take"


def _auto(plan: PlanTable, profiles: dict[str, DeviceProfile], names: Names) -> tuple[PlanTable, tuple[str, ...]]:
    """The plan with this machine's own device in the place of `auto`, and what was found."""
    if AUTO not in plan.devices:
        return plan, ()
    found = find_auto(profiles.values(), names.look())
    devices = dict.fromkeys(found.profile.name if word == AUTO else word for word in plan.devices)
    return plan.model_copy(update={"devices": tuple(devices)}), (tell_auto(found),)


def _resolve(
    plan: PlanTable, profiles: dict[str, DeviceProfile], names: Names, folder: Path
) -> tuple[PlanTable, dict[str, OwnModel], list[tuple[str, str]]]:
    """The plan with every model under its own name, those that are not of the zoo, and (key, message) of mistakes.

    `folder` is where relative paths of networks start.
    """
    words, wrong = _words(plan, names)
    own: dict[str, OwnModel] = {}
    models = []
    for word in words:
        try:
            if not names.is_own(word):
                models.append(names.find_model(word).name)
                continue
            found = names.ask_own(word, folder)
        except UnknownModelError as error:
            wrong.append(("plan.models", str(error)))
            continue
        name = found.facts.name
        if own.setdefault(name, found).reference != found.reference:
            wrong.append(
                ("plan.models", f"{word}: another one is called {name} too ({own[name].reference}); rename a file")
            )
        models.append(name)
    for key, chosen, allowed in (
        ("plan.devices", plan.devices, [*profiles, AUTO]),
        ("plan.backends", plan.backends, [*names.backends, AUTO_ENGINE]),
        ("plan.precisions", plan.precisions, names.precisions()),
    ):
        wrong += [(key, f"{word}: {nearest(word, allowed)}") for word in chosen if word not in allowed]
    return plan.model_copy(update={"models": tuple(models)}), own, wrong


def _words(plan: PlanTable, names: Names) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
    """The networks as they were asked for, one by one or as a suite, and what is wrong with that."""
    if plan.suite is None:
        return plan.models, [] if plan.models else [("plan.models", "missing, and it has no default")]
    if plan.models:
        return (), [("plan.suite", "name a suite or single networks (plan.models, --model), not both")]
    if plan.suite not in names.suites:
        return (), [("plan.suite", f"{plan.suite}: {nearest(plan.suite, list(names.suites))}")]
    return names.suites[plan.suite].models(), []
