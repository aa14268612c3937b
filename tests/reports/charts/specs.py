"""What stands in a specification, for the tests of the charts."""

from __future__ import annotations

from typing import Any

import altair

from co3d_bench.bench.stats.case_result import case_results


def assert_valid(spec: dict[str, Any] | None) -> None:
    """The specification is what the schema of Vega-Lite allows."""
    assert spec is not None
    altair.LayerChart.from_dict(spec).to_dict(validate=True)


def case_of(records):
    (result,) = case_results(records)
    return result


def layers(spec: dict[str, Any], mark: str, **properties: Any) -> list[list[dict[str, Any]]]:
    """The data of every layer with that mark and those properties of it."""
    found = []
    for layer in spec["layer"]:
        shown = layer["mark"]
        if shown["type"] == mark and all(shown.get(name) == value for name, value in properties.items()):
            data = layer.get("data", spec.get("data"))
            found.append(data["values"] if "values" in data else spec["datasets"][data["name"]])
    return found
