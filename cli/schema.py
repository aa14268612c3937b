"""`co3d-bench schema`: the format of a record, for other languages."""

from __future__ import annotations

import click

from .options import verb


@verb("schema")
def schema() -> None:
    """Print the JSON Schema of a record.

    Each line of a store's records.jsonl is one record.

    Example: co3d-bench schema > record.schema.json
    """
    from ..bench.record.schema import render

    click.echo(render(), nl=False)
