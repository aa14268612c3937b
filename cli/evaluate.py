"""`co3d-bench evaluate`: how well does a network name films whose classes are known?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..bench.errors import FAILED, OK
from .fleet import scheduler_elsewhere, tls
from .options import Given, verb
from .plan import show_notes
from .streams import drawn

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ..bench.evaluate.plan import Films
    from ..bench.fleet.security import SchedulerAddress
    from ..bench.plan.plan import Plan
    from ..bench.plan.resolve import Resolved
    from ..bench.record.record import Record

_MOST_NAMED = 5


@verb("evaluate")
@click.option("--resume", is_flag=True, help="Continue the newest run: score only the films that are missing.")
@click.option(
    "--fleet",
    metavar="ADDRESS",
    help="Have the films scored by the hosts of this scheduler (`fleet scheduler`). Default: this host alone; "
    "e.g. tls://lab-1:8786.",
)
@tls
def evaluate(given: Given, resume: bool, fleet: str | None, tls: Path | None) -> int:
    """Measure the accuracy of networks over films.

    One answer for each film, as the paper has it: clip networks for the clip in the middle, frame networks at the last
    frame. Scored is what `run` times: the same engine, precision and preprocessing. With `auto` among the engines it
    is the fastest one that is installed. With --drop, frames are missing, as they are before a camera.

    Example: co3d-bench evaluate --model cox3d-s-13 --weights auto --data kinetics/val.csv
    """
    from ..bench.evaluate.plan import evaluation_config, evaluation_plan, films_of_config
    from ..bench.evaluate.worker import COMMAND
    from ..bench.run.ready import make_plan
    from ..reports.tables.accuracy import render_accuracy

    named = scheduler_elsewhere(fleet, tls)
    config = evaluation_config(given.load())
    films = films_of_config(config.evaluate)
    plan = evaluation_plan(config, make_plan(config), films)
    show_notes(plan)
    show_missing(films.data.missing)
    show_random(config)
    command = _on_fleet(config, plan, films, named) if named else COMMAND
    return measure_films(config, plan, Scoring(command, render_accuracy), resume=resume)


def _on_fleet(config: Resolved, plan: Plan, films: Films, named: SchedulerAddress) -> list[str]:
    """The process of a case whose films are scored by hosts, which are checked and named first. Raises UserError."""
    from ..bench.fleet.films import ask_of_run, check_hosts, scoring_command

    hosts = check_hosts(named, ask_of_run(config, plan, films.data))
    click.echo(f"films are scored by {len(hosts)} host{'s' if len(hosts) != 1 else ''}: {', '.join(hosts)}", err=True)
    return scoring_command(named)


@dataclass(frozen=True)
class Scoring:
    """The process that scores a case, and the table of what it gave."""

    worker: list[str]
    render: Callable[[Sequence[Record]], RenderableType]


def measure_films(config: Resolved, plan: Plan, scoring: Scoring, *, resume: bool) -> int:
    """Run the plan, film by film, and print its table. Returns the exit code; a Ctrl-C is raised once all is said."""
    from ..bench.evaluate.journal import forget
    from ..bench.record.store import newest_run, records_file
    from ..bench.run.progress import Lines
    from ..bench.run.run import run
    from ..bench.run.stop import Interrupted, Unfinished

    store = records_file(config.run.out).parent
    stopped = None
    try:
        records = run(config, plan=plan, resume=resume, progress=Lines(sys.stderr, untimed=True), worker=scoring.worker)
    except (Interrupted, Unfinished) as error:
        records, stopped = error.records, error
    forget(store, {record.case: record.run_id for record in records})
    if records:
        click.echo(drawn(scoring.render(records)), nl=False)
        click.echo(f"records: {records_file(config.run.out)}")
    if stopped:
        show_kept(plan, str(store), newest_run(config.run.out) or "")
        raise stopped
    return OK if all(record.ok for record in records) else FAILED


def show_missing(missing: tuple[str, ...]) -> None:
    """Films that the data names and that are not there."""
    if missing:
        more = f"\n  and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        named = "\n".join(f"  {line}" for line in missing[:_MOST_NAMED])
        click.echo(f"missing films, which are left out: {len(missing)}\n{named}{more}", err=True)


def show_random(config: Resolved) -> None:
    """Networks of the zoo without a checkpoint: what they answer is chance."""
    random = [name for name in config.plan.models if name not in config.custom]
    if random and config.plan.weights is None:
        click.echo(f"{', '.join(random)}: random weights, so the accuracy is by chance; give --weights", err=True)


def show_kept(plan: Plan, store: str, run_id: str) -> None:
    """What is scored of cases that have no record yet."""
    from ..bench.evaluate.journal import films_done

    for case in plan.cases:
        if case.evaluation and (done := films_done(store, run_id, case)):
            click.echo(f"{case.model}: {done} of {case.evaluation.films} films are scored and kept", err=True)
