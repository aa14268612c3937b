"""The table as Markdown, CSV and LaTeX: a table in, a string out."""

from __future__ import annotations

import re
from collections.abc import Callable

from .columns import Column
from .table import WARNING, Cell, Row, Table, frame

_LATEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
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


def escape_markdown(text: str) -> str:
    """Text that a Markdown table shows as it is: no cell, line, tag or emphasis of its own."""
    return re.sub(r"([\\`*_|<>\[\]~])", r"\\\1", " ".join(text.split()))


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_LATEX_SPECIAL.get(letter, letter) for letter in " ".join(text.split()))


def _shown(cell: Cell, escape: Callable[[str], str]) -> str:
    paper = f" ({escape(cell.paper_text)})" if cell.paper_text else ""
    return escape(cell.text) + paper


def _raised_markdown(marks: tuple[str, ...]) -> str:
    return f" <sup>{','.join(marks)}</sup>" if marks else ""


def _raised_latex(marks: tuple[str, ...]) -> str:
    return rf"\textsuperscript{{{','.join(marks)}}}" if marks else ""


def _head(column: Column) -> str:
    paper = " (paper)" if column.paper else ""
    return f"{column.head}, {column.unit}{paper}"


def _title(row: Row, table: Table) -> str:
    return f"{row.title} [{row.setting}]" if table.several_settings else row.title


def _below(table: Table) -> list[tuple[str, str]]:
    """What stands below the table: each mark, and what it means."""
    return [*((WARNING, f"{title}: {why}") for title, why in table.warnings), *table.footnotes]


def markdown(table: Table) -> str:
    """A GitHub-flavoured table with its footnotes below; the paper's figures in parentheses."""
    heads = ["Network", "Form", *(_head(column) for column in table.columns)]
    lines = [
        "| " + " | ".join(escape_markdown(head) for head in heads) + " |",
        "|" + "|".join(["---", "---", *["---:"] * len(table.columns)]) + "|",
    ]

    for row in table.rows:
        title = escape_markdown(_title(row, table)) + _raised_markdown(row.all_marks)
        cells = [_shown(cell, escape_markdown) for cell in row.cells]
        lines.append("| " + " | ".join([title, row.form, *cells]) + " |")
    failed = [
        f"- **{escape_markdown(row.title)}** failed: {escape_markdown(row.error)}" for row in table.rows if row.error
    ]
    notes = [f"- <sup>{mark}</sup> {escape_markdown(text)}" for mark, text in _below(table)]
    for block in (failed, notes):
        if block:
            lines += ["", *block]
    return "\n".join(lines) + "\n"


def csv(table: Table) -> str:
    """Plain numbers for other programs; warnings, notes and errors are columns of text."""
    return frame(table).to_csv(index=False, lineterminator="\n")


def latex(table: Table) -> str:
    """A `tabular` for the booktabs package, with footnotes below."""
    heads = ["Network", *(f"{column.head} ({column.unit})" for column in table.columns)]
    lines = [
        "% needs \\usepackage{booktabs,textcomp} and \\usepackage[T1]{fontenc}; the paper's figures are in parentheses",
        r"\begin{tabular}{l" + "r" * len(table.columns) + "}",
        r"\toprule",
        " & ".join(escape_latex(head) for head in heads) + r" \\",
    ]

    width = len(heads)
    form = None
    for row in table.rows:
        if row.form != form:
            lines.append(r"\midrule")
            form = row.form
        title = escape_latex(_title(row, table)) + _raised_latex(row.all_marks)
        if row.error:
            lines.append(rf"{title} & \multicolumn{{{width - 1}}}{{l}}{{failed: {escape_latex(row.error)}}} \\")
            continue
        lines.append(" & ".join([title, *(_shown(cell, escape_latex) for cell in row.cells)]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    if below := _below(table):
        lines += ["", r"\par\footnotesize"]
        lines += [rf"{_raised_latex((mark,))} {escape_latex(text)}\\" for mark, text in below]
    return "\n".join(lines) + "\n"
