"""`co3d-bench plan`: the cases that `run` would measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .options import Given, verb

if TYPE_CHECKING:
    from ..bench.plan.plan import Plan
    from ..bench.plan.resolve import Resolved


@verb("plan")
def plan(given: Given) -> None:
    """Show what `run` would measure, one case a line.

    It takes the options of `run` and measures nothing.

    Example: co3d-bench plan --device tx2 --precision fp16
    """
    from ..bench.run.ready import make_plan

    config = given.load()
    show_plan(config, make_plan(config, boards=True))


def show_plan(config: Resolved, plan: Plan) -> None:
    """Print every case, the combinations left out, missing engines, and the source of the plan. Raises UserError where
    its weights are missing, as a run would."""
    from ..bench.plan.weights import find_weights
    from ..bench.run.ready import aim_of_run, missing_backends, settings_of
    from ..bench.run.rounds import aim_text

    if "://" not in (config.plan.weights or ""):  # nothing is fetched to show a plan
        find_weights(config)
    for item in (*plan.cases, *plan.searches):
        click.echo(item.key)
    for line in missing_backends(plan, config.catalog):
        click.echo(f"cannot be run here: {line}", err=True)
    show_notes(plan)
    fewest, most = len(plan.cases) + len(plan.searches), len(plan.cases) + 2 * len(plan.searches)
    if plan.searches:
        click.echo(
            "bauto: the run first looks for the batch: the fastest and the largest that fits are measured, one case if "
            "they are the same, else two",
            err=True,
        )
    click.echo(
        f"{fewest if fewest == most else f'{fewest} to {most}'} case{'s' if most != 1 else ''}, "
        f"{aim_text(aim_of_run(config))}, {settings_of(config).runs} or more timed predictions in each process, from "
        f"{config.source}; records would go to {config.run.out}",
        err=True,
    )


def show_notes(plan: Plan) -> None:
    """Print what is measured differently from what was requested, and which combinations are left out."""
    for note in plan.notes:
        click.echo(note, err=True)
    for out in plan.left_out:
        click.echo(f"left out: {out.what}: {out.why}", err=True)
