"""A profile as a table in the terminal. Columns give way from the right until it fits, and the report has them all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from ..bench.profile.operator_profile import Profile, Row, between_s, rows, rows_by_kind
from ..bench.stats.metrics import MB, MS, M, Unit
from .notation import number, percent
from .select import SEPARATOR, setting_of
from .tables import table as tables
from .tables.table import WORDS, Cell, Column, Table, figure
from .tables.terminal import Fitted, draw

SHOWN = 20
_SHAPES = (64, 24)  # letters of the shapes, by how much room there is


def scaled(value: float | None, by: float) -> str:
    """A figure in another unit; a dash where it is not known."""
    return number(None if value is None else value * by)


def shapes_text(row: Row) -> str:
    """The shapes an operator is given: `1x24x56x56, 24x1x3x3`."""
    return ", ".join("x".join(str(length) for length in shape) or "one" for shape in row.shapes)


def _bound(row: Row) -> Cell:
    return Cell(row.bound, row.bound) if row.bound else Cell()


SHARE, GMAC_S, GB_S = Unit("%"), Unit("GMAC/s", 1e9), Unit("GB/s", 1e9)
_BOUND = "the ceiling that is nearest: compute, memory, or the time of a call"
_OF_GEMM = "the rate against that of a large matrix product on this machine"
_OF_COPY = "what it moves a second against a large copy; more than all where the data stays in a cache"
_MOVED = "bytes that must be read and written at least"

# Of an operator, or of a kind of them; most wanted first.
COLUMNS: tuple[Column[Row], ...] = (
    figure("Time", lambda row: row.time_s, MS, explains="of all calls of one prediction with these shapes"),
    figure("Share", lambda row: row.share, SHARE, percent, explains="of the prediction"),
    figure("Calls", lambda row: row.calls, explains="in one prediction"),
    Column("Bound by", _bound, explains=_BOUND),
    figure("of GEMM", lambda row: row.gemm_share, SHARE, percent, explains=_OF_GEMM),
    figure("of copy", lambda row: row.copy_share, SHARE, percent, explains=_OF_COPY),
    figure("Rate", lambda row: row.macs_per_s, GMAC_S, explains="multiply-accumulates a second"),
    figure("Moved", lambda row: row.bytes_per_s, GB_S, explains=f"{_MOVED}, a second"),
    figure("MACs", lambda row: row.macs, M, explains="multiply-accumulates of one prediction"),
    figure("Bytes", lambda row: row.moved_bytes, MB, explains=_MOVED),
)


def shapes_column(letters: int) -> Column[Row]:
    """The shapes, cut where they are longer."""

    def cell(row: Row) -> Cell:
        text = shapes_text(row)
        return Cell(text if len(text) <= letters else f"{text[: letters - 1]}\u2026")

    return Column("Shapes", cell, kind=WORDS)


def operator_table(head: str, found: Sequence[Row], columns: Sequence[Column[Row]]) -> Table:
    """A row for each of these operators or kinds."""
    return Table(head, tuple(columns), tuple(tables.Row(row.kind, tables.cells(columns, row)) for row in found))


def _drawn(head: str, found: Sequence[Row], last: Sequence[Column[Row]] = ()) -> RenderableType:
    """As many columns as there is room for, and one of the `last` ones, as wide as there is."""
    choices = [
        (*COLUMNS[:count], *more)
        for count in range(len(COLUMNS), 0, -1)
        for more in ([[each] for each in last] or [[]])
    ]
    return Fitted(partial(_draw, head, found, columns) for columns in [*choices, COLUMNS[:1]])


def _draw(head: str, found: Sequence[Row], columns: Sequence[Column[Row]]) -> RichTable:
    return draw(operator_table(head, found, columns))


def ceilings_text(profile: Profile) -> str:
    """What the machine does at best, in a sentence."""
    at_best = profile.ceilings
    threads = f"{at_best.threads} thread{'s' if at_best.threads != 1 else ''}"
    return (
        f"matrix product {scaled(at_best.gemm_macs_per_s, 1e-9)} GMAC/s, copy {scaled(at_best.copy_bytes_per_s, 1e-9)} "
        f"GB/s, smallest call {scaled(at_best.call_s, 1e6)} µs, with {threads}"
    )


def _taken_off(profile: Profile) -> str:
    inside = sum(operator.events for operator in profile.operators)
    event_us = number(1e6 * profile.ceilings.event_s)
    return f"; {event_us} µs are taken off for each of the {inside:.0f} events within its operators" if inside else ""


def render_profile(profile: Profile) -> RenderableType:
    """The profile as a rich renderable: operators by kind, then the most expensive ones on their shapes."""
    single, kinds = rows(profile), rows_by_kind(profile)
    rest = single[SHOWN:]
    left = between_s(profile)
    lines = [
        f"{number(1e3 * left)} ms ({percent(left / profile.step_s)} %) lies between operators: Python, and finding the "
        "code for each call",
        f"this machine at best: {ceilings_text(profile)}",
        f"a step takes {number(1e3 * profile.step_s)} ms, {number(1e3 * profile.traced_step_s)} ms while it is traced"
        + _taken_off(profile),
        *profile.notes,
    ]
    shown: list[RenderableType] = [
        Text.assemble((profile.model.title, "bold"), SEPARATOR, (setting_of(profile.case).title, "dim")),
        Text(""),
        _drawn("By kind", kinds),
        Text(""),
        _drawn("One by one", single[:SHOWN], [shapes_column(letters) for letters in _SHAPES]),
    ]
    if rest:
        spent = sum(row.time_s for row in rest)
        shown.append(Text(f"and {len(rest)} more, {number(1e3 * spent)} ms together", style="dim"))
    return Group(*shown, Text(""), *(Text(line) for line in lines))
