"""The cases of `co3d-bench transient`: those of a plan, each once for every start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...models.spec import ModelSpec
from ..camera.plan import fastest_cases
from ..errors import NOTHING, USAGE, UserError
from ..plan.plan import REFERENCE_ENGINE, LeftOut, Plan
from ..plan.resolve import Resolved
from ..record.case import Case, TransientSetup
from .plan import Films, check_classes, evaluation_config, films_of_config, scored_once

_OF_DATA = ("films", "classes", "fps", "limit")


def transient_config(config: Resolved) -> Resolved:
    """The config of a run in which each start of a case is seen once. Raises UserError for networks without a start,
    and for options that need --data."""
    if wrong := [why for name in config.plan.models if (why := _no_start(config.spec(name)))]:
        raise UserError("\n".join(wrong), USAGE)
    if config.evaluate.data is not None:
        return evaluation_config(config)
    given = [f"evaluate.{name}" for name in _OF_DATA if getattr(config.evaluate, name) is not None]
    if given:
        named = ", ".join(map(config.origin.where, given))
        raise UserError(f"{named}: for films whose classes are known alone; give films by --data too", USAGE)
    return scored_once(config)


def _no_start(spec: ModelSpec) -> str | None:
    """Why a network has no frames since a start; None where it has."""
    if spec.form == "clip":
        return (
            f"{spec.name} is a clip network: it answers each clip by itself, so nothing is left of a start; name a "
            "frame network (`co3d-bench list models`)"
        )
    if spec.form != "frame" or spec.inputs is not None:
        return f"{spec.name} takes {spec.inputs or 'no frames'}, and a start is of one frame after another"
    return None


def films_of_transient(config: Resolved) -> Films | None:
    """The films of a config; None where none are given. Raises UserError."""
    if config.evaluate.data is None:
        return None
    films = films_of_config(config.evaluate)
    if films.data.several:
        where = config.origin.where("evaluate.data")
        raise UserError(f"{where}: its films have several labels each; a curve of top-1 needs films with one", USAGE)
    return films


def transient_plan(config: Resolved, planned: Plan, films: Films | None) -> Plan:
    """The planned cases, each with every start of the config; with `auto` among the engines, each network on the
    fastest one. Raises UserError where classes do not fit, as of an evaluation, and where no case is left."""
    if films:
        check_classes(config, films)
    setup = films.setup(config.evaluate.fps) if films else None
    cases: list[Case] = []
    instead: dict[Case, Sequence[str]] = {}
    left_out = list(planned.left_out)
    for case in fastest_cases(config, planned):
        if config.catalog.backends[case.backend].external:
            left_out.append(LeftOut(f"{case.model} {case.backend}", "it times itself, and cannot be shown frames"))
            continue
        for start in dict.fromkeys(config.transient.start):
            begun = TransientSetup(start=start, frames=config.transient.frames)
            cases.append(case.model_copy(update={"evaluation": setup, "transient": begun}))
            if case in planned.instead:
                instead[cases[-1]] = (*planned.instead[case], REFERENCE_ENGINE)
    if not cases:
        reasons = "; ".join(f"{out.what}: {out.why}" for out in left_out)
        raise UserError(f"the plan holds no case ({reasons})", NOTHING)
    return replace(planned, cases=tuple(cases), left_out=tuple(left_out), instead=instead)
