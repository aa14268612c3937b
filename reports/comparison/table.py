"""The rows of a comparison that have a verdict, as one table for terminal, Markdown and page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...bench.stats.compare.findings import Finding
from ..tables.table import WORDS, Cell, Column, Row, Table, cells
from . import words


def outcome_cell(finding: Finding) -> Cell:
    """The outcome of a row, as every form shows it."""
    style = words.style(finding)
    most_wanted = -float(list(words.OUTCOMES).index(words.outcome(finding)))  # on the page the first click is downwards
    return Cell(style.word, most_wanted, sign=style.sign, tone=style.colour)


def _cost(finding: Finding) -> Cell:
    found = words.estimate(finding)
    cost = words.change(finding)
    beside = "time" if cost.endswith(" time") else ""
    return Cell(cost.removesuffix(" time"), found.slowdown if found else None, detail=beside)


def _interval(finding: Finding) -> Cell:
    found = words.estimate(finding) if finding.status == "judged" else None
    if found is None:
        return Cell("")
    return Cell(words.interval(finding), found.high - found.low if math.isfinite(found.high) else None)


def _why(finding: Finding) -> Cell:
    return Cell("; ".join(words.reasons(finding)))


COLUMNS: tuple[Column[Finding], ...] = (
    Column("Outcome", outcome_cell, kind=WORDS),
    Column("Cost", _cost),
    Column("Interval", _interval),
    Column("Base", lambda finding: Cell(words.figure(finding, finding.base), finding.base)),
    Column("Head", lambda finding: Cell(words.figure(finding, finding.head), finding.head)),
    Column("Unit", lambda finding: Cell(words.unit(finding)), kind=WORDS),
    Column("Why", _why, kind=WORDS),
)


def table_of(findings: Sequence[Finding], names: words.Names) -> Table:
    """A row for each of these findings; the metric stands in the head where all have the same."""
    labels = {words.label(finding) for finding in findings}
    rows = (
        Row(
            words.plain(names.names[finding.key]),
            cells(COLUMNS, finding),
            detail=words.label(finding) if len(labels) > 1 else "",
        )
        for finding in findings
    )
    return Table("Case" if len(labels) > 1 else f"Case, {''.join(labels)}", COLUMNS, tuple(rows))
