"""Frames since a start: what the first answers, those after the delay and the steady ones are worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ...bench.record.record import Record
from ...bench.record.transient import CurvePoint, Transient
from ...bench.stats.metrics import PERCENT, Unit
from ...bench.stats.transient import HALF, NINE_TENTHS, after_delay, at, delay, frames_to, receptive_field, steady
from ..notation import with_ends
from ..select import PRECISION_TITLES, model_title, source_of, with_source
from .accuracy import checkpoint_of, film_notes, one_digit
from .table import NO_UNIT, WORDS, Cell, Column, Row, Table, cells, figure, filled, source_columns
from .terminal import fitted

# As a sentence has them, and as a column of words.
START_TITLES = {"zeros": "zeros", "replicate": "first frame repeated", "cut": "cut"}
MEASURE_TITLES = {"top1": "top-1", "error": "error against the steady answer"}
_MEASURES = {"top1": "top-1", "error": "error"}  # in a column
LEAST = 1e-5  # an error below this is rounding, and is written so


def point_text(run: Transient, point: CurvePoint) -> str:
    """In per cent with its ends; an error that is rounding alone as `< 0.001`."""
    if run.measure == "top1":
        value, low, high = (one_digit(100 * each) for each in (point.value, point.low, point.high))
        return f"{value} ({low} to {high})"
    if point.high < LEAST:
        return f"< {100 * LEAST:g}"
    return with_ends(100 * point.value, (100 * point.low, 100 * point.high))


def _point(head: str, find: Callable[[Record], CurvePoint | None], explains: str) -> Column[Record]:
    def cell(record: Record) -> Cell:
        found = find(record)
        return Cell(point_text(record.transient, found), found.value) if record.transient and found else Cell()

    return Column(head, cell, PERCENT, explains)


def _words(head: str, text: Callable[[Record], str], explains: str = "") -> Column[Record]:
    return Column(head, lambda record: Cell(text(record), text(record) or None), kind=WORDS, explains=explains)


def _whole(head: str, value: Callable[[Record], float | None], explains: str, unit: Unit = NO_UNIT) -> Column[Record]:
    return figure(head, value, unit, "{:.0f}".format, explains=explains)


def _count(name: str) -> Callable[[Record], float | None]:
    def counted(record: Record) -> float | None:
        found = getattr(record.transient, name, None)
        return (len(found) if isinstance(found, tuple) else found) or None

    return counted


def _rate(record: Record) -> str:
    setup = record.case.evaluation
    return f"{setup.fps:g}/s" if setup and setup.fps else ""


_FRAMES = Unit("frames")

# Most wanted first: the terminal leaves out the last ones where there is no room.
COLUMNS: tuple[Column[Record], ...] = (
    _words("Start", lambda record: record.case.transient.start if record.case.transient else "",
           "zeros; replicate: as if the first frame had been shown for ever; cut: as another film or scene left it"),
    _words("Of", lambda record: _MEASURES[record.transient.measure] if record.transient else "",
           "top-1: films whose class has the highest score, with its 95 % interval; error: |answer - steady answer| / "
           "|steady answer|, of scenes the median, the smallest and the largest"),
    _whole("Half way", lambda record: frames_to(record, HALF), "until half of the way to the steady figure", _FRAMES),
    _whole("Nine tenths", lambda record: frames_to(record, NINE_TENTHS), "likewise, nine tenths of it", _FRAMES),
    _point("First answer", lambda record: at(record.transient, 1) if record.transient else None, "to the first frame"),
    _point("After the delay", after_delay, "to the first frame that as many came before as the network's delay has"),
    _point("Steady", steady, "to the last frame, if nothing of the start is left in it"),
    _whole("Delay", delay, "of the network: frames before the first answer that rests on no padding"),
    _whole("Receptive field", receptive_field, "of the network: frames after which nothing of the start is left"),
    _words("Data", lambda record: record.transient.source if record.transient else "", "films, or scenes of them"),
    _whole("Shown", _count("shown"), "films, or scenes"),
    _words("Engine", lambda record: record.case.backend),
    _words("Precision", lambda record: record.case.precision),
    _words("Frames", _rate, "frames a second that the network saw, where that was asked for"),
    _words("Weights", checkpoint_of, "the checkpoint, and the first digits of its sha256"),
    _whole("Unreadable", _count("unreadable"), "films that could not be decoded; they are not among those shown"),
    _whole("Missing", _count("missing"), "films that the data names and that are missing"),
    _whole("Padded", _count("padded"), "films shorter than the curve, so their last frame was repeated"),
    _whole("Unanswered", _count("unanswered"), "films without a finite answer somewhere; there they count as wrong"),
)  # fmt: skip


def build(records: Sequence[Record]) -> Table:
    """A row for each record of a transient: those of a network together."""

    everything = (*source_columns(map(source_of, records), source_of), *COLUMNS)

    def row(record: Record) -> Row:
        error = record.error.message if record.error else None
        form = record.model.form if record.model else ""
        return Row(model_title(record), cells(everything, record), record.case, form, error=error)

    models = list(dict.fromkeys(record.case.model for record in records))
    ordered = sorted(records, key=lambda record: models.index(record.case.model))
    columns = filled(everything, records)
    return Table("Network", everything, tuple(map(row, ordered))).only(lambda column: column in columns)


def title_of(record: Record) -> str:
    """`CoX3D-M (16) (eager, float32): error against the steady answer in 4 scenes of noise`."""
    precision = PRECISION_TITLES.get(record.case.precision, record.case.precision)
    title = with_source(f"{model_title(record)} ({record.case.backend}, {precision})", record)
    run = record.transient
    if run is None:
        return title
    rate = f" at {_rate(record).removesuffix('/s')} frames/s" if _rate(record) else ""
    what = f"on {run.shown} films of {run.source}{rate}" if run.measure == "top1" else f"in {scenes_text(run)}"
    return f"{title}: {MEASURE_TITLES[run.measure]} {what}"


def scenes_text(run: Transient) -> str:
    return f"{run.shown} scene{'s' if run.shown != 1 else ''} of {run.source}"


def said(records: Sequence[Record]) -> Iterator[str]:
    """What is wrong with films, and with a curve, in sentences."""
    yield from film_notes([record.transient for record in records if record.transient])
    short = {model_title(each): receptive_field(each) for each in records if each.transient and steady(each) is None}
    for title, frames in short.items():
        reason = "it never forgets its start" if frames is None else f"it needs {frames} frames, its receptive field"
        yield f"{title}: no steady figure: {reason}"
    for title in dict.fromkeys(model_title(each) for each in records if _random_error(each)):
        yield f"{title}: random weights: the error says how a start is forgotten, not what it costs in accuracy"


def _random_error(record: Record) -> bool:
    """Whether an error is of weights of the zoo that nobody trained."""
    return bool(record.transient and record.transient.measure == "error" and record.model
                and record.model.weights == "seeded")  # fmt: skip


def summary(records: Sequence[Record]) -> str:
    """The first with a steady figure in one line; where none has one, the ends of the first curve."""
    measured = [(record, record.transient) for record in records if record.transient]
    for record, run in measured:
        if frames := frames_to(record, NINE_TENTHS):
            return f"{title_of(record)}: {_after(run)} nine tenths of the way takes {frames} frames"
    for record, run in measured:
        ends = f"{point_text(run, run.curve[0])} % at the first frame"
        ends += f", {point_text(run, run.curve[-1])} % at frame {len(run.curve)}" if len(run.curve) > 1 else ""
        return f"{title_of(record)}: {_after(run)} {ends}"
    return "No start could be measured"


def _after(run: Transient) -> str:
    return "after a cut" if run.start == "cut" else f"from a start of {START_TITLES[run.start]}"


def render_transient(records: Sequence[Record]) -> RenderableType:
    """The table, and what is wrong with films, as a rich renderable."""
    shown = [record for record in records if record.kind == "transient"]
    failed = [
        Text.assemble((model_title(record), "bold red"), (" failed, ", "red"), record.error.message)
        for record in shown
        if record.error
    ]
    return Group(fitted(build(shown)), Text(""), *map(Text, said(shown)), *failed)
