"""`co3d-bench compare`: two sides of records in, what became better and worse out."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Form(str, Enum):
    """What a comparison can be written as."""

    html = "html"
    md = "md"
    junit = "junit"


def compare(
    base: Annotated[str, typer.Argument(help="Folder of records or .jsonl file, also FOLDER@RUN.", metavar="BASE")],
    head: Annotated[
        str,
        typer.Argument(help="Likewise. RUN is a run's id or its beginning, newest, or previous.", metavar="HEAD"),
    ],
    by: Annotated[
        str | None,
        typer.Option("--by", help="What must agree.", show_default="the whole case", metavar="model,backend,..."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            help="Figure to compare; may be given several times.",
            show_default="throughput and all exact figures",
            metavar="NAME",
        ),
    ] = None,
    max_slowdown: Annotated[str, typer.Option("--max-slowdown", help="What counts as worse.", metavar="SHARE")] = "5%",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write.", show_default="printed", metavar="FILE")
    ] = None,
    format: Annotated[
        Form | None, typer.Option("--format", help="Form of it.", show_default="by the file's ending")
    ] = None,
) -> None:
    """Compare the records of HEAD with those of BASE: better, worse, the same, or not known.

    Without -o the comparison is printed; a file is a page, Markdown or JUnit XML. It finds and does not fail:
    the exit code is 0 whatever came of it. `check` is what fails.
    """
    from ..bench.stats.compare.rule import rule_of_stores
    from ..reports.comparison.match import compare as compare_sides
    from ..reports.comparison.sides import read_side, render, write

    words = [word.strip() for word in by.split(",") if word.strip()] if by else []
    rule = rule_of_stores(share(max_slowdown))
    found = compare_sides(read_side(base), read_side(head), by=words, metrics=metric or (), rule=rule)
    if output is not None:
        typer.echo(f"comparison: {write(found, output, format.value if format else None)}")
    elif format is not None:
        typer.echo(render(found, format.value), nl=False)
    else:
        from rich.console import Console

        from ..reports.comparison.github import fenced
        from ..reports.comparison.terminal import render_terminal

        console = Console()
        with console.capture() as drawn:
            console.print(render_terminal(found))
        typer.echo(fenced(drawn.get(), os.environ), nl=False)


def share(text: str) -> float:
    """`5%` or `0.05` as 0.05; typer.BadParameter for what is no share."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise typer.BadParameter(f"{text!r} is no share between 0 and 1: write 5% or 0.05", param_hint="--max-slowdown")
    return value
