"""bench.toml and the command line as one frozen, checked `Config`. Nothing here looks at the machine."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ...devices.profile import AUTO, DeviceProfile, ProfileError, with_custom
from ...models.custom import case_name
from ...models.spec import UnknownModelError
from ...models.stated import complaints as complaints_of
from ...models.weights.locate import is_path
from ..errors import ENVIRONMENT, USAGE, UserError
from ..record.case import Gap, Policy, Start
from .catalog import Catalog
from .complaints import complaints, nearest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports] - installed there only

FILE_NAME = "bench.toml"
# In `plan.backends`: eager PyTorch as the reference, and the fastest engine that is installed (`plan.py`).
AUTO_ENGINE = "auto"
NO_MODELS = "missing; name networks there, by --model or by --suite (`co3d-bench list models`)"
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


def _as_drop(value: Any) -> Any:
    """`"10%"` and `"0.1"` are a share; any other text is the path of a store."""
    value = _as_share(value)
    with contextlib.suppress(ValueError, TypeError):
        value = float(value)
    if isinstance(value, float) and not 0 <= value < 1:
        raise ValueError("must be a share below 1 (0.1 or 10%), or the store of a camera's record")
    return value


_SECONDS = {"ms": 1e-3, "s": 1, "m": 60, "min": 60, "h": 3600}


def _as_seconds(value: Any) -> Any:
    """`"100ms"`, `"90s"`, `"8m"` and `"1h"`, or a plain number of seconds in quotes, as the command line has it."""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+) ?([a-z]*)", value.strip()) if isinstance(value, str) else None
    if found and found[2] in ("", *_SECONDS):
        return float(found[1]) * _SECONDS.get(found[2], 1)
    if isinstance(value, str):
        raise ValueError("must be a time: 100ms, 90s, 8m, 1h, or a number of seconds")
    return value


_List = BeforeValidator(_as_tuple)
# Not empty, and without the characters that would break a message or a file name.
Text = Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x1f]*$")]
Words = Annotated[tuple[Text, ...], _List, Field(min_length=1)]
Positive = Annotated[int, Field(ge=1, le=1_000_000)]  # a record could not hold every whole number
_LEAST = 1e-9  # of rates and times that records hold


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RunTable(_Table):
    """[run]: how long to measure and where to write."""

    out: Text = "results"
    runs: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    # Bounded: JSON has no infinity, and no clock waits so long.
    timeout_s: Annotated[float, Field(gt=0, le=1_000_000)] = 600.0
    processes: Annotated[int, Field(ge=1, le=1000)] | Literal["auto"] = "auto"
    min_s: Annotated[float, Field(ge=0, le=1_000_000)] = 1.0
    time_s: Annotated[float, BeforeValidator(_as_seconds), Field(gt=0, le=1_000_000)] = 480.0
    target_precision: Annotated[float | None, BeforeValidator(_as_share), Field(gt=0, lt=1)] = None
    energy: bool = True  # where a sensor can be read; else the record has the reason
    # No longer used: a file that has it still works, with a note.
    budget_s: Annotated[float | None, Field(ge=0, le=1_000_000)] = None


class PlanTable(_Table):
    """[plan]: what to measure; all lists are crossed."""

    models: Words = ()  # required unless a suite is named
    suite: Text | None = None
    weights: Text | None = None  # file, https address, public checkpoint or auto; None: seeded
    classes: Positive | None = None  # None: those of the weights, else the network's own
    devices: Words = ("cpu",)
    backends: Words = ("eager",)
    precisions: Words = ("fp32",)
    batch: Annotated[tuple[Positive | Literal["auto"], ...], _List, Field(min_length=1)] = (1,)
    threads: Annotated[tuple[Positive | Literal["auto"], ...], _List, Field(min_length=1)] = ("auto",)


class InputTable(_Table):
    """[input]: the input of the networks."""

    kind: Literal["random", "video"] = "random"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    file: Text | None = None


TRAINED = "trained"  # in `camera.every`: the frame interval of the network's weights


class CameraTable(_Table):
    """[camera]: for `co3d-bench camera`."""

    source: Text = "random"
    fps: Annotated[float, Field(ge=_LEAST, le=100_000)] | None = None  # None: the film's own, else 30
    duration_s: Annotated[float, BeforeValidator(_as_seconds), Field(ge=_LEAST, le=1_000_000)] = 60.0
    deadline_s: Annotated[float, BeforeValidator(_as_seconds), Field(ge=_LEAST, le=1_000_000)] = 0.1
    every: Annotated[tuple[Positive | Literal["trained"], ...], _List, Field(min_length=1)] = (TRAINED, 1)
    queue: Annotated[int, Field(ge=1, le=100_000)] = 1
    policy: Policy = "newest"
    gap: Gap = "step"
    interleave: bool = False
    streams: Positive | Literal["auto"] = 1


class EvaluateTable(_Table):
    """[evaluate]: for `co3d-bench evaluate`."""

    data: Text | None = None
    films: Text | None = None  # folder of the films; None: that of the data
    classes: Text | None = None  # file with the checkpoint's classes; None: those of the data, or of Kinetics-400
    fps: Annotated[float | None, Field(ge=_LEAST, le=1000)] = None  # None: the rate of the weights
    limit: Positive | None = None
    # Share of the frames that are dropped, or the store with the record of a camera whose drops are laid over films.
    drop: Annotated[float | Text | None, BeforeValidator(_as_drop)] = None


class TransientTable(_Table):
    """[transient]: for `co3d-bench transient`."""

    start: Annotated[tuple[Start, ...], _List, Field(min_length=1)] = ("zeros", "replicate")
    frames: Annotated[int | None, Field(ge=1, le=100_000)] = None  # None: a quarter more than the receptive field


def _as_cool_down(value: Any) -> Any:
    """`"45 C"` is a temperature, anything else a time: `"60s"`."""
    found = re.fullmatch(r"(-?[0-9]*\.?[0-9]+) ?(?:°? ?C)", value.strip()) if isinstance(value, str) else None
    if found:
        return CoolDown(temperature_c=float(found[1]))
    try:
        return CoolDown(time_s=_as_seconds(value))
    except (ValueError, TypeError):
        raise ValueError("must be a time (60s, 2m), or a temperature in degrees Celsius (45 C)") from None


class CoolDown(_Table):
    """How a board cools between two of its cases: to a temperature, or for a time. One of them is set."""

    temperature_c: Annotated[float, Field(ge=-50, le=150)] | None = None
    time_s: Annotated[float, Field(ge=0, le=86_400)] | None = None

    @property
    def text(self) -> str:
        """As it is written in bench.toml."""
        return f"{self.time_s:g} s" if self.temperature_c is None else f"{self.temperature_c:g} C"


class FleetTable(_Table):
    """[fleet]: for `co3d-bench run --fleet`."""

    boards: Annotated[tuple[Text, ...], _List] = ()  # empty: every device of the file that has a host
    cool_down: Annotated[CoolDown | None, BeforeValidator(_as_cool_down)] = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0  # of the order of the cases


class Tables(_Table):
    """Every key that a bench.toml may have."""

    run: RunTable = RunTable()
    plan: PlanTable = PlanTable()
    input: InputTable = InputTable()
    camera: CameraTable = CameraTable()
    evaluate: EvaluateTable = EvaluateTable()
    transient: TransientTable = TransientTable()
    fleet: FleetTable = FleetTable()
    # [models."file.py:factory"]: what their author states of custom models; checked by `models/stated.py`
    models: dict[str, Any] = Field(default_factory=dict)
    # [devices.NAME]: profiles beside ours, and values that override theirs; checked by `with_custom`
    devices: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Override:
    """One value of the command line, and the flag it came from, so that an error names the flag."""

    flag: str
    value: Any


@dataclass(frozen=True)
class Origin:
    """Where the keys of a config were written: errors name it, and relative paths start there."""

    label: str  # the file, for people
    folder: Path
    flags: Mapping[str, str] = field(default_factory=dict)  # dotted key -> the flag of the command line that set it

    def where(self, key: str) -> str:
        """A key, for people."""
        return self.flags.get(key) or f"{self.label}: {key}"

    def base(self, key: str) -> Path:
        """The folder in which a relative path under that key starts."""
        return Path() if key in self.flags else self.folder


@dataclass(frozen=True)
class Config:
    """A bench.toml with the overrides of the command line, checked against the catalog only.

    Its plan has the names of zoo networks, also of those in a suite. Custom models and the device `auto` are still as
    written; `resolve` replaces them.
    """

    run: RunTable
    plan: PlanTable
    input: InputTable
    origin: Origin = field(compare=False)  # two equal configs may come from different files
    catalog: Catalog  # its devices are those of the file as well
    notes: tuple[str, ...] = ()  # for people
    camera: CameraTable = field(default_factory=CameraTable)
    stated: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # of custom models, by their names
    evaluate: EvaluateTable = field(default_factory=EvaluateTable)
    transient: TransientTable = field(default_factory=TransientTable)
    fleet: FleetTable = field(default_factory=FleetTable)

    @property
    def source(self) -> str:
        """Where it came from, for people."""
        return self.origin.label


# An option on the left also replaces the key on the right in the file.
_INSTEAD = {"plan.models": "plan.suite", "plan.suite": "plan.models"}


def find_config(path: Path | None = None) -> tuple[Path, str]:
    """The file to read and its name for people.

    It is `path`, else bench.toml in the current folder, else the built-in one.
    """
    if path is not None:
        return path, str(path)
    if Path(FILE_NAME).is_file():
        return Path(FILE_NAME), FILE_NAME
    return DEFAULT_FILE, "the built-in bench.toml"


def read_config(
    path: Path | None = None, overrides: Mapping[str, Override] | None = None, catalog: Catalog | None = None
) -> Config:
    """The config of a file (see `find_config`); `overrides` maps dotted keys (`plan.models`) to values of the command
    line. Raises UserError with file, key, value and what is allowed."""
    file, label = find_config(path)
    return parse_config(_text(file, label), label, file.parent, overrides or {}, catalog or Catalog())


def parse_config(text: str, label: str, folder: Path, overrides: Mapping[str, Override], catalog: Catalog) -> Config:
    """The config of a file's text, and the overrides of the command line. Raises UserError, a line for each mistake."""
    table = _table(text, label)
    for key, override in overrides.items():
        section, _, name = key.partition(".")
        if (instead := _INSTEAD.get(key)) and instead not in overrides and isinstance(table.get(section), dict):
            table[section].pop(instead.partition(".")[2], None)
        if isinstance(table.setdefault(section, {}), dict):
            under = table[section].get(name)
            over = override.value  # tables are merged, other values replaced
            table[section][name] = {**under, **over} if isinstance(under, dict) and isinstance(over, dict) else over
    flags = {key: override.flag for key, override in overrides.items()}
    return check_config(table, Origin(label, folder, flags), catalog)


def find_profiles(path: Path | None = None, catalog: Catalog | None = None) -> dict[str, DeviceProfile]:
    """Every device by name, those of a bench.toml (see `find_config`) included. Raises UserError."""
    file, label = find_config(path)
    tables = _table(_text(file, label), label).get("devices", {})
    if not isinstance(tables, dict):
        raise UserError(f"{label}: devices = {tables!r}: must be a table, like [devices.my-board]")
    return _profiles(tables, label, catalog or Catalog())


def _text(file: Path, label: str) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")  # editors of Windows put a byte order mark in front
    except FileNotFoundError:
        raise UserError(f"{label}: no such file; leave out --config to use the built-in one") from None
    except OSError as error:
        raise UserError(f"{label}: cannot be read: {error.strerror}", ENVIRONMENT) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{label}: not a text file in UTF-8 (byte {error.start})") from error


def _table(text: str, label: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:  # its message ends with the line and the column
        raise UserError(f"{label}: not valid TOML: {error}") from error


def check_config(table: Mapping[str, Any], origin: Origin, catalog: Catalog) -> Config:
    """The config of a table laid out like bench.toml. Raises UserError, a line for each mistake."""
    try:
        tables = Tables.model_validate(table)
    except ValidationError as error:
        raise UserError("\n".join(complaints(error, Tables, origin.label, origin.flags))) from error
    catalog = replace(catalog, devices=_profiles(tables.devices, origin.label, catalog))
    plan, source = tables.plan, tables.input
    models, wrong = _models(plan, catalog)
    wrong += [*_unknown_words(tables, catalog), *_wrong_input(source), *_wrong_statements(tables.models, catalog)]
    if wrong:
        raise UserError("\n".join(f"{origin.where(key)}: {message}" for key, message in wrong), USAGE)
    plan = plan.model_copy(update={"models": models})
    if source.file is not None:
        source = source.model_copy(update={"file": str(origin.base("input.file") / source.file)})
    if plan.weights is not None and is_path(plan.weights):
        plan = plan.model_copy(update={"weights": str(origin.base("plan.weights") / plan.weights)})
    camera = tables.camera
    if camera.source != "random" and "://" not in camera.source:
        camera = camera.model_copy(update={"source": str(origin.base("camera.source") / camera.source)})
    evaluate = tables.evaluate
    for name in ("data", "films", "classes", "drop"):
        if isinstance(word := getattr(evaluate, name), str):
            evaluate = evaluate.model_copy(update={name: str(origin.base(f"evaluate.{name}") / word)})
    stated = {case_name(word): values for word, values in tables.models.items()}
    notes = tuple(_without_effect(tables.run, origin))
    return Config(
        tables.run, plan, source, origin, catalog, notes, camera, stated, evaluate, tables.transient, tables.fleet
    )


def _profiles(tables: Mapping[str, Any], label: str, catalog: Catalog) -> dict[str, DeviceProfile]:
    try:
        return {each.name: each for each in with_custom(catalog.devices.values(), tables, f"{label}: devices")}
    except ProfileError as error:
        raise UserError(str(error)) from error


def _without_effect(run: RunTable, origin: Origin) -> Iterator[str]:
    """A note for each option that has no effect, with what replaced it."""
    if run.budget_s is not None:
        where = origin.where("run.budget_s")
        yield f"{where} is no longer used: no sample is replaced; run.time_s (--time) limits the whole run"
    if run.processes == "auto":
        return
    number = "1 process" if run.processes == 1 else f"{run.processes} processes"
    for key, whatever in (("run.time_s", "long that takes"), ("run.target_precision", "wide the interval is")):
        if key in origin.flags:
            yield f"{origin.flags[key]} is not used: {number} of each case asked for, however {whatever}"


Wrong = list[tuple[str, str]]  # (key, message)


def _models(plan: PlanTable, catalog: Catalog) -> tuple[tuple[str, ...], Wrong]:
    """The networks of a plan, those of the zoo by name, and the mistakes."""
    words, wrong = _model_words(plan, catalog)
    models = []
    for word in words:
        try:
            models.append(word if catalog.is_custom(word) else catalog.find_model(word).name)
        except UnknownModelError as error:  # noqa: PERF203 - all of them are named at once
            wrong.append(("plan.models", str(error)))
    return tuple(models), wrong


def _model_words(plan: PlanTable, catalog: Catalog) -> tuple[tuple[str, ...], Wrong]:
    """The networks as requested, one by one or as a suite, and the mistakes."""
    if plan.suite is None:
        return plan.models, [] if plan.models else [("plan.models", NO_MODELS)]
    if plan.models:
        return (), [("plan.suite", "name a suite or single networks (plan.models, --model), not both")]
    if plan.suite not in catalog.suites:
        return (), [("plan.suite", f"{plan.suite}: {nearest(plan.suite, list(catalog.suites))}")]
    return catalog.suites[plan.suite].models(), []


def _unknown_words(tables: Tables, catalog: Catalog) -> Iterator[tuple[str, str]]:
    plan = tables.plan
    for key, chosen, allowed in (
        ("fleet.boards", tables.fleet.boards, [*catalog.devices]),
        ("plan.devices", plan.devices, [*catalog.devices, AUTO]),
        ("plan.backends", plan.backends, [*catalog.backends, AUTO_ENGINE]),
        ("plan.precisions", plan.precisions, catalog.precisions()),
    ):
        yield from ((key, f"{word}: {nearest(word, allowed)}") for word in chosen if word not in allowed)


def _wrong_statements(tables: Mapping[str, Any], catalog: Catalog) -> Iterator[tuple[str, str]]:
    for word, values in tables.items():
        key = f'models."{word}"'
        if not catalog.is_custom(word):
            yield key, "not a network of your own; its table is called like path/to/file.py:factory"
        elif not isinstance(values, dict):
            yield key, f"is {values!r}; it must be a table, like [{key}]"
        else:
            yield from ((f"{key}.{name}", why) for name, why in complaints_of(values))


def _wrong_input(source: InputTable) -> Iterator[tuple[str, str]]:
    if source.kind == "video" and source.file is None:
        yield "input.file", "missing; input.kind = 'video' needs the path of a video"
    if source.kind == "random" and source.file is not None:
        yield "input.file", "only used with input.kind = 'video', but input.kind is 'random'"
