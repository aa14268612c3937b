"""`co3d-bench run`: measure, print the table, write the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..bench.errors import FAILED, UserError
from . import options
from .streams import discard_output

if TYPE_CHECKING:
    from ..bench.plan.config import Config
    from ..bench.plan.plan import Plan
    from ..bench.record.record import Record


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
    time: options.Time = None,
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
    from ..bench.plan.config import load_config
    from ..bench.run.ready import make_plan

    if retry_failed and not resume:
        raise UserError("--retry-failed goes with --resume: it repeats the failed cases of the newest run")
    given = {
        **options.overrides(models=model, suite=suite, devices=device, host=host, backends=backend),
        **options.overrides(precisions=precision, batch=batch, threads=threads, video=video, seed=seed, out=out),
        **options.overrides(runs=runs, processes=processes, target_precision=target_precision, time=time),
        **options.overrides(weights=weights, budget=budget, timeout=timeout),
    }
    loaded = load_config(config, given)
    for note in loaded.notes:
        typer.echo(note, err=True)
    plan = make_plan(loaded, boards=True)
    if dry_run:
        options.show_plan(loaded, plan)
        return
    _settle()
    typer.echo(f"plan from {loaded.source}, {loaded.run.runs} timed predictions of each case", err=True)
    for left_out in plan.left_out:
        typer.echo(f"left out: {left_out.what}: {left_out.why}", err=True)
    _measure_and_show(loaded, plan, resume, retry_failed)


def _measure_and_show(loaded: Config, plan: Plan, resume: bool, retry_failed: bool) -> None:
    """Measure a plan, and show what is measured behind each round and wherever it ends. Exits with the code of that."""
    from ..bench.run.progress import Lines
    from ..bench.run.run import run as measure
    from ..bench.run.stop import Interrupted, Unfinished

    shown = _Shown(Path(loaded.run.out))
    stopped = None
    try:
        records = measure(
            loaded, plan=plan, resume=resume, retry_failed=retry_failed, progress=Lines(), after_round=shown.after_round
        )
    except (Unfinished, Interrupted) as error:
        records, stopped = error.records, error
    if records:
        shown.at_the_end(records)
    if stopped:
        raise stopped
    if failed := [record for record in records if not record.ok]:
        again = "" if retry_failed else "; `--resume --retry-failed` repeats them"
        failed_cases, cases = ({record.key for record in those} for those in (failed, records))
        typer.echo(f"{len(failed_cases)} of {len(cases)} cases failed{again}", err=True)
        raise typer.Exit(FAILED)


def _settle() -> None:
    """What a killed doctor left in force would be measured as if it were the machine's own."""
    from ..devices.doctor.fix import FixError
    from .aftermath import after_a_kill, fixer_of

    try:
        after_a_kill(fixer_of(Path("/")))
    except FixError as error:
        typer.echo(str(error), err=True)


class _Shown:
    """The table and the page of what is measured so far: both behind the first round, then the page behind each one,
    and the table again at the end."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._table_of = self._page_of = 0  # so many records
        self._page: Path | None = None

    def after_round(self, number: int, records: Sequence[Record]) -> None:
        """What there is behind a round; a page that cannot be written must not end the measuring."""
        if not self._table_of:
            self._show_table(records)
        try:
            self._write_page(records)
        except UserError as error:
            typer.echo(error.message, err=True)

    def at_the_end(self, records: Sequence[Record]) -> None:
        """What has changed since the last round, and where all of it is."""
        from ..bench.record.store import records_file

        if len(records) != self._table_of:
            self._show_table(records)
        _tell(f"records: {records_file(self._out)}")
        if len(records) != self._page_of:
            self._write_page(records)
        _tell(f"report:  {self._page}")

    def _show_table(self, records: Sequence[Record]) -> None:
        from rich.console import Console

        from ..reports.terminal import render_table

        self._table_of = len(records)
        console = Console()
        with console.capture() as table:  # rich would end the process where nobody reads
            console.print(render_table(list(records)))
        _tell(f"{table.get()}")

    def _write_page(self, records: Sequence[Record]) -> None:
        from ..reports.commands import write_report

        self._page, self._page_of = write_report(self._out), len(records)


def _tell(text: str) -> None:
    try:
        typer.echo(text)
    except BrokenPipeError:  # nobody reads; the page is still written, and the exit code says how the cases went
        discard_output()
