"""What a table is, whatever it shows and wherever it is shown: columns, rows, cells. Data, and no form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, TypeVar

from ...bench.record.case import Case
from ...bench.stats.metrics import Unit
from ..notation import MISSING, fixed, number

R = TypeVar("R")

WARNING = "!"  # the one mark of a row with a warning
NO_UNIT = Unit("")
WORDS = "words"  # the kind of a column of text: it stands left

printed = fixed(2)  # the paper prints every figure of Table 1 so


@dataclass(frozen=True)
class Cell:
    """One figure of one row, ready to be shown; its texts have no marks in them."""

    text: str = MISSING
    value: float | str | None = None  # in SI
    spread: float | None = None  # in SI; a second number of data: the standard deviation, the half-width
    paper: float | None = None  # the paper's, in the unit of the column
    detail: str = ""  # what belongs to it, in small letters
    quoted: bool = False  # another's figure in the place of ours, in italics
    bad: bool = False
    sign: str = ""  # before the text, for the eye alone: the text says the same
    tone: str = ""  # a colour of `theme.LIGHT`
    share: float | None = None  # of 1: how long its bar is
    data: tuple[tuple[str, float | str | None], ...] = ()  # further columns of data, which people read in `detail`

    @property
    def signed(self) -> str:
        """The text behind its sign."""
        return f"{self.sign} {self.text}" if self.sign else self.text

    @property
    def paper_text(self) -> str | None:
        """The paper's figure as the paper prints it."""
        return None if self.paper is None else printed(self.paper)


EMPTY = Cell("")


@dataclass(frozen=True)
class Column(Generic[R]):
    """One column: what it is called, and what it shows of a row."""

    head: str
    cell: Callable[[R], Cell]
    unit: Unit = NO_UNIT  # what texts are in, and data
    explains: str = ""
    name: str = ""  # in data, with its unit: latency_ms; without one it is not in data
    spread_name: str = ""  # in data, of the cells' `spread`
    paper: bool = False  # whether cells hold the paper's figure beside ours
    noisy: bool = False  # whether the case's warnings are about it
    group: str = ""  # what stands above all columns of one
    kind: str = ""  # a class of the page; `WORDS`, else figures


def figure(
    head: str,
    value: Callable[[R], float | None],
    unit: Unit = NO_UNIT,
    write: Callable[[float], str] = number,
    **more: Any,
) -> Column[R]:
    """A column of one figure: `value` of a row in SI, written by `write` in the unit of the column."""

    def cell(row: R) -> Cell:
        found = value(row)
        return Cell() if found is None else Cell(write(unit.of(found)), found)

    return Column(head, cell, unit, **more)


class Heading(NamedTuple):
    """What several rows stand below."""

    title: str
    form: str = ""
    setting: str = ""


@dataclass(frozen=True)
class Row:
    """One line. Of a failed case it has what is known, and `error`."""

    title: str
    cells: tuple[Cell, ...]
    case: Case | None = None
    form: str = ""
    setting: str = ""  # where there are several
    detail: str = ""
    below: Heading | None = None
    marks: tuple[str, ...] = ()  # of its footnotes
    warnings: tuple[str, ...] = ()  # one mark stands for all of them
    error: str | None = None

    @property
    def key(self) -> str:
        return self.case.key if self.case else ""

    @property
    def model(self) -> str:
        return self.case.model if self.case else ""

    @property
    def name(self) -> str:
        """Its title, with its setting where there are several."""
        return f"{self.title} [{self.setting}]" if self.setting else self.title

    @property
    def all_marks(self) -> tuple[str, ...]:
        """The one that stands for its warnings, and those of its footnotes."""
        return (*((WARNING,) if self.warnings else ()), *self.marks)


@dataclass(frozen=True)
class Table:
    """Columns, rows and the footnotes their marks point to."""

    head: str  # of the titles
    columns: tuple[Column[Any], ...]
    rows: tuple[Row, ...]
    footnotes: tuple[tuple[str, str], ...] = ()

    @property
    def warnings(self) -> tuple[tuple[str, str], ...]:
        """Each row that carries the mark: its name, and why, in words."""
        return tuple((row.name, "; ".join(row.warnings)) for row in self.rows if row.warnings)

    def cell(self, row: Row, name: str) -> Cell:
        """The cell of a row by its column's name."""
        return row.cells[[column.name for column in self.columns].index(name)]

    def only(self, keep: Callable[[Column[Any]], bool]) -> Table:
        """The same rows, in some of the columns."""
        kept = [index for index, column in enumerate(self.columns) if keep(column)]
        rows = tuple(replace(row, cells=tuple(row.cells[index] for index in kept)) for row in self.rows)
        return replace(self, columns=tuple(self.columns[index] for index in kept), rows=rows)


def source_columns(sources: Iterable[str], source: Callable[[R], str]) -> tuple[Column[R], ...]:
    """Whose each row is: a column where several sources are shown together, else none."""
    if not any(sources):
        return ()
    explains = "the store or bundle that its figures are of: no figure is of two"
    return (Column("Source", lambda row: Cell(source(row), source(row)), explains=explains, name="source", kind=WORDS),)


def cells(columns: Iterable[Column[R]], row: R) -> tuple[Cell, ...]:
    """What these columns show of a row."""
    return tuple(column.cell(row) for column in columns)


def filled(columns: Iterable[Column[R]], rows: Sequence[R]) -> tuple[Column[R], ...]:
    """The columns in which any of these rows has something."""
    return tuple(column for column in columns if any(column.cell(row).value is not None for row in rows))
