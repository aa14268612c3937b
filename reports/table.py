"""The table of a report, like Table 1 of the paper: what was measured, with the paper's figures beside it.

`COLUMNS` is the whole table: a new column is one line there. `build` turns records into cells (value, paper's
value, marks); `frame` turns the cells into a pandas DataFrame of plain numbers. How cells look in Markdown, LaTeX,
the terminal or HTML is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..bench.metrics import get_metric
from ..bench.record import Published, Record
from ..bench.stats import Summary, doubts, summarise
from .notation import MISSING, Footnotes, fixed, number, plus_minus
from .select import FORM_TITLES, latest, model_title, setting_of, short_titles

if TYPE_CHECKING:
    import pandas

# The paper's names of its devices; others are shown as they are.
PAPER_DEVICES = {"cpu": "CPU", "tx2": "TX2", "xavier": "Xavier", "rtx2080ti": "RTX 2080 Ti"}

Value = float | str | None

_PRINTED = fixed(2)  # the paper prints every figure of Table 1 so


@dataclass(frozen=True)
class Source:
    """One record with what is derived from it, so that no column derives it again."""

    record: Record
    summary: Summary | None
    published: Published | None


@dataclass(frozen=True)
class Column:
    """One column: how it is called in text and in data, and how it is read."""

    name: str  # in the DataFrame and in CSV, with its unit: latency_ms
    head: str
    unit: str
    value: Callable[[Source], Value]
    write: Callable[[Source], str]
    spread: Callable[[Source], float | None] | None = None  # a second number of data: the std or the MAD
    spread_name: str = ""
    paper: Callable[[Published], float | None] | None = None
    noisy: bool = False  # carries the marks of the record's doubts
    explains: str = ""


@dataclass(frozen=True)
class Cell:
    """One figure of one row, ready to be shown; `text` has no marks in it."""

    value: Value
    text: str
    spread: float | None = None
    paper: float | None = None
    paper_text: str | None = None
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One case. A failed one has cells with what is known of it, and `error`."""

    key: str
    model: str
    title: str
    form: str
    setting: str
    cells: tuple[Cell, ...]
    marks: tuple[str, ...] = ()
    error: str | None = None
    doubtful: bool = False


@dataclass(frozen=True)
class Table:
    """Columns, rows and the footnotes their marks point to."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[tuple[str, str], ...]
    several_settings: bool = False

    def cell(self, row: Row, name: str) -> Cell:
        """The cell of a row by its column's name."""
        return row.cells[[column.name for column in self.columns].index(name)]


def _metric(name: str, source: Source) -> float | None:
    return get_metric(name).value(source.record)


def _write_metric(name: str, write: Callable[[float | None], str], source: Source) -> str:
    return write(_metric(name, source))


def _column(
    metric: str,
    name: str,
    head: str,
    *,
    write: Callable[[float | None], str] = number,
    paper: Callable[[Published], float | None] | None = None,
    explains: str = "",
) -> Column:
    """A column that shows one metric as it is."""
    known = get_metric(metric)
    return Column(
        name=name,
        head=head,
        unit=known.unit,
        value=partial(_metric, metric),
        write=partial(_write_metric, metric, write),
        paper=paper,
        noisy=known.noisy,
        explains=explains,
    )


def _state(source: Source) -> float | None:
    """Clip networks carry nothing from clip to clip: no figure, rather than a 0 to be ranked."""
    model = source.record.model
    return _metric("state", source) if model and model.form == "frame" else None


def _rate_text(source: Source) -> str:
    s = source.summary
    return plus_minus(s.throughput, s.throughput_std) if s else MISSING


def _latency_text(source: Source) -> str:
    s = source.summary
    return plus_minus(1e3 * s.median_s, 1e3 * s.mad_s) if s else MISSING


def _p90(source: Source) -> float | None:
    s = source.summary
    return None if s is None or s.p90_s is None else 1e3 * s.p90_s


COLUMNS = (
    _column(
        "accuracy",
        "accuracy_top1_percent",
        "Accuracy",
        write=fixed(2),
        explains="top-1 of the published weights on Kinetics-400, one clip or frame; not measured here",
    ),
    Column(
        name="throughput_per_s",
        head="Throughput",
        unit="predictions/s",
        value=partial(_metric, "throughput"),
        write=_rate_text,
        spread=lambda source: source.summary.throughput_std if source.summary else None,
        spread_name="throughput_std_per_s",
        noisy=True,
        explains="predictions / total time ± standard deviation; of clips, frames or, where neither, inputs",
    ),
    Column(
        name="latency_ms",
        head="Latency",
        unit="ms",
        value=partial(_metric, "latency"),
        write=_latency_text,
        spread=lambda source: 1e3 * source.summary.mad_s if source.summary else None,
        spread_name="latency_mad_ms",
        noisy=True,
        explains="median of the timed predictions ± median absolute deviation",
    ),
    Column(
        name="latency_p90_ms",
        head="p90",
        unit="ms",
        value=_p90,
        write=lambda source: number(_p90(source)),
        noisy=True,
        explains="nine predictions in ten were at least this fast; only shown with 64 samples or more",
    ),
    _column(
        "peak_allocated",
        "peak_allocated_mb",
        "Memory",
        paper=lambda published: published.max_allocated_mb,
        explains="weights, state, input and the highest transient of one prediction",
    ),
    _column(
        "macs",
        "macs_g",
        "MACs",
        paper=lambda published: published.macs_g,
        explains="multiply-accumulates of one prediction; the paper calls them FLOPs",
    ),
    _column(
        "parameters",
        "parameters_m",
        "Params",
        write=fixed(2),
        paper=lambda published: published.parameters_m,
        explains="learned numbers of the network",
    ),
    Column(
        name="state_mb",
        head="State",
        unit="MB",
        value=_state,
        write=lambda source: number(_state(source)),
        explains="what a frame network carries from frame to frame",
    ),
    _column(
        "first_prediction",
        "first_prediction_ms",
        "First run",
        explains="the very first prediction of a fresh process",
    ),
)


def _paper_rate(device: str, source: Source) -> float | None:
    found = source.published.throughput.get(device) if source.published else None
    return found[0] if found else None


def _paper_rate_std(device: str, source: Source) -> float | None:
    found = source.published.throughput.get(device) if source.published else None
    return found[1] if found else None


def _paper_rate_text(device: str, source: Source) -> str:
    found = source.published.throughput.get(device) if source.published else None
    return f"{found[0]:.2f} ± {found[1]:.2f}" if found else MISSING


def _paper_columns(sources: Sequence[Source]) -> tuple[Column, ...]:
    """One column for each device of which the paper prints a throughput of any of these networks."""
    devices = {device for source in sources if source.published for device in source.published.throughput}
    ordered = sorted(
        devices,
        key=lambda device: (list(PAPER_DEVICES).index(device) if device in PAPER_DEVICES else 99, device),
    )
    return tuple(
        Column(
            name=f"paper_{device}_per_s",
            head=f"Paper: {PAPER_DEVICES.get(device, device)}",
            unit="predictions/s",
            value=partial(_paper_rate, device),
            write=partial(_paper_rate_text, device),
            spread=partial(_paper_rate_std, device),
            spread_name=f"paper_{device}_std_per_s",
            explains="throughput as the paper prints it for its own device; not measured here",
        )
        for device in ordered
    )


def _cell(column: Column, source: Source, marks: tuple[str, ...]) -> Cell:
    paper = column.paper(source.published) if column.paper and source.published else None
    value = column.value(source)
    return Cell(
        value=value,
        text=column.write(source),
        spread=column.spread(source) if column.spread else None,
        paper=paper,
        paper_text=None if paper is None else _PRINTED(paper),
        marks=marks if column.noisy and value is not None else (),
    )


def source_of(record: Record) -> Source:
    """A record with its summary and its published figures at hand."""
    summary = summarise(record.timing.samples, record.case.batch) if record.timing and record.ok else None
    return Source(record, summary, record.model.published if record.model else None)


def build(records: Sequence[Record]) -> Table:
    """The table of these records, one row per case, clip networks first, then by accuracy as in the paper."""
    chosen = sorted(latest(records), key=_paper_order)
    sources = [source_of(record) for record in chosen]
    columns = COLUMNS + _paper_columns(sources)
    notes = Footnotes()
    settings = short_titles(setting_of(record.case) for record in chosen)
    rows = []
    for source in sources:
        record = source.record
        doubt = doubts(record) if record.ok else ()
        published_note = source.published.note if source.published else None
        marks = notes.marks(doubt)
        said = [f"the paper's figures: {published_note}"] if published_note else []
        own = notes.marks([*said, *record.notes])
        # A failed case may still hold figures (a wrong answer has MACs), but never a speed.
        shown = tuple(
            _cell(column, source, marks) if record.ok or not column.noisy else Cell(value=None, text=MISSING)
            for column in columns
        )
        rows.append(
            Row(
                key=record.key,
                model=record.case.model,
                title=model_title(record),
                form=record.model.form if record.model else MISSING,
                setting=settings[setting_of(record.case)],
                cells=shown,
                marks=own,
                error=None if record.error is None else f"{record.error.kind}: {record.error.message}",
                doubtful=bool(doubt),
            )
        )
    return Table(columns, tuple(rows), notes.all(), len(settings) > 1)


def _paper_order(record: Record) -> tuple[str, int]:
    """Settings together, clip networks before frame networks before others, else as planned (sorting is stable)."""
    form = record.model.form if record.model else ""
    return setting_of(record.case).title, list(FORM_TITLES).index(form) if form in FORM_TITLES else len(FORM_TITLES)


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
        }
        for column, cell in zip(table.columns, row.cells, strict=True):
            line[column.name] = cell.value
            if column.spread:
                line[column.spread_name] = cell.spread
            if column.paper:
                line[f"paper_{column.name}"] = cell.paper
        texts = dict(table.footnotes)
        used = dict.fromkeys(m for cell in row.cells for m in cell.marks) | dict.fromkeys(row.marks)
        line["doubts"] = "; ".join(texts[m] for m in used) or None
        line["error"] = row.error
        rows.append(line)
    return pandas.DataFrame(rows)
