"""`co3d-bench compare`: two stores of records compared, case by case."""

from __future__ import annotations

import os
from pathlib import Path

import click

from .options import FILE, verb
from .streams import drawn


def share(text: str) -> float:
    """`5%` or `0.05` as 0.05. Raises click.BadParameter for anything else."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise click.BadParameter(f"{text!r} must be a share between 0 and 1: write 5% or 0.05")
    return value


max_slowdown = click.option(
    "--max-slowdown",
    default="5%",
    type=share,
    help="Slowdown up to which two figures count as the same. Default: 5%; e.g. 2%.",
)


@verb("compare")
@click.argument("base", help="Folder of records, .jsonl file, bundle (.zip), or STORE@RUN; e.g. results@previous.")
@click.argument("head", help="The same. RUN is the id of a run or its beginning, newest, or previous; e.g. results.")
@click.option(
    "--by", metavar="WORD,...", help="Parts of a case that must agree. Default: the whole case; e.g. model,backend."
)
@click.option(
    "--metric",
    multiple=True,
    metavar="NAME",
    help="Figure to compare. May be repeated. Default: throughput and all exact figures; e.g. latency.",
)
@max_slowdown
@click.option("-o", "--output", type=FILE, help="File to write. Default: printed; e.g. comparison.html.")
@click.option(
    "--format",
    type=click.Choice(("html", "md", "junit")),
    help="Default: by the suffix of FILE, html without one; e.g. md.",
)
def compare(
    base: str,
    head: str,
    by: str | None,
    metric: tuple[str, ...],
    max_slowdown: float,
    output: Path | None,
    format: str | None,
) -> None:
    """Compare two stores and judge each case.

    Without -o the comparison is printed; a file is a page, Markdown or JUnit XML. The exit code is 0 for any result; to
    fail on a regression, use `check`.

    Example: co3d-bench compare results@previous results
    """
    from ..bench.stats.compare.rule import rule_of_stores
    from ..reports.comparison.files import read_record_set, render, write
    from ..reports.comparison.github import fenced
    from ..reports.comparison.match import compare as compare_sides
    from ..reports.comparison.terminal import render_terminal

    words = [word.strip() for word in by.split(",") if word.strip()] if by else []
    rule = rule_of_stores(max_slowdown)
    comparison = compare_sides(read_record_set(base), read_record_set(head), by=words, metrics=metric, rule=rule)
    if output is not None:
        click.echo(f"comparison: {write(comparison, output, format)}")
    elif format is not None:
        click.echo(render(comparison, format), nl=False)
    else:
        click.echo(fenced(drawn(render_terminal(comparison)), os.environ).encode(errors="replace"), nl=False)
