"""All records of a store as one pandas table: a row each, plain numbers, units in the names of the columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .garbage import held_back
from .metrics import get_metric
from .record import Record
from .stats import summarise, verdict
from .store import each_record
from .throttle import throttled

if TYPE_CHECKING:
    import pandas

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Field:
    """One column: its name with its unit, and where a record has it."""

    name: str
    value: Callable[[Record], Value]
    explains: str


def _environment(name: str, of: str = "machine") -> Callable[[Record], Value]:
    return lambda record: getattr(getattr(record.environment, of), name) if record.environment else None


def _counter(name: str) -> Callable[[Record], Value]:
    return lambda record: getattr(record.counters, name) if record.counters else None


def _timing(name: str) -> Callable[[Record], Value]:
    return lambda record: getattr(record.timing, name) if record.timing else None


def _engine(name: str) -> Callable[[Record], Value]:
    return lambda record: getattr(record.engine, name) if record.engine else None


def _latency_s(record: Record) -> Value:
    return summarise(record.timing.samples).median_s if record.timing else None


def _as_measured_s(record: Record) -> Value:
    if record.timing is None:
        return None
    summary = summarise(record.timing.samples)
    return summary.median_s / summary.pace_factor


def _pace_off(record: Record) -> Value:
    return summarise(record.timing.samples).pace_off if record.timing else None


def _throughput_per_s(record: Record) -> Value:
    return summarise(record.timing.samples).throughput(record.case.batch) if record.timing else None


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
    Field("latency_s", _latency_s, "median over the clean timed calls, at the machine's usual pace"),
    Field("latency_as_measured_s", _as_measured_s, "likewise, not corrected for the machine's pace"),
    Field("throughput_per_s", _throughput_per_s, "predictions a second, over the clean timed calls"),
    Field("pace_off", _pace_off, "how much slower the machine was meanwhile than it usually is; 0.05: 5 %"),
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
    Field("verdict", lambda r: verdict(r).kind, "steady, noisy, throttled, failed or untimed"),
    Field("doubts", lambda r: "; ".join(verdict(r).reasons) or None, "why not to take the speed at face value"),
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


def load(path: str | Path) -> pandas.DataFrame:
    """Every record of a store (a folder, or a .jsonl file) as a row, oldest first; columns as in `FIELDS`.

    Missing figures are missing values. Raises UserError where there is no store or it cannot be read.
    """
    with held_back():
        return frame(each_record(path))


def frame(records: Iterable[Record]) -> pandas.DataFrame:
    """These records as a table; `started_at` is a time, everything else as `FIELDS` reads it."""
    import pandas

    columns: dict[str, list[Value]] = {field.name: [] for field in FIELDS}
    steps = [(columns[field.name].append, field.value) for field in FIELDS]
    for record in records:
        for append, value in steps:
            append(value(record))
    table = pandas.DataFrame(columns)
    table["started_at"] = pandas.to_datetime(table["started_at"], utc=True, format="ISO8601")
    return table
