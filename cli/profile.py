"""`co3d-bench profile MODEL`: where the time of a prediction goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..bench.errors import FAILED, UserError
from . import options

if TYPE_CHECKING:
    from ..bench.plan.config import Override
    from ..bench.profile.operator_profile import Profile


def profile(
    model: Annotated[str, typer.Argument(help="Name of the network, or path/to/file.py:factory.", metavar="MODEL")],
    config: options.ConfigFile = None,
    weights: options.Weights = None,
    backend: Annotated[str, typer.Option("--backend", help="Engine.", metavar="NAME")] = "eager",
    precision: Annotated[
        str, typer.Option("--precision", help="Of weights and arithmetic.", metavar="fp32|bf16|fp16|int8")
    ] = "fp32",
    batch: Annotated[int, typer.Option("--batch", help="Clips or frames in one call.", metavar="N")] = 1,
    threads: Annotated[str, typer.Option("--threads", help="Threads inside one operator.", metavar="N|auto")] = "auto",
    steps: Annotated[int, typer.Option("--steps", min=1, help="Predictions that are traced.", metavar="N")] = 20,
    out: options.Out = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write it there as well, with what is derived.", metavar="FILE")
    ] = None,
) -> None:
    """Show where the time of one prediction goes, operator by operator, beside what this machine does at best.

    The profile is kept beside the records, and the report shows it.
    """
    from ..bench.plan.config import Override

    given = options.overrides(
        backends=[backend],
        precisions=[precision],
        threads=[threads],
        weights=weights,
        out=out,
    )
    given |= {"plan.models": Override("MODEL", [model]), "plan.batch": Override("--batch", [batch])}
    taken, folder = _take(config, given, steps)
    from ..bench.profile.operator_profile import append_profile, profiles_file

    append_profile(folder, taken)
    if json_file:
        _write_json(json_file, taken)
    _show(taken)
    typer.echo(f"profile: {profiles_file(folder)}")


def _take(config: Path | None, given: dict[str, Override], steps: int) -> tuple[Profile, str]:
    from ..bench.measure.profiling import check_backend, check_device, prepare_process, take_profile
    from ..bench.plan.catalog import Names
    from ..bench.plan.config import load_config
    from ..bench.plan.weights import find_weights
    from ..bench.profile.operator_profile import profiles_file
    from ..bench.record.environment import read_checkout
    from ..bench.record.store import check_writable
    from ..bench.run.ready import make_plan

    names = Names()
    loaded = load_config(config, given, names)
    case = make_plan(loaded, names).cases[0]
    check_device(loaded.profiles[case.device])
    backend = names.backends[case.backend]
    check_backend(backend)
    files = find_weights(loaded, names)
    check_writable(profiles_file(loaded.run.out))
    typer.echo(f"profiling {case.key}", err=True)
    prepare_process(case.threads)
    try:
        taken = take_profile(
            case,
            loaded.spec(case.model, names),
            backend,
            steps=steps,
            weights=files.get(case.model),
            video=Path(loaded.input.file) if loaded.input.file else None,
            checkout=read_checkout(),
        )
    except UserError:
        raise
    except Exception as error:  # whatever a network or an engine raises
        said = (str(error).strip().splitlines() or [""])[0]
        raise UserError(f"{case.key}: could not be profiled: {type(error).__name__}: {said}", FAILED) from error
    return taken, loaded.run.out


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


def _show(taken: Profile) -> None:
    from rich.console import Console

    from ..reports.profile_table import render_profile

    console = Console()
    with console.capture() as table:  # rich would end the process where nobody reads
        console.print(render_profile(taken))
    typer.echo(table.get())
