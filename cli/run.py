"""`co3d-bench run`: measure, print the table, write the page."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..bench.errors import FAILED, OK, UserError
from .boards import Wanted, run_on_boards
from .bundle import check_name
from .bundle import write as write_bundle
from .fixes import report_leftover
from .fleet import scheduler_elsewhere, tls
from .options import FILE, Given, verb
from .plan import show_notes, show_plan
from .streams import discard_output, drawn

if TYPE_CHECKING:
    from ..bench.plan.plan import Plan
    from ..bench.plan.resolve import Resolved
    from ..bench.record.record import Record


@verb("run")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop, as `co3d-bench plan` does.")
@click.option("--resume", is_flag=True, help="Continue the newest run: measure only what is missing.")
@click.option("--retry-failed", is_flag=True, help="With --resume: run failed cases once more.")
@click.option(
    "--fleet",
    is_flag=False,
    flag_value="",
    metavar="[ADDRESS]",
    help="Measure on many boards at once, those of [fleet] in bench.toml; with ADDRESS by the workers of that "
    "scheduler (`fleet scheduler`). Default: no fleet, one device after the other; e.g. tls://lab-1.",
)
@tls
@click.option("--dashboard", is_flag=True, help="With --fleet: show dask's dashboard, on this machine.")
@click.option(
    "--bundle", "bundled", type=FILE, help="Write the store as a bundle at the end. Default: none; e.g. results.zip."
)
def run(given: Given, fleet: str | None, tls: Path | None, bundled: Path | None, **flags: bool) -> int:
    """Measure networks on this machine, or on a board.

    Every case is measured in fresh processes, round after round, and each result is saved at once. A table and a page
    appear after the first round; stop early and you keep all results so far.

    Example: co3d-bench run --model x3d-s --model cox3d-s-13 --time 3m
    """
    elsewhere = scheduler_elsewhere(fleet, tls)
    wanted = Wanted(**flags, scheduler=elsewhere, bundled=bundled)
    if wanted.retry_failed and not wanted.resume:
        raise UserError("--retry-failed goes with --resume: it repeats the failed cases of the newest run")
    if wanted.dashboard and fleet is None:
        raise UserError("--dashboard goes with --fleet: it is dask's, which carries the cases of a fleet")
    if wanted.dashboard and elsewhere:
        raise UserError(f"--dashboard: the scheduler at {elsewhere.url} serves no page; leave the address out")
    if bundled:
        check_name(bundled)
    return _run(given, wanted) if fleet is None else run_on_boards(given, wanted)


def _run(given: Given, wanted: Wanted) -> int:
    from ..bench.run.ready import make_plan

    config = given.load()
    plan = make_plan(config, boards=True)
    if wanted.dry_run:
        show_plan(config, plan)
        return OK
    show_begin(config, plan)
    return run_here(config, plan, wanted)


def run_here(config: Resolved, plan: Plan, wanted: Wanted) -> int:
    """Measure a plan from this host, one case after the other. Returns the exit code."""
    from ..bench.run.progress import Lines
    from ..bench.run.run import run as measure_plan

    def measure(shown: Shown) -> list[Record]:
        return measure_plan(
            config,
            plan=plan,
            resume=wanted.resume,
            retry_failed=wanted.retry_failed,
            progress=Lines(sys.stderr),
            after_round=shown.after_round,
        )

    return measure_and_show(config, measure, wanted)


def show_begin(config: Resolved, plan: Plan) -> None:
    """What is measured, before it is."""
    report_leftover()
    click.echo(f"plan from {config.source}, {config.run.runs} timed predictions of each case", err=True)
    show_notes(plan)


def measure_and_show(config: Resolved, measure: Callable[[Shown], list[Record]], wanted: Wanted) -> int:
    """Measure, show the results meanwhile and at the end, and write the bundle. Returns the exit code."""
    from ..bench.run.stop import Interrupted, Unfinished

    shown = Shown(Path(config.run.out))
    stopped = None
    try:
        records = measure(shown)
    except (Unfinished, Interrupted) as error:
        records, stopped = error.records, error
    if records:
        shown.at_the_end(records)
    if stopped:
        raise stopped
    if wanted.bundled:
        write_bundle(Path(config.run.out), wanted.bundled)
    failed = {record.key for record in records if not record.ok}
    if not failed:
        return OK
    again = "" if wanted.retry_failed else "; `--resume --retry-failed` repeats them"
    click.echo(f"{len(failed)} of {len({record.key for record in records})} cases failed{again}", err=True)
    return FAILED


class Shown:
    """Shows the results so far: table and page after the first round, then each page, and the table at the end."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._table_of = self._page_of = 0  # so many records
        self._page: Path | None = None

    def after_round(self, number: int, records: Sequence[Record]) -> None:
        """Show the results after a round."""
        if not self._table_of:
            self._show_table(records)
        self.write_page(records)

    def write_page(self, records: Sequence[Record]) -> None:
        """Renew the page; one that cannot be written must not end the run."""
        try:
            self._write_page(records)
        except UserError as error:
            click.echo(error.message, err=True)

    def at_the_end(self, records: Sequence[Record]) -> None:
        """Show what has changed since the last round, and where records and page are."""
        from ..bench.record.store import records_file

        if len(records) != self._table_of:
            self._show_table(records)
        _print(f"records: {records_file(self._out)}")
        if len(records) != self._page_of:
            self._write_page(records)
        _print(f"report:  {self._page}")

    def _show_table(self, records: Sequence[Record]) -> None:
        from ..bench.stats.case_result import case_results
        from ..reports.commands import accuracy_records
        from ..reports.tables.terminal import render_table

        self._table_of = len(records)
        _print(drawn(render_table(case_results([*records, *accuracy_records(self._out)]))))

    def _write_page(self, records: Sequence[Record]) -> None:
        from ..reports.commands import write_report

        self._page, self._page_of = write_report(self._out), len(records)


def _print(text: str) -> None:
    try:
        click.echo(text)
    except BrokenPipeError:  # nobody reads; the page is still written, and the exit code still tells failures
        discard_output()
