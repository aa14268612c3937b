"""The record as JSON Schema, for other languages. `python -m co3d_bench.bench.record.schema` rewrites the file."""

from __future__ import annotations

import json
from pathlib import Path

from .record import Record

SCHEMA_FILE = Path(__file__).with_name("record.schema.json")


def render() -> str:
    """The text of `record.schema.json` for the format as it is now."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Record.model_json_schema(mode="serialization"),
    }
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(render())
