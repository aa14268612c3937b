"""The table a run ends with. Columns give way from the right until it fits the terminal, and say so."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from ..bench.record import Record
from ..bench.stats import verdict
from .select import latest
from .table import Cell, Row, Table, build

# Stands for the first of the paper's columns, which is of the device that was measured, if the paper has it.
PAPER = "paper"
# What the terminal shows, most wanted first; those that do not fit are left to the report.
COLUMNS = (
    "throughput_per_s",
    "latency_ms",
    "per_stream_per_s",
    "accuracy_top1_percent",
    "energy_mj",
    "peak_allocated_mb",
    "macs_g",
    "latency_p90_ms",
    PAPER,
    "state_mb",
    "parameters_m",
)
_UNITS = {"predictions/s": "pred/s"}


def _cell(cell: Cell) -> Text:
    text = Text(cell.text, style="" if cell.value is not None else "dim")
    if cell.marks:
        text.append(" " + ",".join(cell.marks), style="bold yellow")
    return text


def _name(row: Row) -> Text:
    text = Text(row.title, style="bold")
    if row.marks:
        text.append(" " + ",".join(row.marks), style="bold yellow")
    return text


class TerminalTable:
    """A rich renderable that chooses its columns by the width it is given."""

    def __init__(self, table: Table, advice: str | None = None) -> None:
        self.table = table
        self.advice = advice

    def _draw(self, names: Sequence[str]) -> RichTable:
        drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
        drawn.add_column(Text("Network"), no_wrap=True)
        places = [i for i, column in enumerate(self.table.columns) if column.name in names]
        for place in places:
            column = self.table.columns[place]
            head = Text(column.head)
            head.append(f"\n{_UNITS.get(column.unit, column.unit)}", style="dim not bold")
            drawn.add_column(head, justify="right", no_wrap=True)
        last_form, last_setting = None, None
        for row in self.table.rows:
            if self.table.several_settings and row.setting != last_setting:
                drawn.add_section()
                drawn.add_row(Text(row.setting, style="italic dim", overflow="ellipsis"))
            elif last_form not in (None, row.form):
                drawn.add_section()
            last_form, last_setting = row.form, row.setting
            if row.error:
                name = _name(row)
                name.stylize("red")
                drawn.add_row(name, Text("failed", style="bold red"), *[Text("")] * (len(places) - 1))
            else:
                drawn.add_row(_name(row), *(_cell(row.cells[place]) for place in places))
        return drawn

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        known = [column.name for column in self.table.columns]
        papers = [name for name in known if name.startswith("paper_")]
        names = [(papers or [""])[0] if name == PAPER else name for name in COLUMNS]
        names = [name for name in names if name in known]
        drawn = self._draw(names)
        wide = options.update(max_width=1000)
        while len(names) > 1 and console.measure(drawn, options=wide).maximum > options.max_width:
            names.pop()
            drawn = self._draw(names)
        below: list[RenderableType] = [
            Text.assemble((row.title, "bold red"), (" failed, ", "red"), row.error)
            for row in self.table.rows
            if row.error
        ]
        below += [Text.assemble((f"{mark} ", "bold yellow"), (text, "dim")) for mark, text in self.table.footnotes]
        if self.advice:
            below.append(Text(f"\n{self.advice}", style="bold yellow"))
        yield Group(drawn, *([Text(""), *below] if below else []))


def render_table(records: Sequence[Record]) -> RenderableType:
    """The records as a rich renderable; print it with a `rich.console.Console`."""
    if not records:
        return Text("No records yet.")
    return TerminalTable(build(records), _advice(records))


def _advice(records: Sequence[Record]) -> str | None:
    """What to do where most of this is not steady; the notes say why of each."""
    timed = [record for record in latest(records) if record.ok and record.timing]
    restless = sum(verdict(record).kind != "steady" for record in timed)
    if 2 * restless <= len(timed):
        return None
    those = "This case is" if len(timed) == 1 else f"{restless} of {len(timed)} cases are"
    return f"{those} not steady: `co3d-bench doctor` says what it sees; measure again when less goes on here."
