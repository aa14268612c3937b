"""`check --baseline` without a store of the head: the baseline's cases are measured here first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import NO_BASELINE, NOTHING, UserError
from ..plan.config import Override
from ..plan.plan import Plan
from ..plan.resolve import load_config
from ..record.record import Record
from ..record.store import records_file
from ..run.progress import Progress
from ..run.ready import make_plan
from ..run.run import run

PROCESSES = 7  # of each case: as many as a verdict needs


def check_baseline_exists(baseline: str) -> None:
    """Raises UserError with its own exit code: a missing baseline is neither a pass nor a usage error."""
    path, _, _ = baseline.rpartition("@")
    if not any(Path(each).is_file() or records_file(each).is_file() for each in (baseline, path) if each):
        raise UserError(
            f"no baseline at {baseline}; measure one where the base is checked out: "
            f"co3d-bench run --processes {PROCESSES} --out {path or baseline}",
            NO_BASELINE,
        )


def measure_head(
    baseline: Sequence[Record], config: Path | None, given: Mapping[str, Override], progress: Progress
) -> str:
    """Measure the cases that are asked for, else those of the baseline; returns the run as `STORE@RUN`."""
    given = {"run.processes": Override("--processes", PROCESSES), **given}
    if config is not None or any(key.startswith("plan.") for key in given):
        loaded = load_config(config, given)
        plan = make_plan(loaded)
    else:
        cases = tuple(dict.fromkeys(record.case for record in baseline))
        models = list(dict.fromkeys(case.model for case in cases))
        loaded = load_config(None, {**given, "plan.models": Override("the baseline's networks", models)})
        plan = Plan(cases)
    records = run(loaded, plan=plan, progress=progress)
    if not records:
        raise UserError("nothing was measured", NOTHING)
    return f"{loaded.run.out}@{records[-1].run_id}"
