"""Old records stay readable: each step converts a record to the next schema version, dict to dict.

To change the format: raise `SCHEMA_VERSION` in record.py, add a line to its history, add one function here. A step may
rename, move and fill in; it must not guess a measurement that was not taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any

from ..errors import ENVIRONMENT, UserError
from .record import SCHEMA_VERSION

Step = Callable[[dict[str, Any]], dict[str, Any]]


def _without_corrections(raw: dict[str, Any]) -> dict[str, Any]:
    """1 -> 2: figures come from the samples alone; what was stored to correct them goes.

    The readings of the fixed work stay as evidence, each once: version 1 stored for each sample the slower of the two
    readings around it.
    """
    lifted = dict(raw)
    if lifted.get("settings"):
        lifted["settings"] = _without(lifted["settings"], "budget_s")
    timing = lifted.get("timing")
    if timing:
        samples = timing.get("samples") or {}
        readings = [reading for reading, _ in groupby(samples.get("pace_s") or ())]
        new = _without(timing, "pace_work", "others_before", "others_meanwhile", "warmup_steady")
        new["samples"] = _without(samples, "pace_s", "usual_pace_s", "cpu_share")
        new["background_load_before"] = timing.get("others_before")
        new["background_load"] = timing.get("others_meanwhile")
        new["warmup_stable"] = timing.get("warmup_steady")
        name = timing.get("pace_work") or "the fixed work of an early version"
        new["reference"] = {"name": name, "readings_s": readings} if readings else None
        lifted["timing"] = new
    return lifted


def _without(table: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name not in names}


# version of a record -> the step to the next version
MIGRATIONS: dict[int, Step] = {1: _without_corrections}


def migrate(
    raw: dict[str, Any], steps: Mapping[int, Step] = MIGRATIONS, current: int = SCHEMA_VERSION
) -> dict[str, Any]:
    """The record in the current form; `raw` is not changed.

    Raises UserError for a record of a newer co3d-bench than this one, ValueError for one that no step can lift.
    """
    version = raw.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        raise ValueError(f"schema_version is {version!r}, not a number")
    if version > current:
        raise UserError(
            f"a record has schema version {version}, this co3d-bench knows up to {current}: "
            "it was written by a newer version; upgrade co3d-bench to read it",
            ENVIRONMENT,
        )
    lifted = dict(raw)
    while version < current:
        if version not in steps:
            raise ValueError(f"no migration from schema version {version}")
        lifted = steps[version](lifted)
        version += 1
        lifted["schema_version"] = version
    return lifted
