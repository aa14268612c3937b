"""`co3d-bench query`: SQL over the records."""

from __future__ import annotations

from pathlib import Path

import click

from ..bench.errors import USAGE, UserError
from .options import FILE, stores, verb


@verb("query")
@click.argument("sql", required=False, help="Statement; e.g. 'SELECT model, latency_s FROM cases'.")
@stores
@click.option(
    "--format",
    type=click.Choice(("table", "csv", "json")),
    default="table",
    help="Form of the output. Default: table; e.g. csv.",
)
@click.option(
    "-o", "--output", type=FILE, help="Parquet file to write, for a dashboard. Default: printed; e.g. history.parquet."
)
@click.option("--columns", is_flag=True, help="List the columns of both tables and stop.")
def query(sql: str | None, stores: tuple[Path, ...], format: str, output: Path | None, columns: bool) -> None:
    """Query the records with SQL.

    The table `cases` has one row for each case, `records` one for each process; of several
    stores both have the column `source`. It needs DuckDB: pip install duckdb.

    Example: co3d-bench query "SELECT model, latency_s FROM cases"
    """
    if columns:
        _list_columns()
        return
    if sql is None:
        raise UserError("query needs a statement: 'SELECT model, latency_s FROM cases'; --columns lists the columns")
    if output and (output.suffix != ".parquet" or format != "table"):
        raise UserError(f"{output}: -o writes Parquet: name it FILE.parquet, and leave --format out", USAGE)
    from ..bench.record.plain import inert_table
    from ..bench.stats.query import parquet
    from ..bench.stats.query import query as ask
    from ..reports.commands import write_whole

    answer = ask(sql, stores)
    if output:
        write_whole(output, parquet(answer))
        click.echo(f"table: {output}")
        return
    if format == "csv":
        click.echo(inert_table(answer).to_csv(index=False), nl=False)
    elif format == "json":
        click.echo(answer.to_json(orient="records", date_format="iso", double_precision=15))
    else:
        click.echo(answer.to_string(index=False, na_rep="-", max_colwidth=60))


def _list_columns() -> None:
    from ..bench.stats.frame import CASE_FIELDS, FIELDS

    tables = {"records": FIELDS, "cases, and the facts of records": CASE_FIELDS}
    width = max(len(field.name) for fields in tables.values() for field in fields)
    for name, fields in tables.items():
        click.echo(f"{name}:")
        for field in fields:
            click.echo(f"  {field.name:<{width}}  {field.explains}".rstrip())
