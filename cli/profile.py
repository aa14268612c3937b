"""`co3d-bench profile MODEL`: where the time of a prediction goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..bench.errors import FAILED, UserError
from .apart import apart
from .options import AUTO, FILE, Given, check_folder, count, model, verb
from .streams import drawn

if TYPE_CHECKING:
    from ..bench.profile.operator_profile import Profile


@verb("profile", backend="eager", precision="fp32", batch=1, threads=AUTO)
@model
@click.option("--steps", default=20, type=count, metavar="N", help="Traced predictions. Default: 20; e.g. 100.")
@click.option(
    "--json",
    "json_file",
    type=FILE,
    help="File for the profile with derived figures, as JSON. Default: none; e.g. profile.json.",
)
@apart
def profile(given: Given, model: str, steps: int, json_file: Path | None) -> list[str]:
    """Show where the time of one prediction goes.

    Operator by operator, with the peak rates of this machine. The profile is stored beside the records, and the report
    shows it.

    Example: co3d-bench profile cox3d-m-64 --backend onnxruntime
    """
    from ..bench.plan.config import Override
    from ..bench.profile.operator_profile import append_profile, profiles_file
    from ..reports.profile_table import render_profile

    if json_file:
        check_folder(json_file)
    given = replace(given, overrides=given.overrides | {"plan.models": Override("MODEL", [model])})
    taken, folder = _take(given, steps)
    append_profile(folder, taken)
    if json_file:
        _write_json(json_file, taken)
    return [drawn(render_profile(taken)), f"profile: {profiles_file(folder)}"]


def _take(given: Given, steps: int) -> tuple[Profile, str]:
    from ..bench.measure.profiling import check_backend, check_device, prepare_process, take_profile
    from ..bench.plan.weights import find_weights
    from ..bench.profile.operator_profile import profiles_file
    from ..bench.record.environment import read_checkout
    from ..bench.record.store import check_writable
    from ..bench.run.ready import make_plan

    config = given.load()
    case = make_plan(config).cases[0]
    check_device(config.profiles[case.device])
    backend = config.catalog.backends[case.backend]
    check_backend(backend)
    files = find_weights(config)
    check_writable(profiles_file(config.run.out))
    click.echo(f"profiling {case.key}", err=True)
    prepare_process(case.threads)
    try:
        taken = take_profile(
            case,
            config.spec(case.model),
            backend,
            steps=steps,
            weights=files.get(case.model),
            classes=config.plan.classes,
            video=Path(config.input.file) if config.input.file else None,
            checkout=read_checkout(),
        )
    except UserError:
        raise
    except Exception as error:  # whatever a network or an engine raises
        reason = (str(error).strip().splitlines() or [""])[0]
        raise UserError(f"{case.key}: could not be profiled: {type(error).__name__}: {reason}", FAILED) from error
    return taken, config.run.out


def _write_json(file: Path, taken: Profile) -> None:
    import json
    from dataclasses import asdict

    from ..bench.profile.operator_profile import between_s, rows
    from ..bench.record.store import cannot_write

    derived = {"between_s": between_s(taken), "rows": [asdict(row) for row in rows(taken)]}
    try:
        file.write_text(json.dumps(taken.model_dump(mode="json") | {"derived": derived}, indent=2) + "\n")
    except OSError as error:
        raise cannot_write(file, error) from error
