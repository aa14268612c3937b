"""The table a run ends with. Columns give way from the right until it fits the terminal, and say so."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from ..bench.record.record import Record
from ..bench.stats.case_result import CaseResult
from .table import WARNING, Cell, Row, Table, build

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
MOST_NAMED = 6  # rows with a warning, by name
_UNITS = {"predictions/s": "pred/s"}


def _cell(cell: Cell, bare: bool) -> Text:
    text = cell.text.partition(" (")[0] if bare else cell.text
    return Text(text, style="" if cell.value is not None else "dim")


def _name(row: Row) -> Text:
    text = Text(row.title, style="bold")
    if row.all_marks:
        text.append(" " + ",".join(row.all_marks), style="bold yellow")
    return text


class TerminalTable:
    """A rich renderable that chooses its columns by the width it is given."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def _draw(self, names: Sequence[str], bare: bool = False) -> RichTable:
        """The table of these columns; `bare` leaves out what stands in brackets behind a figure, its interval."""
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
                drawn.add_row(_name(row), *(_cell(row.cells[place], bare) for place in places))
        return drawn

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        known = [column.name for column in self.table.columns]
        papers = [name for name in known if name.startswith("paper_")]
        names = [(papers or [""])[0] if name == PAPER else name for name in COLUMNS]
        names = [name for name in names if name in known]
        wide = options.update(max_width=1000)
        least = min(2, len(names))
        choices = [*((count, False) for count in range(len(names), least - 1, -1)), (least, True)]
        drawn = self._draw(names[:1], bare=True)
        for count, bare in choices:
            candidate = self._draw(names[:count], bare)
            if console.measure(candidate, options=wide).maximum <= options.max_width:
                drawn = candidate
                break
        below: list[RenderableType] = [
            Text.assemble((row.title, "bold red"), (" failed, ", "red"), row.error)
            for row in self.table.rows
            if row.error
        ]
        below += [Text.assemble((f"{mark} ", "bold yellow"), (text, "dim")) for mark, text in self.table.footnotes]
        if self.table.warnings:
            below.append(_warnings(self.table.warnings))
        yield Group(drawn, *([Text(""), *below] if below else []))


def _warnings(found: Sequence[tuple[str, str]]) -> Text:
    """One line for all of them: which rows, and where the evidence is."""
    names = ", ".join(title for title, _ in found[:MOST_NAMED])
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    why = found[0][1] if len(found) == 1 else "the page and `co3d-bench show NETWORK STORE` have the evidence"
    return Text.assemble((f"{WARNING} ", "bold yellow"), (f"{names}{more}: with a warning; {why}", "dim"))


def render_table(records: Sequence[Record] | Sequence[CaseResult]) -> RenderableType:
    """The records as a rich renderable; print it with a `rich.console.Console`."""
    if not records:
        return Text("No records yet.")
    return TerminalTable(build(records))
