"""`co3d-bench run`: measure, print the table, write the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import FAILED, UserError
from ..streams import discard_output
from . import options

if TYPE_CHECKING:
    from ..record import Record


def run(
    config: options.ConfigFile = None,
    model: options.Models = None,
    suite: options.SuiteName = None,
    weights: options.Weights = None,
    device: options.Devices = None,
    host: options.Host = None,
    backend: options.Backends = None,
    precision: options.Precisions = None,
    batch: options.Batch = None,
    threads: options.Threads = None,
    runs: options.Runs = None,
    processes: options.Processes = None,
    target_precision: options.Precision = None,
    budget: options.Budget = None,
    timeout: options.Timeout = None,
    video: options.VideoFile = None,
    seed: options.Seed = None,
    out: options.Out = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the newest run: measure what is missing, nothing twice.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="With --resume: run failed cases once more.")
    ] = False,
) -> None:
    """Measure networks on this machine: each case in a fresh process, each result kept at once."""
    from ..config import load_config
    from ..progress import Lines
    from ..run import Unfinished, make_plan
    from ..run import run as measure

    if retry_failed and not resume:
        raise UserError("--retry-failed goes with --resume: it repeats the failed cases of the newest run")
    given = options.overrides(
        models=model,
        suite=suite,
        devices=device,
        host=host,
        backends=backend,
        precisions=precision,
        batch=batch,
        threads=threads,
        runs=runs,
        processes=processes,
        target_precision=target_precision,
        budget=budget,
        timeout=timeout,
        video=video,
        seed=seed,
        out=out,
        weights=weights,
    )
    loaded = load_config(config, given)
    for note in loaded.notes:
        typer.echo(note, err=True)
    plan = make_plan(loaded, boards=True)
    if dry_run:
        options.show_plan(loaded, plan)
        return
    _settle()
    typer.echo(f"plan from {loaded.source}, {loaded.run.runs} timed predictions a case", err=True)
    for left_out in plan.left_out:
        typer.echo(f"left out: {left_out.what}: {left_out.why}", err=True)
    unfinished = None
    try:
        records = measure(loaded, plan=plan, resume=resume, retry_failed=retry_failed, progress=Lines())
    except Unfinished as error:
        records, unfinished = error.records, error
    if records:
        _show(records, Path(loaded.run.out))
    if unfinished:
        raise unfinished
    if failed := [record for record in records if not record.ok]:
        again = "" if retry_failed else "; `--resume --retry-failed` repeats them"
        failed_cases, cases = ({record.key for record in those} for those in (failed, records))
        typer.echo(f"{len(failed_cases)} of {len(cases)} cases failed{again}", err=True)
        raise typer.Exit(FAILED)


def _settle() -> None:
    """What a killed doctor left in force would be measured as if it were the machine's own."""
    from ...devices.doctor.fix import FixError
    from .aftermath import after_a_kill, fixer_of

    try:
        after_a_kill(fixer_of(Path("/")))
    except FixError as error:
        typer.echo(str(error), err=True)


def _show(records: list[Record], out: Path) -> None:
    """The table on the terminal, the page beside the records, and where both are."""
    from rich.console import Console

    from ...reports.commands import write_report
    from ...reports.terminal import render_table
    from ..store import records_file

    console = Console()
    with console.capture() as table:  # rich would end the process where nobody reads
        console.print(render_table(records))
    _tell(f"{table.get()}\nrecords: {records_file(out)}")
    _tell(f"report:  {write_report(out)}")


def _tell(text: str) -> None:
    try:
        typer.echo(text)
    except BrokenPipeError:  # nobody reads; the page is still written, and the exit code says how the cases went
        discard_output()
