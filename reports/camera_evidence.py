"""The evidence in the records of cameras: what became of the frames, and what each stage of the pipeline used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ..bench.record.camera import CameraRun, Reaction, Stage
from ..bench.record.record import Record
from ..bench.record.sensing import Sensors
from ..bench.stats.camera import FrameTimes
from ..bench.stats.metrics import MB, MS, S
from .minutes import minutes_table, minutes_text, run_minutes, sensor_notes
from .notation import number, with_ends
from .select import model_title, setting_of
from .tables.camera import misses_text, rate_text, whole
from .tables.streams import trials_table
from .tables.table import Column, Row, Table, cells, figure
from .tables.terminal import draw

STAGES: tuple[Column[Stage], ...] = (
    figure("Calls", lambda stage: stage.calls, write=whole),
    figure("A call", lambda stage: stage.wall_s / stage.calls if stage.calls else None, MS),
    figure("In all", lambda stage: stage.wall_s, S),
    figure("CPU time", lambda stage: stage.cpu_s, S),
)


def render_camera_evidence(records: Sequence[Record], times: Mapping[str, FrameTimes]) -> RenderableType:
    """Each of these records as a rich renderable; `times` of their frames by blob, where they can be read."""
    return Group(*(part for record in records for part in _record(record, times)))


def _record(record: Record, times: Mapping[str, FrameTimes]) -> Iterator[RenderableType]:
    title = f"{model_title(record)} \u00b7 {setting_of(record.case).title}"
    yield Text.assemble((title, "bold"), f"\nrun {record.run_id}, in front of a camera, {rate_text(record)}")
    if record.error:
        yield Text(f"failed, {record.error.kind}: {record.error.message}", style="red")
    if run := record.camera:
        yield from map(Text, _lines(run))
        if found := times.get(run.times):
            yield from _minutes(found, record.sensors)
        else:
            yield Text("the times of its frames (in blobs, beside the records) cannot be read", style="yellow")
        if run.streams:
            yield draw(trials_table(run.streams))
            yield from (Text(note) for note in run.streams.notes)
        if run.stages:
            yield draw(Table("Stage", STAGES, tuple(map(_stage, run.stages))))
    yield from (Text(f"note: {note}", style="dim") for note in record.notes)
    yield Text("")


def _minutes(times: FrameTimes, sensors: Sensors | None) -> Iterator[RenderableType]:
    found = run_minutes(times, sensors)
    if text := minutes_text(found, sensors):
        yield Text(text)
        yield draw(minutes_table(found))
        yield from map(Text, sensor_notes([(times, sensors)]))


def _stage(stage: Stage) -> Row:
    return Row(stage.name, cells(STAGES, stage))


def _lines(run: CameraRun) -> Iterator[str]:
    yield f"{run.source}, {number(run.duration_s)} s, deadline {number(MS.of(run.deadline_s))} ms"
    yield f"{run.due} due: {run.in_time} in time, {run.late} late, {run.dropped} dropped; missed {misses_text(run)} %"
    if run.latency_s:
        shown = ", ".join(f"{name} {number(MS.of(value))}" for name, value in run.latency_s.items())
        yield f"latency from when a frame was due, ms: {shown}"
    if run.mean_age_s is not None and run.peak_age_s is not None:
        ages = f"mean {number(MS.of(run.mean_age_s))} ms, peak {number(MS.of(run.peak_age_s))} ms"
        yield f"age of the newest answer: {ages}; longest gap {number(MS.of(run.longest_gap_s))} ms"
    if run.reaction:
        yield _reaction(run.reaction)
    if run.state_bytes is not None:
        yield f"state {number(MB.of(run.state_bytes))} MB in all"
    if run.growth_bytes is not None:
        yield f"resident memory grew by {number(MB.of(run.growth_bytes))} MB"


def _reaction(found: Reaction) -> str:
    half, most = with_ends(found.half_s, found.half_range_s), with_ends(found.nine_tenths_s, found.nine_tenths_range_s)
    scenes = f"{found.scenes} scenes of {found.source}"
    return f"reacts to a new scene: half of the way after {half} s, nine tenths after {most} s; {scenes}"
