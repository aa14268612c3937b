"""`co3d-bench query`: SQL over the records."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ..bench.errors import UserError


class Format(str, Enum):
    """How an answer can be written."""

    table = "table"
    csv = "csv"
    json = "json"


def query(
    sql: Annotated[
        str | None,
        typer.Argument(help="e.g. 'SELECT model, latency_s FROM cases'.", metavar="[SQL]"),
    ] = None,
    store: Annotated[Path, typer.Argument(help="Folder of records, or a .jsonl file.", metavar="[STORE]")] = Path(
        "results"
    ),
    format: Annotated[Format, typer.Option("--format", help="Form of the answer.")] = Format.table,
    columns: Annotated[bool, typer.Option("--columns", help="List the columns of both tables and stop.")] = False,
) -> None:
    """Ask the records in SQL (DuckDB; an optional extra): table `cases`, a row a case; `records`, a row a process."""
    from ..bench.stats.frame import CASE_FIELDS, FIELDS

    if columns:
        tables = {"records": FIELDS, "cases, and the facts of records": CASE_FIELDS}
        width = max(len(field.name) for fields in tables.values() for field in fields)
        for name, fields in tables.items():
            typer.echo(f"{name}:")
            for field in fields:
                typer.echo(f"  {field.name:<{width}}  {field.explains}".rstrip())
        return
    if sql is None:
        raise UserError("query wants a statement: 'SELECT model, latency_s FROM cases'; --columns lists the columns")
    from ..bench.stats.query import query as ask

    answer = ask(sql, store)
    if format is Format.csv:
        typer.echo(answer.to_csv(index=False), nl=False)
    elif format is Format.json:
        typer.echo(answer.to_json(orient="records", date_format="iso"))
    else:
        typer.echo(answer.to_string(index=False, na_rep="-", max_colwidth=60))
