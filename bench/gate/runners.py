"""Base and head of `check --pair`: what each of their processes runs, and its latencies.

Each is a commit, a custom model (`file.py:factory`), or any command. All three are measured alike: one fresh process
gives a list of latencies.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from ...devices.cgroup import oom_kills
from ...devices.own_path import python_command
from ...models.custom import CustomModelError
from ..errors import USAGE, UserError
from ..measure.interleaved import WAITING
from ..measure.job import Event, Job, TurnPipes
from ..plan.catalog import Catalog
from ..plan.custom_models import CustomModel, describe_custom
from ..record.case import Case
from ..record.record import Record, Settings
from ..run.child import child_environment, run_child
from ..run.outcome import to_record
from ..run.stop import Stop
from .code import Code
from .command import run_command
from .proof import CURRENT, check_loaded, describe


@dataclass(frozen=True)
class Measured:
    """The latencies of one process, or why it failed."""

    latency_s: tuple[float, ...] = ()
    record: Record | None = None
    failure: str | None = None

    @property
    def value_s(self) -> float:
        """The one figure of this process: the median of all its samples."""
        return median(self.latency_s)


class Runner(Protocol):
    """Base or head. `measure` returns None where it was stopped."""

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> str:
        """Its name, and all else that must be the same for the pairs of an earlier check to hold."""
        ...

    def measure(self, case: Case, runs: int, full: bool, stop: Stop) -> Measured | None: ...


@dataclass(frozen=True)
class Processes:
    """Processes that are workers of co3d-bench: those of a commit, or of a custom model."""

    name: str
    python: str
    environment: Mapping[str, str]
    schema: Mapping[str, Any]  # of the jobs that these workers understand
    custom: Mapping[str, CustomModel]
    catalog: Catalog
    timeout_s: float
    worker: tuple[str, ...] = CURRENT.worker
    code: Code | None = None  # that they must prove to have run; None: base and head run the same co3d-bench and files

    @property
    def identity(self) -> str:
        sources = [model.facts.source for model in self.custom.values()]
        return " ".join([self.name, *(source.sha256 for source in sources if source and source.sha256)])

    def can_interleave(self, case: Case) -> bool:
        """Whether its workers can be interleaved with others: not those of older versions (some took turns in another
        way, as `seat`), nor an external engine."""
        return "in_turn" in self.schema["properties"] and not self.catalog.backends[case.backend].external

    def measure(
        self,
        case: Case,
        runs: int,
        full: bool,
        stop: Stop,
        pipes: TurnPipes | None = None,
        ready: Callable[[], None] = lambda: None,
    ) -> Measured | None:
        """One fresh process: timed, and with `full` also verified and counted. With `pipes` it is interleaved with
        another one, and `ready` is called when it waits for its first turn."""
        torch_device = self.catalog.devices[case.device].torch_device
        if torch_device != "cpu" and "torch_device" not in self.schema["properties"]:
            return Measured(failure=f"this version of co3d-bench does not measure on {torch_device}")
        job = Job(
            run_id=self.name,
            case=case,
            settings=Settings(runs=runs, timeout_s=self.timeout_s),
            own=self.custom.get(case.model),
            torch_device=torch_device,
            timing_only=not full,
            in_turn=pipes,
            prove=self.code.roots if self.code else None,
        )
        loaded: list[str] = []

        def on_event(event: Event) -> None:
            loaded.extend(event.modules or ())
            if event.phase == WAITING:
                ready()

        line = json.dumps(known_fields(job.model_dump(mode="json", exclude_none=True), self.schema)).encode() + b"\n"
        begin, killed = time.monotonic(), oom_kills()
        outcome = run_child(
            python_command(*self.worker, python=self.python),
            line,
            self.timeout_s,
            stop=stop,
            on_event=on_event,
            environment={**child_environment(case.threads), **self.environment},
            pass_fds=(pipes.take, pipes.give) if pipes else (),
        )
        if outcome.stopped:
            return None
        spec = job.own.spec() if job.own else self.catalog.find_model(case.model)
        record = to_record(job, spec, outcome, oom_kills() - killed, time.monotonic() - begin)
        if record.error is not None or record.timing is None:
            return Measured(record=record, failure=_why(record))
        if self.code and "prove" in self.schema["properties"]:  # older ones were checked before (`proof.describe`)
            check_loaded(self.code, loaded)
        return Measured(tuple(record.timing.samples.latency_s), record)


@dataclass(frozen=True)
class Command:
    """Any command: its last line of output is `{"latency_s": [...]}`, or it is timed as a whole."""

    name: str
    words: tuple[str, ...]
    timeout_s: float

    @property
    def identity(self) -> str:
        return self.name

    def measure(self, case: Case, runs: int, full: bool, stop: Stop) -> Measured | None:
        """One fresh process of the command; there is nothing to verify or count."""
        try:
            done = run_command(self.words, self.timeout_s, stop)
        except OSError as error:
            return Measured(failure=f"{self.words[0]}: {error.strerror}")
        if stop.signal:
            return None
        if done.returncode is None:
            return Measured(failure=f"not done after {self.timeout_s:g} s")
        if done.returncode:
            last_line = done.errors.decode(errors="replace").strip().splitlines()[-1:] or ["it printed nothing"]
            return Measured(failure=f"exit code {done.returncode}: {last_line[0]}")
        latencies = _printed_latencies(done.output)
        return Measured(tuple(latencies) if latencies else (done.seconds,))


def command_runner(text: str, timeout_s: float) -> Command:
    """Base or head from a command in one string. Raises UserError where it cannot be split into words."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise UserError(f"{text!r} is no command: {error}") from error
    if not words:
        raise UserError("the command is empty")
    return Command(text, words, timeout_s)


def code_runner(code: Code, custom: Mapping[str, str], catalog: Catalog, timeout_s: float) -> Processes:
    """Base or head from a commit; `custom` maps names to `file.py:factory`, the file relative to its repository.
    Raises UserError where the commit has no such network, or where its processes do not run its own code."""
    entry, described = describe(code)
    environment = code.environment()
    try:
        models = {
            name: describe_custom(reference, code.folder, code.python, environment, entry.custom_model)
            for name, reference in custom.items()
        }
    except CustomModelError as error:
        raise UserError(f"--pair: {code.name}: {error}", USAGE) from None
    return Processes(code.name, code.python, environment, described.job, models, catalog, timeout_s, entry.worker, code)


def factory_runner(reference: str, name: str, catalog: Catalog, timeout_s: float, python: str) -> Processes:
    """Base or head from a custom model; the records of both have the same `name`. Raises UserError where there is no
    such network."""
    try:
        model = catalog.describe_custom(reference, Path())
    except CustomModelError as error:
        raise UserError(f"--pair: {error}", USAGE) from None
    renamed = model.model_copy(update={"facts": model.facts.model_copy(update={"name": name})})
    return Processes(reference, python, {}, Job.model_json_schema(), {name: renamed}, catalog, timeout_s)


def known_fields(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
    """A job without the fields that another version of the code does not know: an older worker would refuse them."""
    root = schema if root is None else root
    if "$ref" in schema:
        return known_fields(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    for choice in schema.get("anyOf", ()):
        if "$ref" in choice and isinstance(value, dict):
            return known_fields(value, choice, root)
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        return {name: known_fields(each, known[name], root) for name, each in value.items() if name in known}
    return value


def _why(record: Record) -> str:
    """The failure in one line, for a crash with the last line of its output."""
    error = record.error
    if error is None:
        return "not timed"
    last = (error.detail or "").strip().splitlines()[-1:] if error.kind == "crash" else []
    return ": ".join([error.kind, error.message, *last])


def _printed_latencies(output: bytes) -> list[float] | None:
    """The latencies in the last line of a command's output, if it has them."""
    for line in reversed(output.decode(errors="replace").splitlines()):
        if not line.strip():
            continue
        try:
            values = [float(latency) for latency in json.loads(line)["latency_s"]]
        except (ValueError, TypeError, KeyError):
            return None
        return values if values and all(latency > 0 for latency in values) else None
    return None
