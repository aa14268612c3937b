"""A comparison in the terminal: the judged rows as a table, below it what needs words."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...bench.judge.findings import Comparison, Finding
from . import words

_SHORT_UNITS = {"predictions/s": "pred/s"}


def render_terminal(comparison: Comparison) -> RenderableType:
    """The comparison as a rich renderable; print it with a `rich.console.Console`."""
    names = words.short_keys(comparison.findings)
    blocks: list[RenderableType] = [_head(comparison, names)]
    changed = [finding for finding in words.exact(comparison) if words.outcome(finding) != "equivalent"]
    rows = [*words.judged(comparison), *changed]
    if rows:
        blocks += [_table(rows, names), *([Text(words.WITHIN, style="dim")] if words.has_within(comparison) else [])]
        blocks += _reasons(rows, names)
    if count := len(words.exact(comparison)):
        blocks.append(Text(f"exact figures: {count - len(changed)} of {count} are the same", style="dim"))
    blocks += [_line(finding, names, said) for finding, said in _asides(words.aside(comparison))]
    return Group(*blocks, Text(words.headline(comparison), style="bold"))


def _head(comparison: Comparison, names: words.Names) -> Text:
    text = Text(words.plain(words.subtitle(comparison)))
    if names.common:
        text.append(f"\n{words.plain(names.common)}", style="dim")
    for note in comparison.notes:
        text.append(f"\n{words.plain(note)}", style="yellow")
    return text


def _sign(finding: Finding) -> Text:
    look = words.look(finding)
    return Text(f"{look.sign} {look.word}", style=look.style)


def _name(finding: Finding, names: words.Names) -> str:
    return words.plain(names.names[finding.key])


def _table(findings: Sequence[Finding], names: words.Names) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("Case", overflow="fold")
    for head in ("Cost", "Interval", "Base", "Head", "Unit"):
        table.add_column(head, justify="left" if head == "Unit" else "right", no_wrap=True)
    several = len({finding.metric for finding in findings}) > 1
    for finding in findings:
        name = Text(_name(finding, names), style="bold")
        if several:
            name.append(f" {words.label(finding)}", style="not bold")
        table.add_row(
            _sign(finding),
            name,
            Text(words.change(finding).removesuffix(" time")),
            Text(words.interval(finding) if finding.status == "judged" else ""),
            Text(words.figure(finding, finding.base)),
            Text(words.figure(finding, finding.head)),
            Text(_SHORT_UNITS.get(finding.unit, finding.unit), style="dim"),
        )
    return table


def _reasons(findings: Sequence[Finding], names: words.Names) -> list[RenderableType]:
    """Why, for every row that a reader will ask it of, and every mark of doubt."""
    told = [finding for finding in findings if words.outcome(finding) != "equivalent" or finding.note]
    return [_line(finding, names, "; ".join(words.reasons(finding))) for finding in told]


def _asides(findings: Sequence[Finding]) -> list[tuple[Finding, str]]:
    return [(finding, "; ".join(words.reasons(finding))) for finding in findings]


def _line(finding: Finding, names: words.Names, said: str) -> Text:
    text = _sign(finding).append(f" {_name(finding, names)} {words.label(finding)}", style="bold")
    return text.append(f": {words.plain(said)}", style="not bold") if said else text
