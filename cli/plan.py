"""`co3d-bench plan`: what would be run."""

from __future__ import annotations

import typer

from . import options


def plan(
    config: options.ConfigFile = None,
    model: options.Models = None,
    suite: options.SuiteName = None,
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
    video: options.VideoFile = None,
    seed: options.Seed = None,
    out: options.Out = None,
) -> None:
    """Show the cases a run would measure, one a line, and measure nothing."""
    from ..bench.plan.config import load_config
    from ..bench.run.ready import make_plan

    given = {
        **options.overrides(models=model, suite=suite, devices=device, host=host, backends=backend),
        **options.overrides(precisions=precision, batch=batch, threads=threads, video=video, seed=seed, out=out),
        **options.overrides(runs=runs, processes=processes, target_precision=target_precision, time=time),
    }
    loaded = load_config(config, given)
    for note in loaded.notes:
        typer.echo(note, err=True)
    options.show_plan(loaded, make_plan(loaded, boards=True))
