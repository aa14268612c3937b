"""The records of a store as pandas tables, a row a process or a row a case: plain numbers, units in the names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..record.garbage import held_back
from ..record.record import Record
from ..record.store import each_record
from .case_result import CaseResult, case_results
from .metrics import get_metric
from .normalise import reference_s
from .summary import background_load, throttled, throughput, warnings

if TYPE_CHECKING:
    import pandas

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Field:
    """One column: its name with its unit, and where a record has it."""

    name: str
    value: Callable[[Record], Value]
    explains: str


@dataclass(frozen=True)
class CaseField:
    """One column of the table by case."""

    name: str
    value: Callable[[CaseResult], Value]
    explains: str


def _throughput_std(result: CaseResult) -> Value:
    return result.summary.throughput_std(result.case.batch) if result.summary else None


def _environment(name: str, of: str = "machine") -> Callable[[Record], Value]:
    return lambda record: getattr(getattr(record.environment, of), name) if record.environment else None


def _counter(name: str) -> Callable[[Record], Value]:
    return lambda record: getattr(record.counters, name) if record.counters else None


def _timing(name: str) -> Callable[[Record], Value]:
    return lambda record: getattr(record.timing, name) if record.timing else None


def _reference(name: str) -> Callable[[Record], Value]:
    return lambda r: getattr(r.timing.reference, name) if r.timing and r.timing.reference else None


def _engine(name: str) -> Callable[[Record], Value]:
    return lambda record: getattr(record.engine, name) if record.engine else None


def _throughput_per_s(record: Record) -> Value:
    return throughput(record.timing.samples, record.case.batch) if record.timing else None


def _status(record: Record) -> Value:
    return "failed" if record.error else "measured" if record.timing else "untimed"


def _version(of: str) -> Callable[[Record], Value]:
    return lambda record: record.environment.versions.get(of) if record.environment else None


def _scaled(metric: str, factor: float) -> Callable[[Record], Value]:
    """A metric, which has the unit of people, in ours."""

    def value(record: Record) -> Value:
        found = get_metric(metric).value(record)
        return None if found is None else found * factor

    return value


def _cuda(name: str) -> Callable[[Record], Value]:
    return lambda record: getattr(record.cuda, name) if record.cuda else None


def _cuda_memory(name: str) -> Callable[[Record], Value]:
    return lambda record: getattr(record.cuda.memory, name) if record.cuda and record.cuda.memory else None


def _highest_temperature_c(record: Record) -> Value:
    figures = record.sensors.figures if record.sensors else ()
    highest = [f.during.max for f in figures if f.during and f.name.partition("/")[0] == "temperature_c"]
    return max(highest, default=None)


def _accuracy(record: Record) -> Value:
    published = record.model.published if record.model else None
    return published.accuracy_top1 if published else None


# The whole table: a new column is one line here.
FIELDS: tuple[Field, ...] = (
    Field("run_id", lambda r: r.run_id, "the run it was measured in; sorts by time"),
    Field("process", lambda r: r.process, "which of the fresh processes of this case in this run"),
    Field("started_at", lambda r: r.started_at, "UTC"),
    Field("case", lambda r: r.key, "the whole case in one word"),
    Field("model", lambda r: r.case.model, "the network's name"),
    Field("device", lambda r: r.case.device, "the device profile"),
    Field("device_kind", lambda r: r.device_kind, "the profile that the device comes down to, by what it extends"),
    Field("backend", lambda r: r.case.backend, "the engine's name"),
    Field("precision", lambda r: r.case.precision, "of weights and arithmetic"),
    Field("batch", lambda r: r.case.batch, "clips, or streams of frames, in one call"),
    Field("threads", lambda r: r.case.threads, "inside one operator"),
    Field("input", lambda r: r.case.input, "what the network looked at"),
    Field("family", lambda r: r.model.family if r.model else None, "the network's family"),
    Field("form", lambda r: r.model.form if r.model else None, "clip, frame, or input"),
    Field("latency_s", _scaled("latency", 1e-3), "median of the timed calls"),
    Field("throughput_per_s", _throughput_per_s, "predictions a second, over all timed calls"),
    Field("samples", lambda r: len(r.timing.samples) if r.timing else None, "timed calls"),
    Field("first_prediction_s", _timing("first_prediction_s"), "the first call in the process"),
    Field("prepare_s", _timing("prepare_s"), "what the engine did before"),
    Field("load_s", _timing("load_s"), "building the network"),
    Field("macs", _counter("macs"), "multiply-accumulates of one prediction at batch 1"),
    Field("parameters", _counter("parameters"), "of the network"),
    Field("state_bytes", _counter("state_bytes"), "carried from frame to frame"),
    Field("peak_allocated_bytes", _counter("peak_allocated_bytes"), "weights, state, input and highest transient"),
    Field("peak_rss_bytes", lambda r: r.peak_rss_bytes, "highest resident memory of the process"),
    Field(
        "energy_j", _scaled("energy", 1e-3), "of one prediction, idle part included; what it is of differs by device"
    ),
    Field("energy_above_idle_j", _scaled("energy_above_idle", 1e-3), "of one prediction, beyond the device when idle"),
    Field("energy_quantity", lambda r: r.energy.quantity if r.energy else None, "what the energy is of"),
    Field("highest_temperature_c", _highest_temperature_c, "of any zone, while samples were taken"),
    Field("throttled", throttled, "what says that the machine was slowed down meanwhile; missing: nothing does"),
    Field("device_s", _scaled("device_time", 1e-3), "median time of a timed call on the GPU alone"),
    Field("to_device_s", _cuda("to_device_s"), "copy of an input to the GPU; not in the latency"),
    Field("to_host_s", _cuda("to_host_s"), "copy of an answer back; not in the latency"),
    Field("cuda_reserved_bytes", _cuda_memory("peak_reserved_bytes"), "what torch took of the GPU's memory"),
    Field(
        "available_drop_bytes", _cuda_memory("available_drop_bytes"), "by how much free memory fell, where it is shared"
    ),
    Field("gpu", _cuda("name"), "the GPU's name"),
    Field("accuracy_top1_percent", _accuracy, "as published, not measured here"),
    Field(
        "relative_error", lambda r: r.verification.relative_error if r.verification else None, "against the reference"
    ),
    Field("status", _status, "measured, failed or untimed"),
    Field("warnings", lambda r: "; ".join(warnings(r)) or None, "why not to take the speed at face value"),
    Field("background_load", background_load, "cores that other processes kept busy meanwhile"),
    Field("reference_workload", _reference("name"), "the fixed piece of work that tells how fast the machine was"),
    Field("reference_s", reference_s, "its median time, before and after the samples"),
    Field("error", lambda r: f"{r.error.kind}: {r.error.message}" if r.error else None, "why there is no number"),
    Field("engine", _engine("name"), "what really ran"),
    Field("engine_version", _engine("version"), "as the engine tells it"),
    Field("engine_provider", _engine("provider"), "the part of the engine that was really used"),
    Field("cpu", _environment("cpu_model"), "the processor's name"),
    Field("cores", _environment("logical_cores"), "logical ones, of the machine"),
    Field("governor", _environment("governor", "process"), "of the clock"),
    Field("python", _version("python"), "its version"),
    Field("torch", _version("torch"), "its version"),
    Field("commit", lambda r: r.environment.git_commit if r.environment else None, "of co3d-bench"),
    Field("dirty", lambda r: r.environment.git_dirty if r.environment else None, "whether its files were changed"),
)


# Fields that two processes of a case may differ in, and that no figure of the case is made of.
_OF_A_PROCESS = ("process", "reference_s", "background_load", "error", "warnings", "status", "samples")


def _metric_of_case(name: str, factor: float) -> Callable[[CaseResult], Value]:
    def value(result: CaseResult) -> Value:
        found = result.value(name)
        return None if found is None else found * factor

    return value


def _end(metric: str, end: str, factor: float) -> Callable[[CaseResult], Value]:
    def value(result: CaseResult) -> Value:
        found = result.figure(metric)
        return getattr(found, end) * factor if found else None

    return value


def _counted(name: str) -> Callable[[CaseResult], Value]:
    """A figure without noise: the first process of a case counts for all."""
    return lambda result: getattr(result.counters, name) if result.counters else None


def _summary(name: str) -> Callable[[CaseResult], Value]:
    return lambda result: getattr(result.summary, name) if result.summary else None


# Columns of the table by case: figures as everywhere (`case_result.py`); what is a fact and no figure is that of the
# process whose latency is shown.
CASE_FIELDS: tuple[CaseField, ...] = (
    CaseField("latency_s", _metric_of_case("latency", 1e-3), "lower median of the processes' medians"),
    CaseField("latency_low_s", _end("latency", "low", 1e-3), "of its 95 % interval; of fewer than six their range"),
    CaseField("latency_high_s", _end("latency", "high", 1e-3), "likewise"),
    CaseField("latency_p90_s", _summary("p90_s"), "of all timed predictions; missing below 64 of them"),
    CaseField("throughput_per_s", _metric_of_case("throughput", 1.0), "lower median of the processes"),
    CaseField("throughput_std_per_s", _throughput_std, "standard deviation over all timed predictions"),
    CaseField("device_s", _metric_of_case("device_time", 1e-3), "lower median, of a call on the GPU alone"),
    CaseField("first_prediction_s", _metric_of_case("first_prediction", 1e-3), "lower median of the processes"),
    CaseField("load_s", _metric_of_case("load", 1e-3), "lower median of the processes"),
    CaseField("peak_rss_bytes", _metric_of_case("peak_rss", 1e6), "lower median of the processes"),
    CaseField("macs", _counted("macs"), "multiply-accumulates of one prediction at batch 1"),
    CaseField("parameters", _counted("parameters"), "of the network"),
    CaseField("state_bytes", _counted("state_bytes"), "carried from frame to frame"),
    CaseField("peak_allocated_bytes", _counted("peak_allocated_bytes"), "weights, state, input and highest transient"),
    CaseField("energy_j", _metric_of_case("energy", 1e-3), "of one prediction, idle part included"),
    CaseField("energy_above_idle_j", _metric_of_case("energy_above_idle", 1e-3), "beyond the device when idle"),
    CaseField("energy_quantity", lambda r: r.energy.quantity if r.energy else None, "what the energy is of"),
    CaseField("processes", lambda r: len(r.timed), "fresh processes with figures"),
    CaseField("failed_processes", lambda r: sum(not each.ok for each in r.records), "those without"),
    CaseField("samples", lambda r: len(r.latency_s), "timed predictions of all processes"),
    CaseField("status", lambda r: "failed" if r.error else "measured" if r.timed else "untimed", "as of a process"),
    CaseField("warnings", lambda r: "; ".join(r.warnings) or None, "why not to take the speed at face value"),
    CaseField("error", lambda r: f"{r.error.kind}: {r.error.message}" if r.error else None, "why there is no number"),
)


def load(path: str | Path, by: Literal["process", "case"] = "process") -> pandas.DataFrame:
    """The records of a store (a folder, or a .jsonl file) as a table, oldest first; missing figures are missing values.

    `by="process"`: every record a row, columns as in `FIELDS`. `by="case"`: what each case's newest run gave, in the
    figures that the report shows: columns as in `CASE_FIELDS`, and the facts of `FIELDS` beside them.
    Raises UserError where there is no store or it cannot be read, ValueError for another `by`.
    """
    if by not in ("process", "case"):
        raise ValueError(f"by={by!r}: must be 'process' or 'case'")
    with held_back():
        return frame(each_record(path)) if by == "process" else case_frame(case_results(each_record(path)))


def frame(records: Iterable[Record]) -> pandas.DataFrame:
    """These records as a table; `started_at` is a time, everything else as `FIELDS` reads it."""
    return _table(records, [(field.name, field.value) for field in FIELDS])


def case_frame(results: Iterable[CaseResult]) -> pandas.DataFrame:
    """These cases as a table: facts, then figures."""
    figures = {field.name for field in CASE_FIELDS} | set(_OF_A_PROCESS)
    facts = [(f.name, _of_record(f.value)) for f in FIELDS if f.name not in figures]
    return _table(results, [*facts, *((field.name, field.value) for field in CASE_FIELDS)])


def _of_record(value: Callable[[Record], Value]) -> Callable[[CaseResult], Value]:
    return lambda result: value(result.record)


def _table(rows: Iterable[Any], fields: Sequence[tuple[str, Callable[[Any], Value]]]) -> pandas.DataFrame:
    import pandas

    columns: dict[str, list[Value]] = {name: [] for name, _ in fields}
    steps = [(columns[name].append, value) for name, value in fields]
    for row in rows:
        for append, value in steps:
            append(value(row))
    table = pandas.DataFrame(columns)
    table["started_at"] = pandas.to_datetime(table["started_at"], utc=True, format="ISO8601")
    return table
