"""`co3d-bench demo`: the whole tool once, without a download, on films that are made on the spot."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from ..bench.errors import ENVIRONMENT, FAILED, INTERRUPTED, OK, TERMINATED, UserError
from .options import verb

# What a user would type, in this order, in the demo's folder.
STEPS = (
    ("How often is each network right?", "evaluate --data films"),
    ("How fast are they, by eager PyTorch and by the fastest engine that is installed?", "run --time 60s"),
    ("Do they keep up with a camera?", "camera --source film.mp4 --duration 8s"),
    ("Which one to take for 30 frames/s, each answered within 50 ms?", "choose --fps 30 --deadline 50ms"),
    ("All of it on one page.", "report"),
)
MEASURING = ("evaluate", "run", "camera")
WEIGHTS = Path("demo_x3d.safetensors")
REPORT_EVERY = 50  # steps
SCORED_EACH = 100  # films of each class


@verb("demo")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Folder to make, or with --train the file to write. Default: co3d-bench-demo here; e.g. try.",
)
@click.option("--no-open", is_flag=True, help="Do not open the page in a browser.")
@click.option("--train", is_flag=True, help="Train the demo's network again, from scratch, and write its weights.")
def demo(output: Path | None, no_open: bool, train: bool) -> int:
    """Try everything in three minutes, without a download.

    Makes films of moving shapes, then measures a small network in both forms on them: accuracy, speed, and in front
    of a camera. It prints each command that it runs. The page with all of it opens at the end.

    Example: co3d-bench demo
    """
    return _train(output) if train else _demo(output, opens=not no_open)


def _demo(output: Path | None, *, opens: bool) -> int:
    """Make the folder, then run the steps in it. Returns the exit code."""
    from ..bench.demo.folder import fill, new_folder
    from ..bench.run.rounds import duration_text

    begun = time.monotonic()
    folder = new_folder(output)
    fill(folder)
    click.echo(f"{folder}: films of moving shapes, made in {duration_text(time.monotonic() - begun)}\n")
    click.echo(f"$ cd {shlex.quote(str(folder))}")
    page = (folder / "results" / "report.html").absolute()
    with _inside(folder):
        code = _steps(folder)
    click.echo(f"\nThe demo took {duration_text(time.monotonic() - begun)}. Its page: {page}")
    if opens and has_display(os.environ):
        import webbrowser

        webbrowser.open(page.as_uri())
    return code


def _steps(folder: Path) -> int:
    """Run each command as if it were typed. Raises UserError, with what is kept, where one is stopped."""
    from .verbs import call

    code = OK
    for question, command in STEPS:
        click.echo(f"\n{question}\n$ co3d-bench {command}")
        words = command.split()
        try:
            ended = call(words)
        except (UserError, KeyboardInterrupt) as error:
            raise _stopped(folder, command, error) from None
        if words[0] in MEASURING and ended != OK:
            code = FAILED
    return code


def _stopped(folder: Path, command: str, error: UserError | KeyboardInterrupt) -> UserError:
    """Why the demo ends before its end, how to see what was measured, and how to go on."""
    from ..bench.record.store import records_file

    known = error if isinstance(error, UserError) else UserError("stopped by Ctrl-C", INTERRUPTED)
    store = records_file("results")
    kept = store.is_file() and store.stat().st_size > 0  # a run makes the file before its first record
    here = f"cd {shlex.quote(str(folder))}"
    lines = [
        known.message,
        f"what was measured is kept: {here} && co3d-bench report" if kept else "nothing is measured yet",
    ]
    if known.exit_code in (INTERRUPTED, TERMINATED):
        lines[0] = lines[0].partition(";")[0]
        resumes = " --resume" if command.split()[0] in MEASURING else ""
        lines.append(f"to continue: {here} && co3d-bench {command}{resumes}")
    return UserError("\n".join(lines), known.exit_code)


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """In that folder, as after `cd`."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def has_display(environ: Mapping[str, str]) -> bool:
    """Whether a browser would be seen by somebody."""
    return not environ.get("CI") and bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def _train(output: Path | None) -> int:
    """Train the network, write its weights, and print how well they do on films that it has not seen."""
    from ..bench.record.openmp import wait_settings

    path = output or WEIGHTS
    _check_target(path, asked=output is not None)
    os.environ.update(wait_settings(os.environ))  # before torch is loaded: beside other work, spinning threads crawl
    import tempfile

    import torch

    from ..bench.demo.films import CLASSES
    from ..bench.demo.train import CLIP, FRAMES, Recipe, demo_films, score, train
    from ..bench.plan.weights import as_user_error
    from ..bench.run.rounds import duration_text
    from ..models.weights.safetensors import write_safetensors

    begun, recipe = time.monotonic(), Recipe()
    click.echo(f"{CLIP}: {recipe.films * len(CLASSES)} films are made, then {recipe.steps} steps are trained")

    def report(step: int, loss: float) -> None:
        if step % REPORT_EVERY == 0:
            click.echo(f"step {step} of {recipe.steps}, loss {loss:.3f}, {duration_text(time.monotonic() - begun)}")

    with tempfile.TemporaryDirectory(prefix="co3d-bench-") as films:
        net = train(Path(films, "trained"), recipe, report)
        about = {"made by": f"co3d-bench demo --train, seed {recipe.seed}, torch {torch.__version__}"}
        with as_user_error():
            write_safetensors(path, net.state_dict(), about)
        click.echo(f"{path}: {path.stat().st_size:,} bytes, {duration_text(time.monotonic() - begun)}")
        held_out = demo_films(Path(films, "held out"), SCORED_EACH)
        for name in (CLIP, FRAMES):
            share = score(net, name, held_out)
            click.echo(
                f"{name}: top-1 {share.value:.1%} ({share.low:.1%} to {share.high:.1%}) of films it was not trained on"
            )
    return OK


def _check_target(path: Path, *, asked: bool) -> None:
    """Raises UserError, before minutes of training, for a file that cannot be written or that was not asked for."""
    import tempfile

    if path.is_dir() or (path.exists() and not asked):
        what = "is a folder" if path.is_dir() else "is there already"
        raise UserError(f"{path}: {what}; name the file to write with -o", ENVIRONMENT)
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}; name another with -o", ENVIRONMENT) from error
