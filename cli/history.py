"""`co3d-bench history`: how a figure went from run to run, and where it changed for good."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..bench.errors import NOTHING, UserError

LAST = 20


def history(
    model: Annotated[
        str, typer.Argument(help="Network, or a pattern with * over whole cases: 'cox3d-*/eager/*'.", metavar="MODEL")
    ],
    store: Annotated[Path, typer.Argument(help="Folder of records, or a .jsonl file.", metavar="[STORE]")] = Path(
        "results"
    ),
    metric: Annotated[str, typer.Option("--metric", help="Which figure.", metavar="NAME")] = "latency",
    last: Annotated[int, typer.Option("--last", help="Runs shown of each series.", min=1, metavar="N")] = LAST,
) -> None:
    """Show a figure of a network run after run, with commits, and where its level changed."""
    from rich.console import Console

    from ..bench.plan.complaints import nearest
    from ..bench.record.store import read_records
    from ..bench.stats.metrics import all_metrics, get_metric
    from ..bench.stats.trend import series
    from ..reports.history import of_model, render_history

    names = [each.name for each in all_metrics()]
    if metric not in names:
        raise UserError(f"--metric {metric}: {nearest(metric, names)}")
    records = read_records(store)
    chosen = of_model(records, model)
    if not chosen:
        present = sorted({record.case.model for record in records})
        raise UserError(f"{store} has no record of {model}: {nearest(model, present)}", NOTHING)
    found = series(chosen, get_metric(metric))
    if not found:
        raise UserError(f"{store}: no record of {model} has a {metric} (failed, or not measured)", NOTHING)
    console = Console()
    with console.capture() as text:  # rich would end the process where nobody reads
        console.print(render_history(found, last))
    typer.echo(text.get(), nl=False)
