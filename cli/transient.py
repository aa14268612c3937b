"""`co3d-bench transient MODEL`: when are answers right, frame by frame after a start?"""

from __future__ import annotations

from dataclasses import replace

import click

from .evaluate import Scoring, measure_films, show_missing, show_random
from .options import Given, verb
from .plan import show_notes


@verb("transient")
@click.argument("model", nargs=-1, required=True, help="Frame networks, as `list models` has them; e.g. cox3d-m-16.")
@click.option("--resume", is_flag=True, help="Continue the newest run: measure only what is missing.")
def transient(given: Given, model: tuple[str, ...], resume: bool) -> int:
    """Measure when a frame network's answers are right after a start.

    Its answer at each frame since the start (section 4.2 and Fig. 5 of the paper): with --data its accuracy, else the
    error against the answer that it gives once the start is forgotten.

    Example: co3d-bench transient cox3d-m-16
    """
    from ..bench.evaluate.starts import films_of_transient, transient_config, transient_plan
    from ..bench.evaluate.transient import COMMAND
    from ..bench.plan.config import Override
    from ..bench.run.ready import make_plan
    from ..reports.tables.transient import render_transient

    given = replace(given, overrides=given.overrides | {"plan.models": Override("MODEL", list(model))})
    config = transient_config(given.load())
    films = films_of_transient(config)
    plan = transient_plan(config, make_plan(config), films)
    show_notes(plan)
    if films:
        show_missing(films.data.missing)
        show_random(config)
    return measure_films(config, plan, Scoring(COMMAND, render_transient), resume=resume)
