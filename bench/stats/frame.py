"""The records of a store as pandas tables with one row a process or a case; column names have the units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from ..record.camera import CameraRun
from ..record.case import AUTO_STREAMS
from ..record.evaluation import Share
from ..record.garbage import paused_collector
from ..record.record import KINDS, Failure, Record, commit_of
from ..record.sources import Stores, each_record_of
from ..record.transient import CurvePoint
from . import transient
from .accuracy import MeasuredAccuracy, known_accuracy
from .case_result import CaseResult, case_results
from .metrics import METRICS, Metric
from .normalise import reference_s
from .summary import background_load, throttled, warnings

if TYPE_CHECKING:
    import pandas

Value = str | int | float | bool | None
R = TypeVar("R")


@dataclass(frozen=True)
class Field(Generic[R]):
    """One column: name with unit, value of a row, description."""

    name: str
    value: Callable[[R], Value]
    explains: str


def _environment(name: str, of: str = "machine") -> Callable[[Record], Value]:
    return lambda record: getattr(getattr(record.environment, of), name) if record.environment else None


def _engine(name: str) -> Callable[[Record], Value]:
    return lambda record: getattr(record.engine, name) if record.engine else None


def _accuracy(name: str) -> Callable[[Record], Value]:
    return lambda record: getattr(known_accuracy(record, record.model).main, name, None)


def _accuracy_of_case(name: str) -> Callable[[CaseResult], Value]:
    return lambda result: getattr(result.accuracy.main, name, None)


def _accuracy_end(end: int) -> Callable[[CaseResult], Value]:
    def value(result: CaseResult) -> Value:
        found = result.accuracy.main
        return found.ends[end] if isinstance(found, MeasuredAccuracy) else None

    return value


def _version(of: str) -> Callable[[Record], Value]:
    return lambda record: record.environment.versions.get(of) if record.environment else None


def _status(error: Failure | None, timed: object) -> str:
    return "failed" if error else "measured" if timed else "untimed"


def _error(row: Record | CaseResult) -> Value:
    return f"{row.error.kind}: {row.error.message}" if row.error else None


def _energy_quantity(row: Record | CaseResult) -> Value:
    return row.energy.quantity if row.energy else None


def _reference_name(record: Record) -> Value:
    return record.timing.reference.name if record.timing and record.timing.reference else None


def _highest_temperature_c(record: Record) -> Value:
    figures = record.sensors.figures if record.sensors else ()
    highest = [f.during.max for f in figures if f.during and f.name.partition("/")[0] == "temperature_c"]
    return max(highest, default=None)


# The circumstances of a record: a new column is one line here, a new figure one line of `metrics.py`.
FACTS: tuple[Field[Record], ...] = (
    Field("run_id", lambda r: r.run_id, "the run it was measured in; sorts by time"),
    Field("started_at", lambda r: r.started_at, "UTC"),
    Field("case", lambda r: r.case.own_key, "key of the case"),
    Field("kind", lambda r: r.kind, "speed, camera, accuracy or transient: columns of one are empty for the others"),
    Field("model", lambda r: r.case.model, "the network's name"),
    Field("device", lambda r: r.case.device, "the device profile"),
    Field("device_kind", lambda r: r.device_kind, "our profile that the device extends, or its own name"),
    Field("board", lambda r: r.fleet.board if r.fleet else None, "the board of a fleet; missing: no fleet"),
    Field("backend", lambda r: r.case.backend, "the engine's name"),
    Field("precision", lambda r: r.case.precision, "of weights and arithmetic"),
    Field("batch", lambda r: r.case.batch, "clips, or streams of frames, in one call"),
    Field("threads", lambda r: r.case.threads, "inside one operator"),
    Field("input", lambda r: r.case.input, "input of the network: seeded noise or a video"),
    Field("family", lambda r: r.model.family if r.model else None, "the network's family"),
    Field("form", lambda r: r.model.form if r.model else None, "clip, frame, or input"),
    Field("accuracy_frames_per_s", _accuracy("frames_per_s"), "at which `accuracy_top1_percent` was measured"),
    Field("accuracy_view", _accuracy("view"), "what the network saw then: one clip, whole film, or steady state"),
    Field("accuracy_source", _accuracy("source"), "who published it and where, or which films it was measured on"),
    Field("highest_temperature_c", _highest_temperature_c, "of any zone, while samples were taken"),
    Field("throttled", throttled, "signs that the device throttled during the samples; missing: none"),
    Field("gpu", lambda r: r.cuda.name if r.cuda else None, "the GPU's name"),
    Field(
        "relative_error", lambda r: r.verification.relative_error if r.verification else None, "against the reference"
    ),
    Field("reference_workload", _reference_name, "name of the fixed work that measures the machine's speed"),
    Field("engine", _engine("name"), "engine that ran the network"),
    Field("engine_version", _engine("version"), "as reported by the engine"),
    Field("engine_provider", _engine("provider"), "the part of the engine that was used, as reported"),
    Field("cpu", _environment("cpu_model"), "the processor's name"),
    Field("cores", _environment("logical_cores"), "logical cores of the machine"),
    Field("governor", _environment("governor", "process"), "frequency governor of the processor"),
    Field("python", _version("python"), "its version"),
    Field("torch", _version("torch"), "its version"),
    Field("commit", lambda r: commit_of(r)[0], "of a custom network's repository; for other networks of co3d-bench"),
    Field("dirty", lambda r: commit_of(r)[1], "whether files of that repository were changed"),
    Field("bench_commit", lambda r: r.environment.git_commit if r.environment else None, "of co3d-bench"),
    Field(
        "bench_dirty", lambda r: r.environment.git_dirty if r.environment else None, "whether its files were changed"
    ),
)


def _setup(name: str) -> Callable[[Record], Value]:
    return lambda record: getattr(record.case.camera, name) if record.case.camera else None


def _watched(value: Callable[[CameraRun], Value]) -> Callable[[Record], Value]:
    return lambda record: value(record.camera) if record.camera else None


def _run(name: str, explains: str, column: str | None = None) -> Field[Record]:
    return Field(column or name, _watched(lambda run: getattr(run, name)), explains)


def _due_latency(percent: str) -> Field[Record]:
    name = f"due_latency_{percent.replace('.', '')}_s"
    return Field(
        name,
        _watched(lambda run: run.latency_s.get(percent)),
        f"{percent} of the time from when a frame was due to its answer; missing where so many were dropped that it is "
        "infinite, or for too few frames",
    )


def _stage_cpu(stage: str) -> Field[Record]:
    def value(run: CameraRun) -> Value:
        return next((each.cpu_s for each in run.stages if each.name == stage), None)

    return Field(f"{stage.replace('-', '_')}_cpu_s", _watched(value), f"CPU time of the stage {stage}, over the run")


def _worst(run: CameraRun) -> Value:
    return run.streams.shown.worst_missed_share if run.streams and run.streams.shown else run.missed_share


# Of a network in front of a camera; missing for speed.
CAMERA_FIELDS: tuple[Field[Record], ...] = (
    Field("camera_fps", _setup("fps"), "frames a second of the camera"),
    Field("camera_every", _setup("every"), "every n-th frame was due an answer"),
    Field("camera_queue", _setup("queue"), "frames that could wait"),
    Field("camera_policy", _setup("policy"), "which frame was kept when the queue was full"),
    Field("camera_gap", _setup("gap"), "what a dropped frame was for a state"),
    Field("camera_states", _setup("states"), "interleaved states"),
    Field("cameras", _watched(lambda run: run.streams.count if run.streams else 1), "at once; of a search the most"),
    Field(
        "cameras_searched",
        lambda r: r.case.camera.streams == AUTO_STREAMS if r.case.camera else None,
        "whether `cameras` is the most that it keeps up with; 0: not even one",
    ),
    Field("camera_way", _watched(lambda run: run.streams.way if run.streams else None), "how several were served"),
    Field("worst_missed_share", _watched(_worst), "of the camera that missed most"),
    _run("source", "random, or the name of the film or stream", "camera_source"),
    _run("duration_s", "from the first frame that was due to the end", "camera_duration_s"),
    _run("deadline_s", "an answer later than this after its frame was due is late"),
    _run("due", "frames that were due an answer"),
    _run("in_time", "of those: answered in time"),
    _run("late", "answered late"),
    _run("dropped", "never answered"),
    Field("missed_share", _watched(lambda run: run.missed_share), "late and dropped, of those that were due"),
    *map(_due_latency, ("p50", "p90", "p95", "p99", "p99.9")),
    _run("mean_age_s", "of the newest answer, over time"),
    _run("peak_age_s", "its largest"),
    _run("longest_gap_s", "longest time without an answer"),
    Field(
        "reaction_scenes",
        _watched(lambda run: run.reaction.source if run.reaction else None),
        "of which pictures the changes of scene were: noise or film",
    ),
    *map(_stage_cpu, ("capture", "preprocess", "copy", "network", "hand-over")),
    _run("state_bytes", "of a frame network, interleaved states together", "camera_state_bytes"),
    _run("growth_bytes", "of resident memory, from the first frame to the last", "memory_growth_bytes"),
)


def _evaluated(name: str, explains: str, column: str | None = None) -> Field[Record]:
    def value(record: Record) -> Value:
        found = getattr(record.evaluation, name) if record.evaluation else None
        return len(found) if isinstance(found, tuple) else found

    return Field(column or name, value, explains)


def _share(name: str, explains: str) -> tuple[Field[Record], ...]:
    """Three columns: a share of 1, and the ends of its 95 % interval."""

    def value(of: str) -> Callable[[Record], Value]:
        def get(record: Record) -> Value:
            found: Share | None = getattr(record.evaluation, name) if record.evaluation else None
            return getattr(found, of) if found else None

        return get

    ends = (Field(f"{name}_{end}", value(end), f"{end}er end of its 95 % interval") for end in ("low", "high"))
    return (Field(name, value("value"), explains), *ends)


def _shown(name: str) -> Callable[[Record], Value]:
    return lambda record: getattr(record.case.evaluation, name) if record.case.evaluation else None


def _drop(name: str) -> Callable[[Record], Value]:
    def value(record: Record) -> Value:
        drop = record.case.evaluation.drop if record.case.evaluation else None
        return getattr(drop, name) if drop else None

    return value


def _weights(record: Record) -> Value:
    return record.model.weights if record.model and record.case.evaluation else None


# Of accuracy over films; missing for the other kinds.
ACCURACY_FIELDS: tuple[Field[Record], ...] = (
    Field("accuracy_data", _shown("data"), "name of the folder or file with the labels"),
    Field("accuracy_fps", _shown("fps"), "frames a second that the network saw; missing: those of its weights"),
    Field("accuracy_drop", _drop("share"), "share of the frames that never reached the network; missing: none"),
    Field("accuracy_drop_times", _drop("times"), "blob of the camera's record laid over films; missing: drawn"),
    Field("accuracy_weights", _weights, "file and sha256 of the checkpoint, or how weights were made without one"),
    *_share("top1", "share of films whose class has the highest score"),
    *_share("top5", "share of films whose class is among the five highest scores"),
    *_share("mean_class", "mean of the classes' own top1"),
    *_share("mean_ap", "mean average precision over classes, of films with several labels"),
    _evaluated("scored", "films that could be decoded", "films_scored"),
    _evaluated("missing", "films that the data names and that are missing", "films_missing"),
    _evaluated("unreadable", "films that could not be decoded", "films_unreadable"),
    _evaluated("damaged", "films that were scored by what could be decoded of them", "films_damaged"),
    _evaluated("padded", "films so short that their last frame was repeated", "films_padded"),
    _evaluated("unanswered", "films without a finite answer", "films_unanswered"),
    _evaluated("classes", "of the network", "accuracy_classes"),
    _evaluated("empty_classes", "of those: without a scored film, and in no mean", "accuracy_empty_classes"),
)


def _transient(name: str, value: Callable[[Record], Value], explains: str) -> Field[Record]:
    return Field(f"transient_{name}", lambda record: value(record) if record.transient else None, explains)


def _point_of(find: Callable[[Record], CurvePoint | None]) -> Callable[[Record], Value]:
    return lambda record: found.value if (found := find(record)) else None


def _of_transient(name: str) -> Callable[[Record], Value]:
    return lambda record: getattr(record.transient, name)


# Of the frames since a start; missing for the other kinds. The whole curve is in the record (`Record.transient`).
TRANSIENT_FIELDS: tuple[Field[Record], ...] = (
    _transient("start", _of_transient("start"), "what the state held before the first frame: zeros, replicate or cut"),
    _transient("measure", _of_transient("measure"), "top1 of films, or error against the steady answer; shares of 1"),
    _transient("source", _of_transient("source"), "name of the data, noise, or name of the film"),
    _transient("shown", _of_transient("shown"), "films, or scenes"),
    _transient("frames", lambda r: len(r.transient.curve) if r.transient else None, "that were answered"),
    _transient("first", _point_of(lambda r: transient.at(r.transient, 1) if r.transient else None), "of the first"),
    _transient("after_delay", _point_of(transient.after_delay), "of the first answer after the network's delay"),
    _transient("steady", _point_of(transient.steady), "of the last answer, if nothing of the start is left in it"),
    _transient("half_frames", lambda r: transient.frames_to(r, transient.HALF), "until half of the way to steady"),
    _transient("nine_tenths_frames", lambda r: transient.frames_to(r, transient.NINE_TENTHS), "until nine tenths"),
    _transient("delay_frames", transient.delay, "of the network"),
    _transient("receptive_field_frames", transient.receptive_field, "of the network"),
)

OTHER_FIELDS = (*CAMERA_FIELDS, *ACCURACY_FIELDS, *TRANSIENT_FIELDS)

# The table by process. Columns after the figures may differ between processes of a case.
FIELDS: tuple[Field[Record], ...] = (
    *FACTS,
    *(Field(metric.name, metric.value, metric.explains) for metric in METRICS),
    Field("energy_quantity", _energy_quantity, "what the energy sensor measures"),
    Field("process", lambda r: r.process, "which of the fresh processes of this case in this run"),
    Field("samples", lambda r: len(r.timing.samples) if r.timing else None, "timed calls"),
    Field("background_load", background_load, "background load during the samples, in cores"),
    Field("reference_s", reference_s, "median time of the reference workload, before and after the samples"),
    *OTHER_FIELDS,
    Field("status", lambda r: _status(r.error, r.timing or _other(r)), "measured, failed or untimed"),
    Field("warnings", lambda r: "; ".join(warnings(r)) or None, "warnings about the speed"),
    Field("error", _error, "why there is no figure"),
)


def _figure(metric: Metric) -> Field[CaseResult]:
    what = f"{metric.explains}; lower median of the processes" if metric.noisy else metric.explains
    return Field(metric.name, lambda result: result.value(metric), what)


def _end(name: Literal["low", "high"]) -> Callable[[CaseResult], Value]:
    def value(result: CaseResult) -> Value:
        found = result.figure("latency_s")
        return getattr(found, name) if found else None

    return value


def _other(record: Record) -> object:
    """What a record has that is of no speed."""
    return record.camera or record.evaluation or record.transient


def _of_record(fact: Field[Record]) -> Callable[[CaseResult], Value]:
    return lambda result: fact.value(result.record)


# The figures of the table by case (`case_result.py`). Its facts come from the process whose latency is shown.
CASE_FIELDS: tuple[Field[CaseResult], ...] = (
    *map(_figure, METRICS),
    Field("accuracy_low_percent", _accuracy_end(0), "lower end of its 95 % interval; missing: as published"),
    Field("accuracy_high_percent", _accuracy_end(1), "upper end"),
    Field("latency_low_s", _end("low"), "lower end of the latency's 95 % interval; below six processes of their range"),
    Field("latency_high_s", _end("high"), "upper end"),
    Field(
        "latency_p90_s",
        lambda r: r.summary and r.summary.p90_s,
        "90th percentile of all samples; missing below 64",
    ),
    Field(
        "throughput_std_per_s",
        lambda r: r.summary and r.summary.throughput_std(r.case.batch),
        "standard deviation over all timed predictions; missing for a single one",
    ),
    Field("energy_quantity", _energy_quantity, "what the energy sensor measures"),
    Field("processes", lambda r: len(r.timed), "fresh processes with figures"),
    Field("failed_processes", lambda r: sum(not each.ok for each in r.records), "fresh processes without figures"),
    Field("samples", lambda r: len(r.latency_s), "timed predictions of all processes"),
    *(Field(field.name, _of_record(field), field.explains) for field in OTHER_FIELDS),
    Field("status", lambda r: _status(r.error, r.timed or _other(r.record)), "measured, failed or untimed"),
    Field("warnings", lambda r: "; ".join(r.warnings) or None, "warnings about the speed"),
    Field("error", _error, "why there is no figure"),
)


def load(path: Stores, by: Literal["process", "case"] = "process") -> pandas.DataFrame:
    """The records of a store (a folder, a .jsonl file or a bundle) as a table, oldest first; missing figures are
    missing values. Of several stores the column `source` says which.

    `by="process"`: every record a row, columns as in `FIELDS`. `by="case"`: what each case's newest run gave, in the
    figures that the report shows: columns as in `CASE_FIELDS`, and `FACTS` before them. `kind` tells speed, cameras,
    accuracy and starts apart; the columns of one (`CAMERA_FIELDS`, `ACCURACY_FIELDS`, `TRANSIENT_FIELDS`) are empty for
    the others.
    Raises UserError where there is no store or it cannot be read, ValueError for another `by`.
    """
    if by not in ("process", "case"):
        raise ValueError(f"by={by!r}: must be 'process' or 'case'")
    with paused_collector():
        records = each_record_of(path)
        return frame(records) if by == "process" else case_frame(case_results(records, KINDS))


def frame(records: Iterable[Record]) -> pandas.DataFrame:
    """These records as a table; `started_at` is a time, everything else as `FIELDS` reads it."""
    return _table(records, (Field("source", lambda record: record.case.source, ""), *FIELDS))


def case_frame(results: Iterable[CaseResult]) -> pandas.DataFrame:
    """These cases as a table: facts, then figures."""
    return _table(
        results, (Field("source", lambda result: result.source, ""), *map(_fact_of_case, FACTS), *CASE_FIELDS)
    )


def _fact_of_case(fact: Field[Record]) -> Field[CaseResult]:
    own = _OF_CASE.get(fact.name)
    return Field(fact.name, _accuracy_of_case(own) if own else _of_record(fact), "")


# What belongs to the accuracy of a case, which may be another record's.
_OF_CASE = {"accuracy_frames_per_s": "frames_per_s", "accuracy_view": "view", "accuracy_source": "source"}


def _table(rows: Iterable[Any], fields: Sequence[Field[Any]]) -> pandas.DataFrame:
    import pandas

    columns: dict[str, list[Value]] = {field.name: [] for field in fields}
    steps = [(columns[field.name].append, field.value) for field in fields]
    for row in rows:
        for append, value in steps:
            append(value(row))
    if not any(columns["source"]):  # of one store
        del columns["source"]
    table = pandas.DataFrame(columns)
    table["started_at"] = pandas.to_datetime(table["started_at"], utc=True, format="ISO8601")
    return table
