"""The cases of `co3d-bench evaluate`: those of a plan, each with the films whose classes are known."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..camera.plan import fastest_cases
from ..errors import NOTHING, USAGE, UserError
from ..plan.config import EvaluateTable
from ..plan.plan import REFERENCE_ENGINE, LeftOut, Plan
from ..plan.resolve import Resolved
from ..record.case import Case, Drop, EvaluationSetup
from .classes import labels_of, read_classes
from .data import Data, read_data
from .drops import drop_of
from .films import step_of

# A case takes as long as its films do: the limit of a process is that of bench.toml's own bounds.
NO_LIMIT_S = 1_000_000.0


@dataclass(frozen=True)
class Films:
    """The films of a run, and the classes of its checkpoints where they were given."""

    data: Data
    classes: tuple[str, ...] = ()

    def setup(self, fps: float | None, drop: Drop | None = None) -> EvaluationSetup:
        """As a case names them."""
        text = "\n".join((self.data.fingerprint(), *self.classes))
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        return EvaluationSetup(data=self.data.name, films=len(self.data.films), sha256=digest, fps=fps, drop=drop)


def films_of(data: str, films: str | None, classes: str | None, limit: int | None) -> Films:
    """Those that are named. Raises UserError."""
    given = read_classes(Path(classes)) if classes else ()
    return Films(read_data(Path(data), Path(films) if films else None, limit), given)


def evaluation_config(config: Resolved) -> Resolved:
    """The config of a run in which each case is scored once. Raises UserError for networks that cannot be scored."""
    if config.evaluate.data is None:
        raise UserError(f"{config.origin.where('evaluate.data')}: missing; --data names the films with their labels")
    wrong = [why for name in config.plan.models if (why := config.spec(name).not_watchable())]
    if wrong:
        raise UserError("\n".join(wrong), USAGE)
    return scored_once(config)


def scored_once(config: Resolved) -> Resolved:
    """The config of a run in which each case takes one process, as long as its films or frames do."""
    run = config.run.model_copy(
        update={"processes": 1, "runs": 1, "min_s": 0.0, "timeout_s": NO_LIMIT_S, "energy": False}
    )
    return replace(config, run=run, plan=config.plan.model_copy(update={"batch": (1,)}))


def films_of_config(table: EvaluateTable) -> Films:
    """The films of a config whose `data` is given. Raises UserError."""
    return films_of(table.data or "", table.films, table.classes, table.limit)


def check_classes(config: Resolved, films: Films) -> None:
    """Raises UserError where classes do not fit, as far as that is known before a checkpoint was loaded: of networks of
    the zoo the checkpoint decides how many there are."""
    for name in config.plan.models if config.plan.weights is None else config.custom:
        spec = config.spec(name)
        labels_of(films.data, config.plan.classes or spec.classes, films.classes, spec.title)


def evaluation_plan(config: Resolved, planned: Plan, films: Films) -> Plan:
    """The planned cases, each with the films; with `auto` among the engines, each network on the fastest one. Raises
    UserError as `check_classes`, and where no case is left."""
    check_classes(config, films)
    setup, given = films.setup(config.evaluate.fps), config.evaluate
    cases: list[Case] = []
    instead: dict[Case, Sequence[str]] = {}
    left_out = list(planned.left_out)
    for case in fastest_cases(config, planned):
        if config.catalog.backends[case.backend].external:
            left_out.append(LeftOut(f"{case.model} {case.backend}", "it times itself, and cannot be shown films"))
            continue
        ways = [case.model_copy(update={"backend": name}) for name in (case.backend, *planned.instead.get(case, ()))]
        rate = float(1 / step_of(config.spec(case.model), given.fps))
        drop = drop_of(given.drop, config.input.seed, ways, rate)
        scored = case.model_copy(update={"evaluation": setup.model_copy(update={"drop": drop})})
        cases.append(scored)
        if case in planned.instead:
            instead[scored] = (*planned.instead[case], REFERENCE_ENGINE)
    if not cases:
        reasons = "; ".join(f"{out.what}: {out.why}" for out in left_out)
        raise UserError(f"the plan holds no case ({reasons})", NOTHING)
    return replace(planned, cases=tuple(cases), left_out=tuple(left_out), instead=instead)
