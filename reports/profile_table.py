"""A profile as a table in the terminal. Columns give way from the right until it fits, and the report has them all."""

from __future__ import annotations

from collections.abc import Callable

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ..bench.profile.operator_profile import Profile, Row, between_s, rows, rows_by_kind
from .notation import MISSING, number
from .select import SEPARATOR, setting_of

SHOWN = 20
_SHAPES_WIDTH = 24  # at least, with the gap before it
_GAP = 3


def scaled(value: float | None, by: float) -> str:
    """A figure in another unit; a dash where it is not known."""
    return number(None if value is None else value * by)


def percent(share: float | None) -> str:
    """A share of one, in percent, to the whole or to one decimal below ten."""
    return MISSING if share is None else f"{100 * share:.{0 if abs(share) >= 0.0995 else 1}f}"


def shapes_text(row: Row) -> str:
    """The shapes an operator is given: `1x24x56x56, 24x1x3x3`."""
    return ", ".join("x".join(str(length) for length in shape) or "one" for shape in row.shapes)


# head, unit, text; most wanted first
COLUMNS: tuple[tuple[str, str, Callable[[Row], str]], ...] = (
    ("Time", "ms", lambda row: scaled(row.time_s, 1e3)),
    ("Share", "%", lambda row: percent(row.share)),
    ("Calls", "", lambda row: number(row.calls)),
    ("Bound by", "", lambda row: row.bound or MISSING),
    ("of GEMM", "%", lambda row: percent(row.gemm_share)),
    ("of copy", "%", lambda row: percent(row.copy_share)),
    ("Rate", "GMAC/s", lambda row: scaled(row.macs_per_s, 1e-9)),
    ("Moved", "GB/s", lambda row: scaled(row.bytes_per_s, 1e-9)),
    ("MACs", "M", lambda row: scaled(row.macs, 1e-6)),
    ("Bytes", "MB", lambda row: scaled(row.moved_bytes, 1e-6)),
)


class _Operators:
    """A rich renderable that chooses its columns by the width it is given."""

    def __init__(self, found: tuple[Row, ...], head: str, *, shapes: bool) -> None:
        self.found, self.head, self.shapes = found, head, shapes

    def _draw(self, count: int, shapes_width: int = 0) -> Table:
        drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
        drawn.add_column(Text(self.head), no_wrap=True)
        for head, unit, _ in COLUMNS[:count]:
            drawn.add_column(Text.assemble(head, (f"\n{unit}", "dim not bold")), justify="right", no_wrap=True)
        if shapes_width:
            drawn.add_column(Text("Shapes"), overflow="ellipsis", no_wrap=True, style="dim", max_width=shapes_width)
        for row in self.found:
            shapes = [shapes_text(row)] if shapes_width else []
            drawn.add_row(row.kind, *(text(row) for _, _, text in COLUMNS[:count]), *shapes)
        return drawn

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.update(max_width=1000)
        kept = _SHAPES_WIDTH if self.shapes else 0

        def width(count: int) -> int:
            return console.measure(self._draw(count), options=wide).maximum

        count = len(COLUMNS)
        while count > 1 and width(count) + kept > options.max_width:
            count -= 1
        left = options.max_width - width(count) - _GAP
        yield self._draw(count, left if kept and left + _GAP >= kept else 0)


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
        _Operators(kinds, "By kind", shapes=False),
        Text(""),
        _Operators(single[:SHOWN], "One by one", shapes=True),
    ]
    if rest:
        spent = sum(row.time_s for row in rest)
        shown.append(Text(f"and {len(rest)} more, {number(1e3 * spent)} ms together", style="dim"))
    return Group(*shown, Text(""), *(Text(line) for line in lines))
