"""Networks in front of a camera: whether they keep up, how late answers are, how old the newest is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ...bench.record.camera import CameraRun
from ...bench.record.record import Record
from ...bench.stats.accuracy import Accuracy, known_accuracy
from ...bench.stats.camera import FrameTimes, binomial_interval
from ...bench.stats.metrics import MB, MS, PERCENT, S
from ..minutes import minutes_text, run_minutes, sensor_notes
from ..notation import accuracy_text, answers_due, number, with_ends
from ..select import model_title, source_of, with_source
from .streams import cameras_text, kept_up, streams_sentence
from .table import WORDS, Cell, Column, Row, Table, cells, figure, filled, source_columns
from .terminal import fitted


def _misses(record: Record) -> Cell:
    run = record.camera
    if run is None or not run.due:
        return Cell()
    return Cell(misses_text(run), run.missed_share, bad=run.missed > 0)


def misses_text(run: CameraRun) -> str:
    """Misses in per cent of what was due, with the exact 95 % interval: `2.50 (0.519 to 7.13)`."""
    low, high = binomial_interval(run.missed, run.due)
    return with_ends(100 * (run.missed_share or 0.0), (100 * low, 100 * high))


def rate_text(record: Record) -> str:
    """How often an answer is due: `6/s (1 in 5)`; of each camera, where there are several."""
    setup = record.case.camera
    if setup is None:
        return ""
    more = ["each camera"] if setup.streams != 1 else []
    return answers_due(setup.fps / setup.every, setup.every, setup.states, *more)


def _rate(record: Record) -> Cell:
    setup = record.case.camera
    return Cell(rate_text(record), setup.fps / setup.every) if setup else Cell()


def _cameras(record: Record) -> Cell:
    found = record.camera.streams if record.camera else None
    return Cell(cameras_text(found, record.case.camera), found.count) if found else Cell()


def _way(record: Record) -> Cell:
    found = record.camera.streams if record.camera else None
    return Cell(found.way, found.way) if found else Cell()


def _latency(percent: str) -> Column[Record]:
    return figure(
        percent,
        lambda record: record.camera.latency_s.get(percent) if record.camera else None,
        MS,
        explains="from when a frame was due to its answer, over all due frames; a dropped one is infinitely late",
    )


def _run(name: str) -> Callable[[Record], float | None]:
    return lambda record: getattr(record.camera, name) if record.camera else None


def _reaction(record: Record) -> float | None:
    found = record.camera.reaction if record.camera else None
    return found.half_s if found else None


def _accuracy_column(scored: Sequence[Record]) -> Column[Record]:
    """`scored`: records of the store with an accuracy."""

    def cell(record: Record) -> Cell:
        setup = record.case.camera
        known = known_accuracy(record, record.model, scored)
        # States that take turns see it slower.
        found: Accuracy | None = known.at(setup.fps / setup.every / setup.states) if setup else None
        return Cell(accuracy_text(found, 1), found.top1) if found else Cell()

    return Column(
        "Accuracy",
        cell,
        PERCENT,
        "for the frame rate at which the network sees this camera: measured by `co3d-bench evaluate` where there is an "
        "interval, else as published for float32; empty where neither is for it",
    )


def whole(value: float) -> str:
    """A count."""
    return f"{value:.0f}"


# Most wanted first: the terminal leaves out the last ones where there is no room.
COLUMNS: tuple[Column[Record], ...] = (
    Column("Answers due", _rate, kind=WORDS),
    Column("Missed", _misses, PERCENT, "late or dropped, of all that were due, with the exact 95 % interval"),
    Column("Cameras", _cameras, kind=WORDS, explains="that are kept up with: each misses at most 1 % of its deadlines"),
    _latency("p50"),
    _latency("p99"),
    figure("Mean age", _run("mean_age_s"), MS, explains="of the newest answer, over time"),
    Column("Engine", lambda record: Cell(record.case.backend, record.case.backend), kind=WORDS),
    figure(
        "Reacts",
        _reaction,
        S,
        explains="after a change of scene: until half of the way to the new answer, at the "
        "frame rate of the weights; the whole way is longer",
    ),
    figure("Peak age", _run("peak_age_s"), MS, explains="the largest age of the newest answer"),
    figure("Longest gap", _run("longest_gap_s"), MS, explains="the longest time without an answer"),
    Column("Served", _way, kind=WORDS, explains="how several cameras are"),
    figure("Late", _run("late"), write=whole),
    figure("Dropped", _run("dropped"), write=whole),
    _latency("p90"),
    _latency("p99.9"),
    figure("States", _run("state_bytes"), MB, explains="memory of the state; of interleaved ones together"),
    figure("Memory growth", _run("growth_bytes"), MB, explains="of resident memory, from the first frame to the last"),
)


def columns_of(scored: Sequence[Record]) -> tuple[Column[Record], ...]:
    """The columns, with the accuracy last but two."""
    return (*COLUMNS[:-2], _accuracy_column(scored), *COLUMNS[-2:])


def build(records: Sequence[Record], scored: Sequence[Record] = ()) -> Table:
    """A row for each record of a camera. `scored`: records of the store with an accuracy."""
    everything = (*source_columns(map(source_of, records), source_of), *columns_of(scored))

    def row(record: Record) -> Row:
        which = f"{rate_text(record)}, {record.case.backend}"  # else all failed rows of a network look alike
        error = f"{which}: {record.error.message}" if record.error else None
        form = record.model.form if record.model else ""
        return Row(model_title(record), cells(everything, record), record.case, form, error=error)

    columns = filled(everything, records)
    return Table("Network", everything, tuple(map(row, records))).only(lambda column: column in columns)


def keeps_up(record: Record) -> str | None:
    """Whether a network keeps up, in a sentence; None for a failed case."""
    run, setup = record.camera, record.case.camera
    if run is None or setup is None:
        return None
    which = "every frame" if setup.every == 1 else f"1 in {setup.every} frames"
    asked = f"{which} of {setup.fps:g}/s" + (f", by {setup.states} states that take turns" if setup.states > 1 else "")
    head = with_source(f"{model_title(record)} ({record.case.backend})", record)
    if not run.due:
        return f"{head}: no frame came from {run.source}"
    if run.streams:
        return f"{head} {streams_sentence(run, setup, asked)}"
    if not run.missed:
        return f"{head} keeps up with {asked}: each of {run.due} was answered within {1e3 * run.deadline_s:g} ms"
    missed = f"of {run.due} answers {run.late} came late and {run.dropped} never"
    return f"{head} does not keep up with {asked}: {missed}{_by_itself(run)}"


def _by_itself(run: CameraRun) -> str:
    """That no answer of the network can be in time, where that is so."""
    network = next((stage for stage in run.stages if stage.name == "network" and stage.calls), None)
    if network is None or run.in_time or network.wall_s / network.calls <= run.deadline_s:
        return ""
    own = f"{number(MS.of(network.wall_s / network.calls))} ms"
    return f"; the deadline of {1e3 * run.deadline_s:g} ms is below the {own} of a call of the network, whatever waits"


def notes(records: Sequence[Record]) -> tuple[str, ...]:
    """What is to be known of sources and networks, each once, with the networks that it is about unless it is all."""
    about: dict[str, dict[str, None]] = {}
    for record in records:
        for note in record.notes:
            about.setdefault(note, {})[with_source(model_title(record), record)] = None
    every = {with_source(model_title(record), record) for record in records}
    return tuple(note if set(of) == every else f"{', '.join(of)}: {note}" for note, of in about.items())


def summary(records: Sequence[Record]) -> str:
    """How many of these keep up, in one line."""
    watched = [record.camera for record in records if record.camera]
    well = sum(run.due > 0 and kept_up(run) for run in watched)
    return f"{well} of {len(watched)} keep up with their camera" if watched else "No network could be watched"


def render_camera(records: Sequence[Record], times: Mapping[str, FrameTimes] | None = None) -> RenderableType:
    """The table and what it says, as a rich renderable; with the `times` of their frames, by blob, long runs minute by
    minute. Records of accuracies among these stand in it."""
    shown = [record for record in records if record.kind == "camera"]
    times = times or {}
    said = [text for record in shown for text in _said(record, times)]
    below = [Text(note, style="dim") for note in (*notes_by_minute(shown, times), *notes(shown))]
    table = build(shown, [record for record in records if record.evaluation])
    failed = [
        Text.assemble((row.title, "bold red"), (" failed, ", "red"), row.error) for row in table.rows if row.error
    ]
    return Group(fitted(table), Text(""), *map(Text, said), *below, *failed)


def _said(record: Record, times: Mapping[str, FrameTimes]) -> Iterator[str]:
    if (text := keeps_up(record)) is None or record.camera is None:
        return
    yield text
    found = times.get(record.camera.times)
    if found and (by_minute := minutes_text(run_minutes(found, record.sensors), record.sensors)):
        yield f"  {by_minute}"


def notes_by_minute(records: Sequence[Record], times: Mapping[str, FrameTimes]) -> tuple[str, ...]:
    """What is to be known of the sensors of the long ones among these runs, each once."""
    runs = ((times.get(record.camera.times), record.sensors) for record in records if record.camera)
    return sensor_notes((found, sensors) for found, sensors in runs if found)
