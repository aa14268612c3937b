"""`co3d-bench report`: records in, a page, a table or a picture out."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Format(str, Enum):
    """What a report can be written as."""

    html = "html"
    md = "md"
    csv = "csv"
    latex = "latex"
    png = "png"
    svg = "svg"
    pdf = "pdf"


def report(
    store: Annotated[Path, typer.Argument(help="Folder of records, or a .jsonl file.", metavar="[STORE]")] = Path(
        "results"
    ),
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write.", show_default="beside the records", metavar="FILE"),
    ] = None,
    format: Annotated[
        Format | None,
        typer.Option("--format", help="Form of the report.", show_default="by the file's ending"),
    ] = None,
) -> None:
    """Write a report of the records of a store: one self-contained page, a table or a picture.

    Without -o, tables (md, csv, latex) are printed; the rest is written beside the records.
    """
    from ..reports.commands import FORMATS, render_report, write_report

    if output is None and format and FORMATS[format.value].text:
        typer.echo(render_report(store, format.value))
        return
    written = write_report(store, output, format=format.value if format else None)
    typer.echo(f"report: {written}")
