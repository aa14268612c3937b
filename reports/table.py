"""The table of a report, like Table 1 of the paper: what was measured, with the paper's figures beside it.

Its columns are in `columns.py`. `build` turns records into cells (value, paper's value, marks); `frame` turns the cells
into a pandas DataFrame of plain numbers. How cells look in Markdown, LaTeX, the terminal or HTML is not decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..bench.record.case import Case
from ..bench.record.record import Record
from ..bench.stats.batch import told
from ..bench.stats.case_result import CaseResult
from .columns import COLUMNS, ENGINE_COLUMNS, Column, Source, Value, paper_columns, printed, source_of
from .engines import several_engines, speeds
from .notation import MISSING, Footnotes
from .select import FORM_TITLES, latest, model_title, setting_of, short_titles

if TYPE_CHECKING:
    import pandas


WARNING = "!"  # the one mark of a row whose speed may not be taken at face value


@dataclass(frozen=True)
class Cell:
    """One figure of one row, ready to be shown; `text` has no marks in it."""

    value: Value
    text: str
    spread: float | None = None
    paper: float | None = None
    paper_text: str | None = None


@dataclass(frozen=True)
class Row:
    """One case. A failed one has cells with what is known of it, and `error`."""

    case: Case
    title: str
    form: str
    setting: str
    cells: tuple[Cell, ...]
    marks: tuple[str, ...] = ()
    error: str | None = None
    warnings: tuple[str, ...] = ()  # one mark stands for all of them

    @property
    def key(self) -> str:
        return self.case.key

    @property
    def model(self) -> str:
        return self.case.model

    @property
    def all_marks(self) -> tuple[str, ...]:
        """Those of its footnotes, and the one that stands for its warnings."""
        return (*((WARNING,) if self.warnings else ()), *self.marks)


@dataclass(frozen=True)
class Table:
    """Columns, rows and the footnotes their marks point to."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[tuple[str, str], ...]
    several_settings: bool = False

    @property
    def warnings(self) -> tuple[tuple[str, str], ...]:
        """Each row that carries the mark: its title, and why, in words."""
        several = self.several_settings
        return tuple(
            (f"{row.title} [{row.setting}]" if several else row.title, "; ".join(row.warnings))
            for row in self.rows
            if row.warnings
        )

    def cell(self, row: Row, name: str) -> Cell:
        """The cell of a row by its column's name."""
        return row.cells[[column.name for column in self.columns].index(name)]


def _cell(column: Column, source: Source) -> Cell:
    paper = column.paper(source.published) if column.paper and source.published else None
    value = column.value(source)
    return Cell(
        value=value,
        text=column.write(source),
        spread=column.spread(source) if column.spread else None,
        paper=paper,
        paper_text=None if paper is None else printed(paper),
    )


def build(records: Sequence[Record] | Sequence[CaseResult]) -> Table:
    """The table of these records, one row per case, clip networks first, then by accuracy as in the paper."""
    chosen = _paper_order(latest(records))
    ratios = speeds(chosen)
    sources = [source_of(record, ratios.get(record.key)) for record in chosen]
    columns = tuple(column for column in COLUMNS if column.wanted(sources))
    columns += ENGINE_COLUMNS if several_engines(chosen) else ()
    columns += paper_columns(sources)
    notes = Footnotes()
    quantities = {r.energy.quantity for r in chosen if r.energy and r.energy.busy}
    settings = short_titles(setting_of(record.case) for record in chosen)
    rows = []
    for source in sources:
        record = source.record
        published_note = source.published.note if source.published else None
        said = [f"the paper's figures: {published_note}"] if published_note else []
        searched = [told(record.batch_search)] if record.batch_search else []
        # Joules of one sensor are not to be set against those of another that measures something else.
        differs = record.energy and record.energy.busy and len(quantities) > 1
        energy = [f"energy: {record.energy.quantity or 'of what is not told'}"] if record.energy and differs else []
        own = notes.marks([*said, *searched, *energy, *record.notes])
        # A failed case may still hold figures (a wrong answer has MACs), but never a speed.
        shown = tuple(
            _cell(column, source) if record.ok or not column.noisy else Cell(value=None, text=MISSING)
            for column in columns
        )
        rows.append(
            Row(
                case=record.case,
                title=model_title(record),
                form=record.model.form if record.model else MISSING,
                setting=settings[setting_of(record.case)],
                cells=shown,
                marks=own,
                error=None if record.error is None else f"{record.error.kind}: {record.error.message}",
                warnings=record.warnings,
            )
        )
    return Table(columns, tuple(rows), notes.all(), len(settings) > 1)


def _paper_order(records: Sequence[CaseResult]) -> list[CaseResult]:
    """Settings together, clip networks before frame networks before others, else as planned (sorting is stable)."""
    settings = list(dict.fromkeys(setting_of(record.case) for record in records))
    order = list(FORM_TITLES)

    def place(record: CaseResult) -> tuple[int, int]:
        form = record.model.form if record.model else ""
        return settings.index(setting_of(record.case)), order.index(form) if form in order else len(order)

    return sorted(records, key=place)


def frame(table: Table) -> pandas.DataFrame:
    """The table as data: plain numbers, units in the column names, no number where there is none."""
    import pandas  # here, so that the terminal table does not pay for it

    rows = []
    for row in table.rows:
        line: dict[str, Value] = {
            "case": row.key,
            "model": row.model,
            "title": row.title,
            "form": row.form,
            "backend": row.case.backend,
            "precision": row.case.precision,
            "batch": row.case.batch,
            "threads": row.case.threads,
        }
        for column, cell in zip(table.columns, row.cells, strict=True):
            line[column.name] = cell.value
            if column.spread:
                line[column.spread_name] = cell.spread
            if column.paper:
                line[f"paper_{column.name}"] = cell.paper
        texts = dict(table.footnotes)
        line["warnings"] = "; ".join(row.warnings) or None
        line["notes"] = "; ".join(texts[mark] for mark in row.marks) or None
        line["error"] = row.error
        rows.append(line)
    return pandas.DataFrame(rows)
