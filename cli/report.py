"""`co3d-bench report`: records as a page, a table or a picture."""

from __future__ import annotations

from pathlib import Path

import click

from .options import FILE, stores, verb

FORMATS = ("html", "md", "csv", "latex", "png", "svg", "pdf", "pyperf", "github-action-benchmark")


@verb("report")
@stores
@click.option("-o", "--output", type=FILE, help="File to write. Default: beside the records; e.g. table.csv.")
@click.option("--format", type=click.Choice(FORMATS), help="Default: by the suffix of FILE, html without one; e.g. md.")
def report(stores: tuple[Path, ...], output: Path | None, format: str | None) -> None:
    """Write the records as a page, a table or a picture.

    Without -o, tables (md, csv, latex) and the files of other programs (pyperf; github-action-benchmark, read by its
    customSmallerIsBetter) are printed; the rest is written beside the records.

    Of several stores or bundles each row has its source, and no figure is of two of them.

    Example: co3d-bench report results --format md
    """
    from ..bench.errors import UserError
    from ..reports import commands

    if output is None and format and commands.FORMATS[format].text:
        click.echo(commands.render_report(stores, format))
        return
    if output is None and len(stores) > 1:
        raise UserError("-o is missing: name the file for the report of several stores, e.g. -o all.html")
    click.echo(f"report: {commands.write_report(stores, output, format=format)}")
