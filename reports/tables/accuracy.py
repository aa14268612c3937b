"""Accuracy over films: each figure with its 95 % interval, and of how many films."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ...bench.record.case import Drop
from ...bench.record.evaluation import Evaluation, Share
from ...bench.record.record import Record
from ...bench.record.transient import Transient
from ...bench.stats.metrics import PERCENT
from ..notation import fixed, percent
from ..select import PRECISION_TITLES, model_title, source_of, with_source
from .table import WORDS, Cell, Column, Row, Table, cells, figure, filled, source_columns
from .terminal import fitted

one_digit = fixed(1)
MOST_NAMED = 5  # films, in the terminal
_OF_FILE = " sha256:"  # in what a record says about weights that come from a file


def share_text(share: Share) -> str:
    """In per cent with the interval: `67.2 (64.1 to 70.2)`."""
    value, low, high = (one_digit(100 * each) for each in (share.value, share.low, share.high))
    return f"{value} ({low} to {high})"


def _share(head: str, name: str, explains: str) -> Column[Record]:
    def cell(record: Record) -> Cell:
        found: Share | None = getattr(record.evaluation, name) if record.evaluation else None
        ends = tuple((f"{name}_{end}_percent", 100 * getattr(found, end) if found else None) for end in ("low", "high"))
        return Cell(share_text(found), 100 * found.value, data=ends) if found else Cell(data=ends)

    return Column(head, cell, PERCENT, f"{explains}; with its 95 % interval", name=f"{name}_percent")


def _count(head: str, value: Callable[[Evaluation], int], explains: str) -> Column[Record]:
    def counted(record: Record) -> float | None:
        return (value(record.evaluation) or None) if record.evaluation else None

    name = "films_scored" if head == "Films" else f"films_{head.lower()}"
    return figure(head, counted, write="{:.0f}".format, explains=explains, name=name)


def _data(record: Record) -> Cell:
    return Cell(found.data, found.data) if (found := record.case.evaluation) else Cell()


def _rate(record: Record) -> Cell:
    setup = record.case.evaluation
    return Cell(f"{setup.fps:g}/s", setup.fps) if setup and setup.fps else Cell("")


def dropped_text(drop: Drop) -> str:
    """`10 %`, `3.4 % (camera)`."""
    return f"{percent(drop.share)} %" + (" (camera)" if drop.times else "")


def _dropped(record: Record) -> Cell:
    drop = record.case.evaluation.drop if record.case.evaluation else None
    return Cell(dropped_text(drop), drop.share) if drop else Cell("")


def _weights(record: Record) -> Cell:
    text = checkpoint_of(record)
    return Cell(text, text or None)


# Most wanted first: the terminal leaves out the last ones where there is no room.
COLUMNS: tuple[Column[Record], ...] = (
    _share("Top-1", "top1", "films whose class has the highest score"),
    _share("mAP", "mean_ap", "mean average precision over classes"),
    _count("Films", lambda run: run.scored, "that were scored"),
    Column(
        "Dropped",
        _dropped,
        kind=WORDS,
        explains="frames that never reached the network: drawn, or those without an answer in a camera's record",
        name="drop_share",
    ),
    Column("Engine", lambda record: Cell(record.case.backend, record.case.backend), kind=WORDS),
    Column("Precision", lambda record: Cell(record.case.precision, record.case.precision), kind=WORDS),
    Column("Data", _data, kind=WORDS, name="data"),
    Column(
        "Frames",
        _rate,
        kind=WORDS,
        explains="frames a second that the network saw, where that was asked for",
        name="fps",
    ),
    _count(
        "Unreadable",
        lambda run: len(run.unreadable),
        "films that could not be decoded; they are not among those scored",
    ),
    Column(
        "Weights", _weights, kind=WORDS, explains="the checkpoint, and the first digits of its sha256", name="weights"
    ),
    _share("Top-5", "top5", "films whose class is among the five highest scores"),
    _share("Class mean", "mean_class", "top-1 of each class, and the mean of these"),
    _count("Missing", lambda run: run.missing, "films that the data names and that are missing"),
    _count("Damaged", lambda run: len(run.damaged), "films that were scored by what could be decoded of them"),
    _count("Padded", lambda run: run.padded, "films so short that their last frame was repeated"),
    _count("Unanswered", lambda run: run.unanswered, "films without a finite answer; they count as wrong"),
)


def build(records: Sequence[Record]) -> Table:
    """A row for each record of an accuracy: those of the same films together, and of these those of a network."""

    everything = (*source_columns(map(source_of, records), source_of), *COLUMNS)

    def row(record: Record) -> Row:
        error = record.error.message if record.error else None
        form = record.model.form if record.model else ""
        return Row(model_title(record), cells(everything, record), record.case, form, error=error)

    columns = filled(everything, records)
    return Table("Network", everything, tuple(map(row, _grouped(records)))).only(lambda column: column in columns)


def _grouped(records: Sequence[Record]) -> list[Record]:
    """Same films together, then same networks, each in the order in which they first appear."""
    films = list(dict.fromkeys(_films(record) for record in records))
    models = list(dict.fromkeys(record.case.model for record in records))
    return sorted(records, key=lambda record: (films.index(_films(record)), models.index(record.case.model)))


def _films(record: Record) -> tuple[str, str]:
    """Names the films of a record, their labels and the order of classes, and which frames of them were dropped."""
    setup = record.case.evaluation
    return (setup.sha256, setup.drop.key if setup.drop else "") if setup else ("", "")


def checkpoint_of(record: Record) -> str:
    """`x3d_m.pyth sha256:0123456789ab`; empty for a network without one."""
    text = (record.model.weights if record.model else None) or ""
    return text if _OF_FILE in text else ""


def title_of(record: Record) -> str:
    """A network with its engine and precision, the films, their rate where one was asked for, and what was dropped:
    `X3D-S (openvino, float32) on val at 15 frames/s, frames dropped: 10 %`."""
    precision = PRECISION_TITLES.get(record.case.precision, record.case.precision)
    setup = record.case.evaluation
    rate = f" at {setup.fps:g} frames/s" if setup and setup.fps else ""
    rate += f", frames dropped: {dropped_text(setup.drop)}" if setup and setup.drop else ""
    title = with_source(f"{model_title(record)} ({record.case.backend}, {precision})", record)
    return title + (f" on {setup.data}{rate}" if setup else "")


def said(records: Iterable[Record]) -> Iterator[str]:
    """What is wrong with the films of these, in sentences."""
    runs = [record.evaluation for record in records if record.evaluation]
    empty = dict.fromkeys((run.data, run.empty_classes, run.classes) for run in runs if run.empty_classes)
    for data, none, classes in empty:
        yield f"{data}: of {none} of {classes} classes no film was scored; the mean over classes is of the others"
    yield from film_notes(runs)


def film_notes(runs: Sequence[Evaluation | Transient]) -> Iterator[str]:
    """What is wrong with films, in sentences: each film once, however many networks it was shown to."""
    for name, what in (("unreadable", "not scored"), ("damaged", "scored by what could be decoded")):
        notes = dict.fromkeys(note for run in runs for note in getattr(run, name))
        yield from (f"{note.film}: {what}: {note.why}" for note in list(notes)[:MOST_NAMED])
        if len(notes) > MOST_NAMED:
            yield f"and {len(notes) - MOST_NAMED} more films that were {what}"


def summary(records: Sequence[Record]) -> str:
    """The best in one line, of those of the same films; of several sets the one that most were scored on."""
    scored = [(share, record) for record in records if (share := _main(record))]
    if not scored:
        return "No accuracy could be measured"
    sets = Counter(_films(record) for _, record in scored)
    films = max(sets, key=sets.__getitem__)
    found = [(share, record) for share, record in scored if _films(record) == films]
    share, best = max(found, key=lambda each: each[0].value)
    which = "top-1" if best.evaluation and best.evaluation.top1 else "mAP"
    if len(found) == 1:
        return f"{title_of(best)} has a {which} of {share_text(share)} %"
    equal = sum(each.value == share.value for each, _ in found)
    shared = f", shared by {equal}" if equal > 1 else ""
    return f"{title_of(best)} has the highest {which} of {len(found)}{shared}: {share_text(share)} %"


def _main(record: Record) -> Share | None:
    return (record.evaluation.top1 or record.evaluation.mean_ap) if record.evaluation else None


def render_accuracy(records: Sequence[Record]) -> RenderableType:
    """The table, and what is wrong with films, as a rich renderable."""
    shown = [record for record in records if record.kind == "accuracy"]
    failed = [
        Text.assemble((model_title(record), "bold red"), (" failed, ", "red"), record.error.message)
        for record in shown
        if record.error
    ]
    return Group(fitted(build(shown)), Text(""), *map(Text, said(shown)), *failed)
