"""The record as JSON Schema, for other languages; `co3d-bench schema` prints it."""

from __future__ import annotations

import json

from .record import Record


def render() -> str:
    """The schema of the format as it is now, as indented JSON."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Record.model_json_schema(mode="serialization"),
    }
    return json.dumps(schema, indent=2) + "\n"
