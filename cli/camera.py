"""`co3d-bench camera`: does a network keep up with a camera?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..bench.errors import FAILED, OK, UserError
from .options import Given, verb
from .plan import show_notes
from .streams import drawn


@verb("camera")
@click.option("--resume", is_flag=True, help="Continue the newest run: measure only what is missing.")
@click.option("--retry-failed", is_flag=True, help="With --resume: watch failed cases once more.")
def camera(given: Given, resume: bool, retry_failed: bool) -> int:
    """Watch whether networks keep up with a camera.

    Frames are due at a fixed rate, whatever the network does. Each is answered in time, answered late, or dropped.
    Shown are missed deadlines, dropped frames and the age of the newest answer. With `auto` among the
    engines it is the fastest one that is installed.

    Example: co3d-bench camera --model cox3d-s-13 --source film.mp4 --duration 10s
    """
    from ..bench.camera.plan import camera_config, camera_plan
    from ..bench.camera.worker import COMMAND
    from ..bench.record.store import records_file
    from ..bench.run.progress import Lines
    from ..bench.run.ready import make_plan
    from ..bench.run.run import run
    from ..bench.run.stop import Interrupted
    from ..reports.commands import accuracy_records, camera_times
    from ..reports.tables.camera import render_camera

    if retry_failed and not resume:
        raise UserError("--retry-failed goes with --resume: it repeats the failed cases of the newest run")
    config = camera_config(given.load())
    plan = camera_plan(config, make_plan(config))
    show_notes(plan)
    stopped = None
    try:
        records = run(
            config, plan=plan, resume=resume, retry_failed=retry_failed, progress=Lines(sys.stderr), worker=COMMAND
        )
    except Interrupted as error:
        records, stopped = error.records, error
    if records:
        out = Path(config.run.out)
        shown = render_camera([*records, *accuracy_records(out)], camera_times(out, records))
        click.echo(drawn(shown), nl=False)
        click.echo(f"records: {records_file(config.run.out)}")
    if stopped:
        raise stopped
    failed = sum(not record.ok for record in records)
    if failed:
        again = "" if retry_failed else "; `--resume --retry-failed` repeats them"
        click.echo(f"{failed} of {len(records)} cases failed{again}", err=True)
    return FAILED if failed else OK
