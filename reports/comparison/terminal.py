"""A comparison in the terminal: the judged rows as a table, reasons and notes below it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ...bench.stats.compare.findings import Comparison, Finding
from ..tables.terminal import cell_text, fitted
from . import words
from .table import outcome_cell, table_of


def render_terminal(comparison: Comparison) -> RenderableType:
    """The comparison as a rich renderable; print it with a `rich.console.Console`."""
    names = words.short_keys(comparison.findings)
    blocks: list[RenderableType] = [_head(comparison, names)]
    changed = [finding for finding in words.exact(comparison) if words.outcome(finding) != "equivalent"]
    rows = [*words.judged(comparison), *changed]
    if rows:
        blocks.append(fitted(table_of(rows, names), (6, 5, 3, 2)))  # reasons stand below, base and head together
        blocks += [Text(words.WITHIN, style="dim")] if words.has_within(comparison) else []
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


def _name(finding: Finding, names: words.Names) -> str:
    return words.plain(names.names[finding.key])


def _reasons(findings: Sequence[Finding], names: words.Names) -> list[RenderableType]:
    """The reasons of every row that is not equivalent or has a note."""
    return [_line(f, names) for f in findings if words.outcome(f) != "equivalent" or f.note]


def _line(finding: Finding, names: words.Names) -> Text:
    text = cell_text(outcome_cell(finding)).append(f" {_name(finding, names)} {words.label(finding)}", style="bold")
    reasons = words.plain("; ".join(words.reasons(finding)))
    return text.append(f": {reasons}", style="not bold") if reasons else text
