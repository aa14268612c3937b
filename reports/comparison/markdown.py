"""A comparison as GitHub-flavoured Markdown: a `Comparison` in, a string out.

Names and messages are hostile. They stand in code, or escaped so that they make no cell, link, mention or tag.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...bench.stats.compare.findings import Comparison, Finding
from ..tables.render import escape_markdown as prose
from ..tables.render import markdown as table_markdown
from ..tables.render import markdown_cell
from . import words
from .table import outcome_cell, table_of


def code(text: str) -> str:
    """Text as code, on one line, whatever is in it; an empty one as nothing."""
    text = words.plain(text)
    if re.search(r"[`|\\<>&]", text):  # a code span cannot hold these everywhere; as entities they are nothing but text
        shown = "".join(c if c.isalnum() or c == " " or not c.isascii() else f"&#{ord(c)};" for c in text)
        return f"<code>{shown}</code>"
    return f"`{text}`" if text else ""


def markdown(comparison: Comparison, most_rows: int | None = None) -> str:
    """The whole comparison, most important first; of each table at most `most_rows`, and how many were left out."""
    names = words.short_keys(comparison.findings)
    changed = [finding for finding in words.exact(comparison) if words.outcome(finding) != "equivalent"]
    lines = [f"### {prose(words.headline(comparison))}", "", _base_and_head(comparison, names), ""]
    lines += [f"> **Note:** {prose(note)}\n" for note in comparison.notes]
    lines += _table(words.judged(comparison), names, most_rows)
    lines += [prose(words.WITHIN), ""] if words.has_within(comparison) else []
    lines += _exact(comparison, changed, names, most_rows)
    lines += _without_verdict(words.without_verdict(comparison), names, most_rows)
    return "\n".join(lines).rstrip() + "\n"


def _base_and_head(comparison: Comparison, names: words.Names) -> str:
    limit = f"limit {words.percent(comparison.max_slowdown)} worse"
    return f"{code(comparison.head)} against {code(comparison.base)}, {limit}" + (
        f"; all {code(names.common)}" if names.common else ""
    )


def _table(findings: Sequence[Finding], names: words.Names, most_rows: int | None) -> list[str]:
    shown = findings[:most_rows]
    return [*([table_markdown(table_of(shown, names), code)] if shown else []), *_left(findings, most_rows)]


def _left(findings: Sequence[Finding], most_rows: int | None) -> list[str]:
    left = findings[most_rows:] if most_rows is not None else ()
    return [f"… and {len(left)} more rows: {words.counted(left)}.", ""] if left else []


def _exact(comparison: Comparison, changed: Sequence[Finding], names: words.Names, most_rows: int | None) -> list[str]:
    count = len(words.exact(comparison))
    if not count:
        return []
    return [f"Exact figures: {count - len(changed)} of {count} are the same.", "", *_table(changed, names, most_rows)]


def _without_verdict(findings: Sequence[Finding], names: words.Names, most_rows: int | None) -> list[str]:
    lines = []
    for finding in findings[:most_rows]:
        reasons = "; ".join(words.reasons(finding))
        why = f": {prose(reasons)}" if reasons else ""
        name = f"{code(names.names[finding.key])} {prose(words.label(finding))}"
        lines.append(f"- {markdown_cell(outcome_cell(finding))} {name}{why}")
    return [*lines, "", *_left(findings, most_rows)] if lines else []
