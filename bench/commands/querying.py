"""`co3d-bench query`: SQL over the records."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError


class Format(str, Enum):
    """How an answer can be written."""

    table = "table"
    csv = "csv"
    json = "json"


def query(
    sql: Annotated[
        str | None,
        typer.Argument(help="e.g. 'SELECT model, min(latency_s) FROM records GROUP BY model'.", metavar="[SQL]"),
    ] = None,
    store: Annotated[Path, typer.Argument(help="Folder of records, or a .jsonl file.", metavar="[STORE]")] = Path(
        "results"
    ),
    format: Annotated[Format, typer.Option("--format", help="Form of the answer.")] = Format.table,
    columns: Annotated[
        bool, typer.Option("--columns", help="List the columns of the table `records` and stop.")
    ] = False,
) -> None:
    """Ask the records in SQL (DuckDB; an optional extra). The table is called records."""
    from ..frame import FIELDS

    if columns:
        width = max(len(field.name) for field in FIELDS)
        for field in FIELDS:
            typer.echo(f"{field.name:<{width}}  {field.explains}".rstrip())
        return
    if sql is None:
        raise UserError("query wants a statement: 'SELECT model, latency_s FROM records'; --columns lists the columns")
    from ..query import query as ask

    answer = ask(sql, store)
    if format is Format.csv:
        typer.echo(answer.to_csv(index=False), nl=False)
    elif format is Format.json:
        typer.echo(answer.to_json(orient="records", date_format="iso"))
    else:
        typer.echo(answer.to_string(index=False, na_rep="-", max_colwidth=60))
