"""`co3d-bench run`: measure, print the table, write the page."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..bench.errors import FAILED, OK, UserError
from .boards import Wanted, run_on_boards
from .fixes import report_leftover
from .options import Given, verb
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
@click.option("--fleet", is_flag=True, help="Measure on many boards at once, those of [fleet] in bench.toml.")
@click.option("--dashboard", is_flag=True, help="With --fleet: show dask's dashboard, on this machine.")
def run(given: Given, dry_run: bool, resume: bool, retry_failed: bool, fleet: bool, dashboard: bool) -> int:
    """Measure networks on this machine, or on a board.

    Every case is measured in fresh processes, round after round, and each result is saved at once. A table and a page
    appear after the first round; stop early and you keep all results so far.

    Example: co3d-bench run --model x3d-s --model cox3d-s-13 --time 3m
    """
    from ..bench.run.ready import make_plan

    if retry_failed and not resume:
        raise UserError("--retry-failed goes with --resume: it repeats the failed cases of the newest run")
    if dashboard and not fleet:
        raise UserError("--dashboard goes with --fleet: it is dask's, which carries the cases of a fleet")
    if fleet:
        return run_on_boards(given, Wanted(dry_run, resume, retry_failed, dashboard))
    config = given.load()
    plan = make_plan(config, boards=True)
    if dry_run:
        show_plan(config, plan)
        return OK
    show_begin(config, plan)

    def measure(shown: Shown) -> list[Record]:
        from ..bench.run.progress import Lines
        from ..bench.run.run import run as measure_plan

        return measure_plan(
            config,
            plan=plan,
            resume=resume,
            retry_failed=retry_failed,
            progress=Lines(sys.stderr),
            after_round=shown.after_round,
        )

    return measure_and_show(config, measure, retry_failed)


def show_begin(config: Resolved, plan: Plan) -> None:
    """What is measured, before it is."""
    report_leftover()
    click.echo(f"plan from {config.source}, {config.run.runs} timed predictions of each case", err=True)
    show_notes(plan)


def measure_and_show(config: Resolved, measure: Callable[[Shown], list[Record]], retry_failed: bool) -> int:
    """Measure, and show the results meanwhile and at the end. Returns the exit code."""
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
    failed = {record.key for record in records if not record.ok}
    if not failed:
        return OK
    again = "" if retry_failed else "; `--resume --retry-failed` repeats them"
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
