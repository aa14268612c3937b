"""`co3d-bench transient MODEL`: how do answers come to be right, frame by frame after a start?"""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from ..bench.errors import FAILED, OK
from .evaluate import show_kept, show_missing, show_random
from .options import Given, verb
from .plan import show_notes
from .streams import drawn


@verb("transient")
@click.argument("model", nargs=-1, required=True, help="Frame networks, as `list models` has them; e.g. cox3d-m-16.")
@click.option("--resume", is_flag=True, help="Continue the newest run: take what is missing.")
def transient(given: Given, model: tuple[str, ...], resume: bool) -> int:
    """Measure how a frame network comes to be right after a start.

    Its answer at each frame since the start (section 4.2 and Fig. 5 of the paper): with --data its accuracy, else the
    error against the answer that it gives once the start is forgotten.

    Example: co3d-bench transient cox3d-m-16
    """
    from ..bench.evaluate.journal import forget
    from ..bench.evaluate.starts import films_of_transient, transient_config, transient_plan
    from ..bench.evaluate.transient import COMMAND
    from ..bench.plan.config import Override
    from ..bench.record.store import newest_run, records_file
    from ..bench.run.progress import Lines
    from ..bench.run.ready import make_plan
    from ..bench.run.run import run
    from ..bench.run.stop import Interrupted
    from ..reports.tables.transient import render_transient

    given = replace(given, overrides=given.overrides | {"plan.models": Override("MODEL", list(model))})
    config = transient_config(given.load())
    films = films_of_transient(config)
    plan = transient_plan(config, make_plan(config), films)
    show_notes(plan)
    if films:
        show_missing(films.data.missing)
        show_random(config)
    store = records_file(config.run.out).parent
    stopped = None
    try:
        records = run(config, plan=plan, resume=resume, progress=Lines(sys.stderr, untimed=True), worker=COMMAND)
    except Interrupted as error:
        records, stopped = error.records, error
    forget(store, {record.case: record.run_id for record in records})
    if records:
        click.echo(drawn(render_transient(records)), nl=False)
        click.echo(f"records: {records_file(config.run.out)}")
    if stopped:
        show_kept(plan, str(store), newest_run(config.run.out) or "")
        raise stopped
    return OK if all(record.ok for record in records) else FAILED
