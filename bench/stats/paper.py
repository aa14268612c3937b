"""Which records fill which cells of the paper's tables, and which command measures a cell. Pure.

A cell is filled only by what was measured under the paper's own conditions, as far as a record tells them; anything
else that was measured of its network is kept beside it, with what is different (`Unfit`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial

from ...models.paper import Dataset, Line, PaperTable, Printed, Start, starts, tables
from ...models.published import DEVICES
from ...models.spec import ModelSpec
from ...models.zoo import find_model
from ..record.case import EvaluationSetup, TransientSetup
from ..record.evaluation import Share
from ..record.record import REFERENCE, Record
from .accuracy import weights_file
from .case_result import CaseResult, case_results
from .metrics import MB, PER_S, PERCENT, G, K, M, Unit, get_metric
from .paper_commands import Command, evaluate_command, run_command, transient_command

# The paper's boards and card. Its processor is not known, so no record is of that one.
PAPER_BOARDS = tuple(device for device in DEVICES if device != "cpu")
# Public copies of a dataset have lost films; with fewer than this share of them it is another dataset.
LEAST_FILMS = 0.9
# How the networks of Table 1 are run: by PyTorch itself (on a board from our portable file), one clip or frame a call.
PYTORCH = ("eager", "aten-json")
PRECISION = REFERENCE[1]
_OTHER_SPLIT = "train"


@dataclass(frozen=True)
class Measured:
    """A figure in the unit of its column, with its 95 % interval (of fewer than six processes their range)."""

    value: float
    record: Record
    low: float | None = None  # None: it has no noise
    high: float | None = None
    count: int = 1
    counted: str = "process"
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unfit:
    """An accuracy that was measured under other conditions than those of the cell, in percent."""

    measured: Measured
    why: tuple[str, ...]


@dataclass(frozen=True)
class Machine:
    """A machine that is none of the paper's."""

    device: str  # its kind
    name: str  # its processor or card; empty: nothing was measured yet


@dataclass(frozen=True)
class PaperCell:
    """What is known of one cell."""

    line: Line
    key: str  # of its column
    unit: Unit
    printed: Printed | None = None
    measured: Measured | None = None
    others: tuple[Unfit, ...] = ()
    command: Command | None = None
    why: str = ""  # why there is none
    machine: Machine | None = None  # of a speed on a machine that is none of the paper's

    @property
    def state(self) -> str:
        return "measured" if self.measured else "published" if self.printed else "missing"


@dataclass(frozen=True)
class Reproduction:
    """A table of the paper, cell by cell, a row for each of its lines."""

    table: PaperTable
    rows: tuple[tuple[PaperCell, ...], ...]


@dataclass(frozen=True)
class Curve:
    """The start of a network: the paper's words, and what was measured of it."""

    printed: Start
    line: Line  # of Table 3
    command: Command
    measured: tuple[Record, ...] = ()  # accuracies under the paper's conditions, of each start the newest
    others: tuple[tuple[Record, tuple[str, ...]], ...] = ()

    @property
    def clip(self) -> ModelSpec:
        """The clip network that it is compared with."""
        return find_model(self.line.spec.counterpart or self.line.model)


@dataclass(frozen=True)
class Paper:
    """Everything that the paper's tables and figures show of a store."""

    tables: tuple[Reproduction, ...]
    curves: tuple[Curve, ...]

    @property
    def cells(self) -> tuple[PaperCell, ...]:
        return tuple(cell for each in self.tables for row in each.rows for cell in row)

    @property
    def machines(self) -> tuple[Machine, ...]:
        return tuple(dict.fromkeys(cell.machine for cell in self.cells if cell.machine))

    def counts(self) -> Mapping[str, int]:
        """How many cells are measured, published only, missing."""
        return Counter(cell.state for cell in self.cells)

    def commands(self, most: int = 3) -> tuple[tuple[Command, int], ...]:
        """Those for all networks at once that fill most of the cells that are not measured, on this machine."""
        found = Counter(
            cell.command.together for cell in self.cells if cell.command and cell.command.here and not cell.measured
        )
        return tuple((Command(words), count) for words, count in found.most_common(most))


@dataclass(frozen=True)
class _Store:
    """The records of a store, and `out`: options with which a command writes into it."""

    records: Sequence[Record]
    out: tuple[str, ...] = ()

    @cached_property
    def plain(self) -> tuple[CaseResult, ...]:
        """Cases that are run as the networks of Table 1 are."""
        return tuple(case for case in case_results(self.records) if case.ok and _is_plain(case))

    @cached_property
    def machines(self) -> tuple[Machine, ...]:
        """Machines that are none of the paper's; one without a name where there are none."""
        machines = dict.fromkeys(map(_machine_of, self.plain))
        return tuple(each for each in machines if each.device not in PAPER_BOARDS) or (Machine("cpu", ""),)

    def newest(self, line: Line, where: Callable[[CaseResult], bool] = lambda case: True) -> CaseResult | None:
        found = [case for case in self.plain if case.case.model == line.model and where(case)]
        return max(found, key=lambda case: datetime.fromisoformat(case.record.started_at), default=None)


def _is_plain(case: CaseResult) -> bool:
    built = case.model is not None and case.model.classes == _CLASSES and case.model.source is None
    return built and case.case.backend in PYTORCH and case.case.precision == PRECISION and case.case.batch == 1


_CLASSES = 400  # of the networks of Table 1


def _machine_of(case: CaseResult) -> Machine:
    found = case.environment
    name = (found.machine.gpu or found.machine.cpu_model) if found else ""
    return Machine(case.device_kind or case.case.device, name or case.case.device)


# --- what fills a cell

Filled = tuple[Measured | None, tuple[Unfit, ...]]
Fill = Callable[[_Store, PaperTable, Line], Filled]


def _fact(store: _Store, table: PaperTable, line: Line, metric: str, unit: Unit) -> Filled:
    """A figure without noise, the same on every machine."""
    case = store.newest(line, lambda case: case.figure(metric) is not None)
    figure = case.figure(metric) if case else None
    return (Measured(unit.of(figure.value), figure.record) if figure else None), ()


def _speed(
    store: _Store, table: PaperTable, line: Line, where: Callable[[Machine], bool]
) -> tuple[Measured | None, tuple]:
    case = store.newest(line, lambda case: where(_machine_of(case)))
    figure = case.figure(get_metric("throughput_per_s")) if case else None
    if case is None or figure is None:
        return None, ()
    return Measured(
        figure.value, figure.record, figure.low, figure.high, figure.processes, "process", case.warnings
    ), ()


def _receptive_field(store: _Store, table: PaperTable, line: Line) -> Filled:
    for record in reversed(store.records):
        known = record.model if _is_of(record, line) else None
        if known and known.receptive_field:
            return Measured(known.receptive_field, record), ()
    return None, ()


def _accuracy(store: _Store, table: PaperTable, line: Line) -> Filled:
    """The newest under the paper's conditions; of those under others the newest of each way."""
    fitting: Measured | None = None
    others: dict[tuple[str, str], Unfit] = {}
    for record in store.records:
        run = record.evaluation if record.kind == "accuracy" and record.ok else None
        if run is None or not _is_of(record, line):
            continue
        share = run.mean_ap if table.dataset.several else run.top1
        if share is None or not _of_this_table(record, table, line):
            continue
        found = _of_films(share, record, run.scored)
        if why := misfits(record, line, table.dataset, table.fps):
            others[record.key, record.model.weights if record.model else ""] = Unfit(found, why)
        else:
            fitting = found
    return fitting, tuple(others.values())


def _is_of(record: Record, line: Line) -> bool:
    """Whether it is of the zoo's network of that name."""
    return record.case.model == line.model and not (record.model and record.model.source)


def _of_films(share: Share, record: Record, films: int) -> Measured:
    return Measured(100 * share.value, record, 100 * share.low, 100 * share.high, count=films, counted="film")


def _of_this_table(record: Record, table: PaperTable, line: Line) -> bool:
    """Whether an accuracy is to be named at this table: at 15 frames/s it is Table 3's, else Table 1's, where both have
    the network."""
    first, _, third = tables()
    other = first if table is third else third
    setup = record.case.evaluation
    fifteen = setup is not None and setup.fps == third.fps
    return (
        table.dataset.several or (table is third) == fifteen or line.model not in {each.model for each in other.lines}
    )


def misfits(record: Record, line: Line, dataset: Dataset, fps: float | None) -> tuple[str, ...]:
    """What is different from the paper's conditions in an accuracy, in words: empty where nothing is known to be."""
    setup, case = record.case.evaluation, record.case
    found = [*_weights(record, line)]
    if case.precision != PRECISION:
        found.append(case.precision)
    rate = setup.fps if setup else None
    if rate != fps and not (fps is None and record.model and rate == record.model.trained_frames_per_s):
        found.append("at the frame rate of its weights" if rate is None else f"at {rate:g} frames/s")
    found += [str(getattr(value, "key", f"{name} {value}")) for name, value in _options(setup)]
    return (*found, *_data(_shown(record), dataset))


def _weights(record: Record, line: Line) -> tuple[str, ...]:
    if record.model is None:
        return ("weights unknown",)
    file = weights_file(record.model)
    if file is None:
        return ("random weights",)
    return () if file in line.checkpoints else (f"weights {file}",)


def _options(setup: EvaluationSetup | None) -> list[tuple[str, object]]:
    """What was asked for beyond films and rate: dropped frames, or whatever comes."""
    if setup is None:
        return []
    plain = type(setup)(data=setup.data, films=setup.films, sha256=setup.sha256, fps=setup.fps)
    return [(name, value) for name, value in setup if value != getattr(plain, name)]


@dataclass(frozen=True)
class _Shown:
    """What is known of the films behind an accuracy."""

    data: str
    films: int  # that were answered
    asked: int  # those, and what is missing or cannot be read
    classes: int | None


def _shown(record: Record) -> _Shown | None:
    if run := record.evaluation:
        return _Shown(run.data, run.scored, run.asked + run.missing, run.classes)
    if curve := record.transient:
        return _Shown(curve.source, curve.shown, (curve.asked or 0) + curve.missing, curve.classes)
    return None


def _data(shown: _Shown | None, dataset: Dataset) -> tuple[str, ...]:
    if shown is None:
        return ("without films",)
    if shown.classes != dataset.classes:
        return (f"{shown.classes} classes, {dataset.name} has {dataset.classes}",)
    if _OTHER_SPLIT in shown.data.lower():
        return (f"films of {shown.data}",)
    if any(LEAST_FILMS * split <= shown.films and shown.asked <= split for split in dataset.splits):
        return ()
    splits = " or ".join(f"{split:,}" for split in dataset.splits)
    return (f"{shown.films:,} films, {dataset.name} has {splits}",)


# --- the tables

_UNITS = {"accuracy": PERCENT, "parameters": M, "memory": MB, "receptive_field": Unit("frames"), "views": Unit("")}
_METRICS = {"parameters": "parameters", "memory": "peak_allocated_bytes", "macs": "macs"}


def _unit(table: PaperTable, key: str) -> Unit:
    return (K if table.number == 3 else G) if key == "macs" else _UNITS.get(key, PER_S)


def _fill_of(table: PaperTable, key: str, machine: Machine | None) -> Fill | None:
    """The rule of a column; None where nothing measured here can stand in it."""
    if key in _METRICS:
        return partial(_fact, metric=_METRICS[key], unit=_unit(table, key))
    if machine:
        return partial(_speed, where=lambda found: found == machine)
    if key in PAPER_BOARDS:
        return partial(_speed, where=lambda found: found.device == key)
    return {"accuracy": _accuracy, "receptive_field": _receptive_field}.get(key)


def _command_of(table: PaperTable, line: Line, key: str, store: _Store) -> tuple[Command | None, str]:
    """What measures a cell; else why nothing does."""
    if key == "cpu":
        return None, "the paper's processor is not known"
    if key == "views":
        return None, "part of the protocol"
    if key == "accuracy":
        if line.elsewhere or not line.checkpoints:
            return None, line.elsewhere or "no public weights"
        return evaluate_command(table, line, store.out), ""
    return run_command(line, store.out, key if key in PAPER_BOARDS else None), ""


def _cell(store: _Store, table: PaperTable, line: Line, key: str, machine: Machine | None) -> PaperCell:
    fill = None if line.elsewhere and key == "accuracy" else _fill_of(table, key, machine)
    measured, others = fill(store, table, line) if fill else (None, ())
    command, why = _command_of(table, line, key, store)
    return PaperCell(line, key, _unit(table, key), line.figures.get(key), measured, others, command, why, machine)


def _reproduced(store: _Store, table: PaperTable) -> Reproduction:
    """Its columns as the paper has them, with other machines in front of the paper's devices."""
    columns: list[tuple[str, Machine | None]] = [(key, None) for key in table.columns]
    if "cpu" in table.columns:
        at = table.columns.index("cpu")
        columns[at:at] = [("here", machine) for machine in store.machines]
    rows = (tuple(_cell(store, table, line, *column) for column in columns) for line in table.lines)
    return Reproduction(table, tuple(rows))


def _curve(store: _Store, printed: Start) -> Curve:
    """The accuracies of Figure 5, of a start of zeros and of a repeated first frame."""
    table = tables()[2]
    line = next(line for line in table.lines if line.model == printed.model)
    fitting: dict[TransientSetup, Record] = {}
    others: dict[tuple[str, str], tuple[Record, tuple[str, ...]]] = {}
    for record in store.records:
        setup, run = record.case.transient, record.transient
        if setup is None or run is None or record.error or not _is_of(record, line):
            continue
        why = [] if run.measure == "top1" else ["the error against the steady answer"]
        why += [f"start: {setup.start}"] if setup.start == "cut" else []
        why += misfits(record, line, table.dataset, table.fps)
        if why:
            others[record.key, record.model.weights if record.model else ""] = (record, tuple(why))
        else:
            fitting[setup.model_copy(update={"frames": None})] = record
    return Curve(
        printed, line, transient_command(line, table, store.out), tuple(fitting.values()), tuple(others.values())
    )


def paper_of(records: Sequence[Record], out: tuple[str, ...] = ()) -> Paper:
    """The paper's tables and figures from the records of a store. `out`: options of commands that write into it."""
    store = _Store(records, out)
    return Paper(
        tuple(_reproduced(store, table) for table in tables()), tuple(_curve(store, each) for each in starts())
    )
