"""Accuracy against the reaction to a new scene: records of cameras in, a Vega-Lite specification (a dict) out.

Drawn as the other costs of accuracy are. Networks of one plot were shown the same scenes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...bench.record.camera import Reaction
from ...bench.record.record import Record
from ...bench.stats.case_result import CaseResult, case_results
from .. import theme
from ..notation import with_ends
from ..select import model_title
from .pareto import Plot, pareto_chart
from .spec import Spec

PLOT = Plot(
    "reaction",
    "reaction",
    "reaction",
    "Accuracy against reaction",
    "← until half of the way, s (log)",
)


def same_scenes(records: Sequence[Record]) -> tuple[Record, ...]:
    """Of each network the newest record with a reaction, of those scenes of one source that most networks were shown:
    the answers are the network's, by whatever engine."""
    groups: dict[tuple[str, str, str], dict[str, Record]] = {}
    for record in records:
        if found := reaction_of(record):
            scenes = (record.case.source, found.source, record.case.input if found.source == "film" else "")
            groups.setdefault(scenes, {})[record.case.model] = record
    return tuple(max(groups.values(), key=len, default={}).values())


def reaction_of(record: Record) -> Reaction | None:
    """What was measured of a network's reaction."""
    return record.camera.reaction if record.camera else None


def reaction_chart(
    records: Sequence[Record], scored: Sequence[Record] = (), palette: Mapping[str, str] = theme.VARIABLES
) -> Spec | None:
    """The networks of `same_scenes`; None where no two have an accuracy and a reaction. `scored`: records of the store
    with an accuracy."""
    cases = case_results([*same_scenes(records), *scored], ("camera",))
    texts = {case.key: _tooltip(case) for case in cases}
    spec = pareto_chart(cases, PLOT, texts, palette=palette)
    return spec if spec and len(spec["datasets"]["reaction-points"]) > 1 else None


def _tooltip(case: CaseResult) -> dict[str, str]:
    found = reaction_of(case.record)
    if found is None:
        return {}
    return {
        "title": model_title(case),
        "Half of the way": f"{with_ends(found.half_s, found.half_range_s)} s",
        "Nine tenths": f"{with_ends(found.nine_tenths_s, found.nine_tenths_range_s)} s",
        "Scenes": f"{found.scenes} of {found.source}",
    }
