"""A table as Markdown, CSV and LaTeX: a table in, a string out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...bench.record.plain import inert_table, plain
from ..notation import MISSING
from .table import WARNING, WORDS, Cell, Column, Row, Table

if TYPE_CHECKING:
    import pandas

_LATEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "[": "{[}",  # after the end of a row it would begin that command's argument, and a star is another command
    "*": "{*}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "\u00d7": r"$\times$",
    "·": r"$\cdot$",
    "\u2013": "--",
}

# What GitHub makes links, mentions and formulas of although nothing in it is Markdown: a comment in between stops that.
# user@host is neither a mention nor, without a dot, an address, and stays readable where Markdown is read as text.
_LIVE = re.compile(
    r"(?<!(?a:\w))@(?=\w)|@(?=[\w\\-]+\.)|(?<=:)//|(?<=www)\.|#(?=\d)|(?<=GH)-(?=\d)|\$", flags=re.IGNORECASE
)
_INERT = {"@": "@<!-- -->", "#": "#<!-- -->", "$": "&#36;"}


def escape_markdown(text: str) -> str:
    """Text on one line that Markdown shows as it is: no cell, tag, emphasis, link or mention of its own."""
    escaped = re.sub(r"([\\`*_|<>\[\]~])", r"\\\1", plain(text)).replace("&", "&amp;")
    return _LIVE.sub(lambda found: _INERT.get(found[0], f"<!-- -->{found[0]}"), escaped)


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is. Two hyphens, as of an option, stay two: side by side they are one dash."""
    apart = re.sub(r"-(?=-)", "-\0", plain(text))
    return "".join(_LATEX_SPECIAL.get(letter, letter) for letter in apart).replace("\0", "{}")


def _shown(cell: Cell, escape: Callable[[str], str]) -> str:
    beside = cell.paper_text or cell.detail
    return escape(cell.signed) + (f" ({escape(beside)})" if beside else "")


def markdown_cell(cell: Cell) -> str:
    """A cell as Markdown; bold where its colour says that it matters."""
    shown = _shown(cell, escape_markdown)
    if cell.quoted:
        return f"*{shown}*"
    return f"**{shown}**" if cell.tone not in ("", "muted") else shown


def latex_cell(cell: Cell) -> str:
    """A cell as LaTeX."""
    shown = _shown(cell, escape_latex)
    return rf"\textit{{{shown}}}" if cell.quoted else shown


def _raised_markdown(marks: tuple[str, ...]) -> str:
    return f" <sup>{','.join(marks)}</sup>" if marks else ""


def _raised_latex(marks: tuple[str, ...]) -> str:
    return rf"\textsuperscript{{{','.join(marks)}}}" if marks else ""


def _head(column: Column) -> str:
    unit = f", {column.unit.text}" if column.unit.text else ""
    return column.head + unit + (" (paper)" if column.paper else "")


def _below(table: Table) -> list[tuple[str, str]]:
    """What stands below the table: each mark, and what it means."""
    return [*((WARNING, f"{name}: {why}") for name, why in table.warnings), *table.footnotes]


def markdown(table: Table, name: Callable[[str], str] = escape_markdown) -> str:
    """A GitHub-flavoured table with its footnotes below; the paper's figures in parentheses. `name` writes titles."""
    forms = any(row.form for row in table.rows)
    heads = [table.head, *(["Form"] if forms else []), *(_head(column) for column in table.columns)]
    rule = ["---", *(["---"] if forms else []), *("---" if c.kind == WORDS else "---:" for c in table.columns)]
    lines = ["| " + " | ".join(escape_markdown(head) for head in heads) + " |", "|" + "|".join(rule) + "|"]
    for row in table.rows:
        title = " ".join(filter(None, (name(row.name), escape_markdown(row.detail)))) + _raised_markdown(row.all_marks)
        cells = [title, *([row.form or MISSING] if forms else []), *map(markdown_cell, row.cells)]
        lines.append("| " + " | ".join(cells) + " |")
    failed = [
        f"- **{escape_markdown(row.title)}** failed: {escape_markdown(row.error)}" for row in table.rows if row.error
    ]
    notes = [f"- <sup>{mark}</sup> {escape_markdown(text)}" for mark, text in _below(table)]
    for block in (failed, notes):
        if block:
            lines += ["", *block]
    return "\n".join(lines) + "\n"


def _in_data(column: Column, value: float | str | None) -> float | str | None:
    return value if value is None or isinstance(value, str) else column.unit.of(value)


def _data(table: Table, row: Row) -> dict[str, float | str | None]:
    """One row as plain values, in the units that the names end in."""
    case, texts = row.case, dict(table.footnotes)
    line: dict[str, float | str | None] = {
        "case": row.case.own_key if row.case else "",
        "model": row.model,
        "title": row.title,
        "form": row.form,
    }
    if case:
        line |= {"backend": case.backend, "precision": case.precision, "batch": case.batch, "threads": case.threads}
    for column, cell in zip(table.columns, row.cells, strict=True):
        if column.name:
            line[column.name] = _in_data(column, cell.value)
        if column.spread_name:
            line[column.spread_name] = _in_data(column, cell.spread)
        line |= dict(cell.data)
        if column.paper:
            line[f"paper_{column.name}"] = cell.paper
    notes = "; ".join(texts[mark] for mark in row.marks)
    return line | {"warnings": "; ".join(row.warnings) or None, "notes": notes or None, "error": row.error}


def frame(table: Table) -> pandas.DataFrame:
    """The table as data: plain numbers, units in the column names, no number where there is none."""
    import pandas  # here, so that the terminal table does not pay for it

    return pandas.DataFrame([_data(table, row) for row in table.rows])


def csv(table: Table) -> str:
    """Plain numbers for other programs; warnings, notes and errors are columns of text."""
    return inert_table(frame(table)).to_csv(index=False, lineterminator="\n")


def latex(table: Table) -> str:
    """A `tabular` for the booktabs package, with footnotes below."""
    units = [f" ({column.unit.text})" if column.unit.text else "" for column in table.columns]
    heads = [table.head, *(column.head + unit for column, unit in zip(table.columns, units, strict=True))]
    lines = [
        "% needs \\usepackage{booktabs,textcomp} and \\usepackage[T1]{fontenc}; in parentheses: "
        "the paper's figures, and the conditions of accuracies",
        r"\begin{tabular}{l" + "".join("l" if column.kind == WORDS else "r" for column in table.columns) + "}",
        r"\toprule",
        " & ".join(escape_latex(head) for head in heads) + r" \\",
    ]
    form = None
    for row in table.rows:
        if row.form != form:
            lines.append(r"\midrule")
            form = row.form
        title = escape_latex(row.name) + _raised_latex(row.all_marks)
        if row.error:
            lines.append(rf"{title} & \multicolumn{{{len(heads) - 1}}}{{l}}{{failed: {escape_latex(row.error)}}} \\")
            continue
        lines.append(" & ".join([title, *map(latex_cell, row.cells)]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    if below := _below(table):
        lines += ["", r"\par\footnotesize"]
        lines += [rf"{_raised_latex((mark,))} {escape_latex(text)}\\" for mark, text in below]
    return "\n".join(lines) + "\n"
