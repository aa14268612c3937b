"""The paper's tables with what was measured here: cells of `bench/stats/paper.py` in, tables out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...bench.record.record import Record
from ...bench.stats.case_result import Figure
from ...bench.stats.metrics import PER_S, Unit
from ...bench.stats.paper import Machine, Measured, Paper, PaperCell, Reproduction, Unfit
from ..notation import SHORT_UNITS, Footnotes, fixed, with_interval
from ..tables.results import PAPER_DEVICES
from ..tables.table import Cell, Column, Row, Table

THROUGHPUT = "Throughput"


@dataclass(frozen=True)
class Head:
    """A column: what stands above it, and what it means."""

    text: str
    explains: str


_SPEED = "one call after the other by PyTorch, float32, batch 1: lower median of the processes (its 95 % interval; of "
_SPEED += "fewer than six their range and n); the paper's: mean of 100 ± standard deviation"
HEADS: Mapping[str, Head] = {
    "accuracy": Head("Accuracy", "top-1, one answer a film, with its 95 % interval over films"),
    "parameters": Head("Params", "learned numbers of the network"),
    "memory": Head("Memory", "weights, state, input and the highest transient of one prediction"),
    "macs": Head("MACs", "multiply-accumulates of one prediction; the paper calls them FLOPs"),
    "receptive_field": Head("Rec. field", "frames that an answer depends on"),
    "views": Head("Views", "clips or crops of a film whose answers are averaged"),
    **{device: Head(title, _SPEED) for device, title in PAPER_DEVICES.items()},
}
_MAP = Head("mAP", "mean average precision over classes, one answer a film, with its 95 % interval over films")
_PLACES = {"accuracy": {1: 2, 2: 1, 3: 1}, "parameters": {1: 2}, "memory": {1: 2}, "macs": {1: 2, 2: 1}}
CPU = "as the paper prints it; which processor it is we do not know, so nothing measured here stands in this column"


def head_of(cell: PaperCell, machines: Sequence[Machine]) -> Head:
    """The head of a cell's column."""
    if cell.machine:
        return Head(machine_title(cell.machine, machines), f"{cell.machine.name or 'this machine'}: {_SPEED}")
    if cell.key == "accuracy" and cell.line.table == 2:
        return _MAP
    return Head(HEADS["cpu"].text, CPU) if cell.key == "cpu" else HEADS[cell.key]


def machine_title(machine: Machine, machines: Sequence[Machine]) -> str:
    """`This CPU`, where no other was measured; else by its name."""
    alone = sum(each.device == "cpu" for each in machines) == 1
    return "This CPU" if machine.device == "cpu" and alone else machine.name


def printed_text(cell: PaperCell) -> str:
    """The paper's figure as it prints it: `9.20 ± 0.03`, `2,061,366`."""
    if cell.printed is None:
        return ""
    text = f"{int(cell.printed.text):,}" if cell.printed.text.isdecimal() else cell.printed.text
    return f"{text} ± {cell.printed.std}" if cell.printed.std else text


def measured_text(measured: Measured, places: int) -> str:
    """With its interval, and with so many decimals as the paper; a speed as everywhere: `27.4 (26.9 to 28.1)`."""
    if measured.low is None or measured.high is None:
        return f"{measured.value:,.{places}f}"
    if measured.counted == "process":
        ends = measured.low, measured.high
        return with_interval(Figure(measured.value, *ends, measured.count, measured.record), PER_S)
    value, low, high = map(fixed(places), (measured.value, measured.low, measured.high))
    return f"{value} ({low} to {high})"


def text_of(cell: PaperCell) -> str:
    """What was measured of a cell, as text."""
    return measured_text(cell.measured, _PLACES.get(cell.key, {}).get(cell.line.table, 0)) if cell.measured else ""


def how(measured: Measured) -> str:
    """Where and how a figure was measured, for people: machine, engine, precision, weights, films."""
    record = measured.record
    films = [f"{measured.count:,} films of {_films_of(record)}"] if measured.counted == "film" else []
    weights = [record.model.weights] if record.model and measured.counted == "film" else []
    return ", ".join((*films, machine_of(record), record.case.backend, record.case.precision, *weights))


def _films_of(record: Record) -> str:
    return record.evaluation.data if record.evaluation else record.transient.source if record.transient else "?"


def machine_of(record: Record) -> str:
    """The processor or card of a record."""
    found = record.environment.machine if record.environment else None
    return (found.gpu or found.cpu_model) if found else record.case.device


def unfit_text(unfit: Unfit) -> str:
    """An accuracy that is not the paper's, in words."""
    text = measured_text(unfit.measured, 1)
    return f"measured otherwise: {text} % ({', '.join(unfit.why)}; {how(unfit.measured)})"


def _cell(cell: PaperCell) -> Cell:
    printed = printed_text(cell)
    if cell.measured is None:
        return Cell(printed, quoted=True) if printed else Cell()
    found = cell.measured
    beside = [f"{found.count:,} films"] if found.counted == "film" else []
    beside += [f"paper {printed}"] if printed else []
    return Cell(text_of(cell), cell.unit.size * found.value, detail=", ".join(beside), bad=bool(found.warnings))


def missing(reproduction: Reproduction, paper: Paper) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(network, command, heads of the cells) of what is a dash in the table, and could be measured."""
    for row in shown_rows(reproduction):
        yield from ((row[0].line.spec.title, *each) for each in _missing(row, paper.machines))


def _missing(row: Sequence[PaperCell], machines: Sequence[Machine]) -> Iterator[tuple[str, tuple[str, ...]]]:
    found: dict[str, tuple[str, ...]] = {}
    for cell in row:
        if cell.state == "missing" and cell.command:
            found[cell.command.text] = (*found.get(cell.command.text, ()), head_of(cell, machines).text)
    yield from found.items()


def _notes(row: Sequence[PaperCell], machines: Sequence[Machine], *, commands: bool) -> Iterator[str]:
    """Of a row: what is known of its printed figures, what else was measured, what fills its dashes."""
    if row[0].line.note:
        yield row[0].line.note
    for cell in row:
        yield from map(unfit_text, cell.others)
    if commands:
        yield from (f"{', '.join(heads)}: {command}" for command, heads in _missing(row, machines))


def shown_rows(reproduction: Reproduction) -> tuple[tuple[PaperCell, ...], ...]:
    """The cells of the columns that have something: those of machines that are none of the paper's, only once they are
    measured."""
    shown = [
        column[0].machine is None or any(cell.measured for cell in column)
        for column in zip(*reproduction.rows, strict=True)
    ]
    return tuple(tuple(cell for cell, there in zip(row, shown, strict=True) if there) for row in reproduction.rows)


def _columns(first: Sequence[PaperCell], machines: Sequence[Machine]) -> Iterator[Column[PaperCell]]:
    for cell in first:
        head = head_of(cell, machines)
        is_speed = cell.unit == PER_S
        unit = Unit(SHORT_UNITS[PER_S.text]) if is_speed else cell.unit
        group = THROUGHPUT if is_speed else ""
        kind = "paper-column" if cell.key == "cpu" else ""
        yield Column(head.text, _cell, unit, head.explains, group=group, kind=kind)


def _warnings(row: Sequence[PaperCell], machines: Sequence[Machine]) -> tuple[str, ...]:
    measured = [(head_of(cell, machines).text, cell.measured) for cell in row if cell.measured]
    return tuple(f"{head}: {why}" for head, found in measured for why in found.warnings)


def build(reproduction: Reproduction, paper: Paper, notes: Footnotes | None = None, *, commands: bool = True) -> Table:
    """A table of the paper. `notes`: those of several tables on one page; `commands`: those that fill dashes are
    among them."""
    notes = notes or Footnotes()
    cells, machines = shown_rows(reproduction), paper.machines
    rows = []
    for row in cells:
        spec, marks = row[0].line.spec, notes.marks(_notes(row, machines, commands=commands))
        warnings = _warnings(row, machines)
        rows.append(Row(spec.title, tuple(map(_cell, row)), form=spec.form, marks=marks, warnings=warnings))
    texts = dict(notes.all())
    used = dict.fromkeys(mark for row in rows for mark in row.marks)
    footnotes = tuple((mark, texts[mark]) for mark in used)
    return Table("Network", tuple(_columns(cells[0], machines)), tuple(rows), footnotes)


def title_of(reproduction: Reproduction) -> str:
    """`Table 1: Kinetics-400`."""
    return f"Table {reproduction.table.number}: {reproduction.table.title}"
