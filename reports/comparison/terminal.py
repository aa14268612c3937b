"""A comparison in the terminal: the judged rows as a table, reasons and notes below it."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ...bench.stats.compare.findings import Comparison, Finding
from ..notation import SHORT_UNITS
from . import words

# What a terminal shows, by how much room it has.
_HEADS = (
    ("Cost", "Interval", "Base", "Head", "Unit"),
    ("Cost", "Interval", "Base", "Head"),
    ("Cost", "Interval"),
    ("Cost",),
)
_NAME = 20  # letters of a name that stay on one line; longer names are folded


def render_terminal(comparison: Comparison) -> RenderableType:
    """The comparison as a rich renderable; print it with a `rich.console.Console`."""
    names = words.short_keys(comparison.findings)
    blocks: list[RenderableType] = [_head(comparison, names)]
    changed = [finding for finding in words.exact(comparison) if words.outcome(finding) != "equivalent"]
    rows = [*words.judged(comparison), *changed]
    if rows:
        blocks += [_Rows(rows, names), *([Text(words.WITHIN, style="dim")] if words.has_within(comparison) else [])]
        blocks += _reasons(rows, names)
    if count := len(words.exact(comparison)):
        blocks.append(Text(f"exact figures: {count - len(changed)} of {count} are the same", style="dim"))
    blocks += [_line(finding, names) for finding in words.without_verdict(comparison)]
    return Group(*blocks, Text(words.headline(comparison), style="bold"))


def _head(comparison: Comparison, names: words.Names) -> Text:
    text = Text(words.plain(words.subtitle(comparison)))
    if names.common:
        text.append(f"\n{words.plain(names.common)}", style="dim")
    for note in comparison.notes:
        text.append(f"\n{words.plain(note)}", style="yellow")
    return text


def _sign(finding: Finding) -> Text:
    style = words.style(finding)
    return Text(f"{style.sign} {style.word}", style=style.rich)


def _name(finding: Finding, names: words.Names) -> str:
    return words.plain(names.names[finding.key])


class _Rows:
    """The table of rows; figures give way where the terminal is too narrow for them."""

    def __init__(self, findings: Sequence[Finding], names: words.Names) -> None:
        self.findings, self.names = findings, names
        self.several = len({finding.metric for finding in findings}) > 1

    def _cells(self, finding: Finding) -> dict[str, Text]:
        return {
            "Cost": Text(words.change(finding).removesuffix(" time")),
            "Interval": Text(words.interval(finding) if finding.status == "judged" else ""),
            "Base": Text(words.figure(finding, finding.base)),
            "Head": Text(words.figure(finding, finding.head)),
            "Unit": Text(SHORT_UNITS.get(words.unit(finding), words.unit(finding)), style="dim"),
        }

    def _draw(self, heads: Sequence[str], longest_name: int | None = None) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
        table.add_column("", no_wrap=True)
        head = "Case" if self.several else f"Case, {words.label(self.findings[0])}"
        table.add_column(head, overflow="fold", min_width=16)
        for head in heads:
            table.add_column(head, justify="left" if head == "Unit" else "right", no_wrap=True)
        for finding in self.findings:
            name = Text(_name(finding, self.names), style="bold")
            if self.several:
                name.append(f" {words.label(finding)}", style="not bold")
            cells = self._cells(finding)
            table.add_row(_sign(finding), name[:longest_name], *(cells[head] for head in heads))
        return table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.update(max_width=1000)

        def fits(heads: Sequence[str]) -> bool:
            return console.measure(self._draw(heads, _NAME), options=wide).maximum <= options.max_width

        yield self._draw(next((heads for heads in _HEADS if fits(heads)), _HEADS[-1]))


def _reasons(findings: Sequence[Finding], names: words.Names) -> list[RenderableType]:
    """The reasons of every row that is not equivalent or has a note."""
    return [_line(f, names) for f in findings if words.outcome(f) != "equivalent" or f.note]


def _line(finding: Finding, names: words.Names) -> Text:
    text = _sign(finding).append(f" {_name(finding, names)} {words.label(finding)}", style="bold")
    reasons = words.plain("; ".join(words.reasons(finding)))
    return text.append(f": {reasons}", style="not bold") if reasons else text
