"""`co3d-bench paper`: the tables and figures of the paper, with what was measured here."""

from __future__ import annotations

from pathlib import Path

import click

from .options import FILE, STORE, verb

FORMATS = ("html", "md", "csv", "latex")


@verb("paper")
@click.argument(
    "store",
    required=False,
    type=STORE,
    help="Folder of records, .jsonl file, or bundle (.zip). Default: results, if it exists.",
)
@click.option("-o", "--output", type=FILE, help="File to write. Default: beside the records; e.g. paper.tex.")
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    help="Form of the output. Default: by the suffix of FILE, html without one; e.g. csv.",
)
def paper(store: Path | None, output: Path | None, format: str | None) -> None:
    """Show the paper's tables and figures with your figures in them.

    Tables 1, 2 and 3 and Figures 1 and 5 of the ECCV paper. Each cell is measured here, as the paper prints it, or
    missing, with the command that measures it. Only what was measured under the paper's conditions fills a cell. It
    works without a store. Without -o, tables (md, csv, latex) are printed; the page is written beside the records.

    Example: co3d-bench paper results -o paper.html
    """
    from ..reports.paper import files

    found = files.read_paper(store)
    if output is None and format and files.FORMS[format].text:
        click.echo(files.render(found, format), nl=False)
        return
    click.echo(f"paper: {files.write(found, store, output, format)}")
