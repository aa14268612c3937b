"""`co3d-bench history`: a figure from run to run, and where its level changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..bench.errors import NOTHING, UserError
from .options import count, store, verb
from .streams import drawn

if TYPE_CHECKING:
    from ..bench.record.record import Record


@verb("history")
@click.argument("model", help="Network, or a pattern with * over whole cases; e.g. 'cox3d-*/eager/*'.")
@store
@click.option("--metric", default="latency", metavar="NAME", help="Figure to show. Default: latency; e.g. throughput.")
@click.option("--last", default=20, type=count, metavar="N", help="Runs shown of each series. Default: 20; e.g. 5.")
def history(model: str, store: Path, metric: str, last: int) -> None:
    """Show a figure from run to run, and where its level changed.

    Each run is shown with its commit.

    Example: co3d-bench history cox3d-m-64 --metric throughput
    """
    from ..bench.plan.complaints import nearest
    from ..bench.stats.case_result import speed_records
    from ..bench.stats.metrics import METRICS, get_metric
    from ..bench.stats.trend import series
    from ..reports.history import render_history

    try:
        figure = get_metric(metric)
    except KeyError:
        raise UserError(f"--metric {metric}: {nearest(metric, [each.word for each in METRICS])}") from None
    records = of_network(records_of_store(store), store, model)
    found = series(speed_records(records, f"{store}, {model}"), figure)
    if not found:
        raise UserError(f"{store}: no record of {model} has a {metric} (failed, or not measured)", NOTHING)
    click.echo(drawn(render_history(found, last)), nl=False)


def records_of_store(store: Path) -> list[Record]:
    """All there are. Raises UserError where there are none."""
    from ..bench.record.store import read_records

    records = read_records(store)
    if not records:
        raise UserError(f"{store}: holds no records; measure first with `co3d-bench run --out {store}`", NOTHING)
    return records


def of_network(records: Sequence[Record], store: Path, model: str) -> list[Record]:
    """Those of a network. Raises UserError that names the nearest one there."""
    from ..bench.plan.complaints import nearest
    from ..reports.history import of_model

    chosen = of_model(records, model)
    if not chosen:
        present = sorted({record.case.model for record in records})
        raise UserError(f"{store} has no record of {model}: {nearest(model, present)}", NOTHING)
    return chosen
