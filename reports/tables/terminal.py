"""A table in the terminal. Columns are left out until it fits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from ...bench.stats.case_result import CaseResult
from ..notation import SHORT_UNITS
from .results import NOT_MEASURED, build
from .table import WARNING, WORDS, Cell, Row, Table

# Stands for the first of the paper's columns, which is of the device that was measured, if the paper has it.
PAPER = "paper"
ACCURACY = "accuracy_top1_percent"
# What the terminal shows of the results, most wanted first; those that do not fit are left to the report.
COLUMNS = (
    "throughput_per_s",
    "latency_ms",
    "per_stream_per_s",
    ACCURACY,
    "energy_mj",
    "peak_allocated_mb",
    "macs_g",
    "latency_p90_ms",
    PAPER,
    "state_mb",
    "parameters_m",
)
MOST_NAMED = 6  # rows with a warning, by name
NAME = 20  # letters of a title that stay on one line; a longer one is folded before columns are left out
STYLES = {"error": "bold red", "warn": "yellow", "frame": "bold blue", "muted": "dim"}  # of the tones of cells


class Fitted:
    """A rich renderable: the first of these drawings for which there is room, else the last. `heads`: of all columns
    behind the titles, to say below it which last ones it lacks."""

    def __init__(self, drawings: Iterable[Callable[[], RichTable]], heads: Sequence[str] = ()) -> None:
        self.drawings = tuple(drawings)
        self.heads = tuple(heads)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        drawn = self._first_with_room(console, options)
        yield drawn
        if left_out := self.heads[len(drawn.columns) - 1 :]:
            yield Text(f"No room in {options.max_width} columns for: {', '.join(left_out)}", style="dim")

    def _first_with_room(self, console: Console, options: ConsoleOptions) -> RichTable:
        wide = options.update(max_width=1000)
        for draw in self.drawings[:-1]:
            drawn = draw()
            drawn.columns[0].max_width = NAME
            needed = console.measure(drawn, options=wide).maximum
            drawn.columns[0].max_width = None
            if needed <= options.max_width:
                return drawn
        return self.drawings[-1]()


def fitted(table: Table, counts: Sequence[int] = ()) -> Fitted:
    """The table with fewer and fewer of its last columns: so many of them, or each number down to 2. Below it, which
    of them are left out."""
    counts = counts or range(len(table.columns), 1, -1) or (len(table.columns),)
    drawings = (partial(draw, table.only(table.columns[:count].__contains__)) for count in counts)
    return Fitted(drawings, [column.head for column in table.columns[: counts[0]]])


def cell_text(cell: Cell, bare: bool = False) -> Text:
    """One cell in its colour; `bare` as in `draw`."""
    text = cell.signed.partition(" (")[0] if bare else cell.signed
    style = "red" if cell.bad else "" if cell.value is not None else "dim"
    return Text(text, style=STYLES.get(cell.tone, style))


def _name(row: Row) -> Text:
    text = Text(row.title, style="bold red" if row.error else "bold")
    if row.detail:
        text.append(f" {row.detail}", style="not bold")
    if row.all_marks:
        text.append(" " + ",".join(row.all_marks), style="bold yellow")
    return text


def draw(table: Table, bare: bool = False) -> RichTable:
    """The table as it is; `bare` leaves out what stands in brackets behind a figure, its interval."""
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    longest = max((len(_name(row)) for row in table.rows), default=0)
    drawn.add_column(Text(table.head), overflow="fold", min_width=min(longest, NAME))
    units = any(column.unit.text for column in table.columns)
    for column in table.columns:
        head = Text(column.head)
        if units:
            head.append(f"\n{SHORT_UNITS.get(column.unit.text, column.unit.text)}", style="dim not bold")
        drawn.add_column(head, justify="left" if column.kind == WORDS else "right", no_wrap=True)
    form, above = None, ""
    for row in table.rows:
        heading = row.below.title if row.below else row.setting
        if form is not None and (row.form, heading) != (form, above):
            drawn.add_section()
        if heading and heading != above:
            drawn.add_row(Text(heading, style="italic dim"))
        form, above = row.form, heading
        failed = [Text("failed", style="bold red")] if row.error else None
        drawn.add_row(_name(row), *(failed or [cell_text(cell, bare) for cell in row.cells]))
    return drawn


def _drawings(table: Table) -> Iterable[Callable[[], RichTable]]:
    """Fewer and fewer columns, in the end without intervals."""
    known = [column.name for column in table.columns]
    papers = [name for name in known if name.startswith("paper_")]
    names = [(papers or [""])[0] if name == PAPER else name for name in COLUMNS]
    names = [name for name in names if name in known]
    least = min(2, len(names))
    for count, bare in [*((count, False) for count in range(len(names), least - 1, -1)), (least, True), (1, True)]:
        yield partial(draw, table.only(lambda column, kept=frozenset(names[:count]): column.name in kept), bare)


def render(table: Table) -> RenderableType:
    """The table of results with notes and warnings below it, as a rich renderable."""
    below: list[RenderableType] = [
        Text.assemble((row.title, "bold red"), (" failed, ", "red"), row.error) for row in table.rows if row.error
    ]
    below += [Text.assemble((f"{mark} ", "bold yellow"), (text, "dim")) for mark, text in table.footnotes]
    if seen := _conditions(table):
        below.append(Text(seen, style="dim"))
    if table.warnings:
        below.append(warnings_line(table.warnings))
    return Group(Fitted(_drawings(table)), *([Text(""), *below] if below else []))


def _conditions(table: Table) -> str:
    """Under which conditions accuracies were measured, which have no room in the rows: networks together."""
    together: dict[str, dict[str, None]] = {}
    for row in table.rows:
        if detail := table.cell(row, ACCURACY).detail:
            together.setdefault(detail, {})[row.title] = None
    said = "; ".join(f"{', '.join(names)}: {detail}" for detail, names in together.items())
    others = sum(detail.startswith(("measured", NOT_MEASURED)) for detail in together)
    published = f"Accuracies are as published{', but where it is said' if others else ''}."
    head = published if others < len(together) else "Accuracies:"
    how = " (`co3d-bench evaluate` measures them)" if NOT_MEASURED in together else ""
    return f"{head} {said}{how}" if said else ""


def warnings_line(found: Sequence[tuple[str, str]]) -> Text:
    """One line for all of them: which rows, and where the evidence is."""
    found = tuple(dict.fromkeys(found))
    titles = tuple(dict.fromkeys(title for title, _ in found))
    names = ", ".join(titles[:MOST_NAMED])
    more = f" and {len(titles) - MOST_NAMED} more" if len(titles) > MOST_NAMED else ""
    why = found[0][1] if len(found) == 1 else "the page and `co3d-bench show NETWORK STORE` have the evidence"
    return Text.assemble((f"{WARNING} ", "bold yellow"), (f"{names}{more}: with a warning; {why}", "dim"))


def render_table(cases: Sequence[CaseResult]) -> RenderableType:
    """These cases as a rich renderable; print it with a `rich.console.Console`."""
    return render(build(cases)) if cases else Text("No records yet.")
