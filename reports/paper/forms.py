"""The paper's tables as Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv as csv_files
import io
from collections.abc import Iterable

from ...bench.record.plain import inert
from ...bench.stats.paper import Paper, PaperCell
from ..notation import MISSING
from ..tables.render import latex as latex_table
from ..tables.render import markdown as markdown_table
from .tables import build, head_of, machine_of, missing, title_of, unfit_text

LEGEND = (
    f"Upright: measured here, the paper's figure in parentheses. Italics: as the paper prints it. {MISSING}: neither"
)


def markdown(paper: Paper) -> str:
    """Three tables, the commands that fill their dashes, and those that fill most of all cells."""
    parts = []
    for each in paper.tables:
        lines = [f"{command}  # {title}: {', '.join(heads)}" for title, command, heads in missing(each, paper)]
        table = markdown_table(build(each, paper, commands=False))
        parts.append(f"## {title_of(each)}\n\n{table}" + (f"\nFor its dashes:\n\n{_block(lines)}" if lines else ""))
    common = [f"{command.text}  # {count} cells" for command, count in paper.commands()]
    most = f"\nThese measure most of what is not measured here:\n\n{_block(common)}" if common else ""
    return f"{LEGEND}.\n\n" + "\n".join(parts) + most


def _block(lines: Iterable[str]) -> str:
    return "```sh\n" + "\n".join(lines) + "\n```\n"


def latex(paper: Paper) -> str:
    """Three `tabular`s for booktabs."""
    parts = [f"% {title_of(each)}\n{latex_table(build(each, paper))}" for each in paper.tables]
    return f"% {LEGEND.replace(MISSING, '--')}.\n" + "\n".join(parts)


HEADS = (
    *("table", "network", "column", "unit", "state", "measured", "measured_low", "measured_high", "n", "n_of"),
    *("machine", "device", "backend", "precision", "weights", "run", "paper", "paper_std"),
    *("measured_otherwise", "command", "no_command"),
)


def _line(paper: Paper, cell: PaperCell) -> list[object]:
    found = cell.measured
    record = found.record if found else None
    case, model = (record.case, record.model) if record else (None, None)
    counted = (found.count, found.counted) if found and found.low is not None else (None, None)
    return [
        cell.line.table,
        cell.line.model,
        head_of(cell, paper.machines).text,
        cell.unit.text,
        cell.state,
        *((found.value, found.low, found.high) if found else (None,) * 3),
        *counted,
        machine_of(record) if record else None,
        *((case.device, case.backend, case.precision) if case else (None,) * 3),
        model.weights if model else None,
        record.run_id if record else None,
        *((cell.printed.text, cell.printed.std) if cell.printed else (None, None)),
        " | ".join(map(unfit_text, cell.others)) or None,
        cell.command.text if cell.command and not found else None,
        cell.why or None,
    ]


def csv(paper: Paper) -> str:
    """A line for each cell: what was measured and how, what the paper prints, and the command that measures it."""
    text = io.StringIO()
    writer = csv_files.writer(text, lineterminator="\n")
    writer.writerow(HEADS)
    writer.writerows(map(inert, _line(paper, cell)) for cell in paper.cells)
    return text.getvalue()
