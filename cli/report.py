"""`co3d-bench report`: records as a page, a table or a picture."""

from __future__ import annotations

from pathlib import Path

import click

from .options import FILE, store, verb

FORMATS = ("html", "md", "csv", "latex", "png", "svg", "pdf", "pyperf", "github-action-benchmark")


@verb("report")
@store
@click.option("-o", "--output", type=FILE, help="File to write. Default: beside the records; e.g. table.csv.")
@click.option("--format", type=click.Choice(FORMATS), help="Default: by the suffix of FILE, else html; e.g. md.")
def report(store: Path, output: Path | None, format: str | None) -> None:
    """Write the records as a page, a table or a picture.

    Without -o, tables (md, csv, latex) and the files of other programs (pyperf; github-action-benchmark, read by its
    customSmallerIsBetter) are printed; the rest is written beside the records.

    Example: co3d-bench report results --format md
    """
    from ..reports import commands

    if output is None and format and commands.FORMATS[format].text:
        click.echo(commands.render_report(store, format))
        return
    click.echo(f"report: {commands.write_report(store, output, format=format)}")
