"""`co3d-bench weights`: the public checkpoints. `list` and `fetch` import no torch."""

from __future__ import annotations

from pathlib import Path

import click

from ..bench.errors import ENVIRONMENT, INTERRUPTED, UserError
from .options import FILE, Verbs, spec_of


@click.group(cls=Verbs)
def weights() -> None:
    """List, fetch or convert public weights.

    Example: co3d-bench weights fetch x3d-m
    """


@weights.command("list")
def list_() -> None:
    """List the public checkpoints, one a line.

    Each line has its name, its networks, whether it is downloaded, and its address.

    Example: co3d-bench weights list
    """
    from ..models.weights.cache import cache_folder
    from ..models.weights.errors import NoCacheError
    from ..models.weights.sources import CHECKPOINTS, SHIPPED

    try:
        kept = f"kept in {cache_folder() / 'weights'}"
    except NoCacheError as error:
        kept = str(error)
    rows = [(row.name, ", ".join(row.networks), state(row), row.url) for row in CHECKPOINTS]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        click.echo("  ".join(f"{text:<{width}}" for text, width in zip(row, [*widths, 0], strict=True)))
    click.echo(
        f"{kept}; a frame network takes the weights of its clip network; `auto` is the first checkpoint of a network; "
        f"those of {', '.join(SHIPPED)} come with co3d-bench",
        err=True,
    )


@weights.command()
@click.argument(
    "names", nargs=-1, required=True, metavar="NAME...", help="Network or checkpoint; e.g. x3d-m or pytorchvideo/X3D_M."
)
def fetch(names: tuple[str, ...]) -> None:
    """Download public checkpoints into the cache.

    A partial download is resumed, an existing file is checked.

    Example: co3d-bench weights fetch x3d-m
    """
    from ..bench.plan.weights import as_user_error, progress_bar
    from ..models.weights.cache import cached_path, checked_sha256
    from ..models.weights.errors import WeightsError
    from ..models.weights.fetch import fetch as download
    from ..models.weights.locate import wanted_checkpoints
    from ..models.zoo import find_model

    with as_user_error():
        wanted = [(row, cached_path(row)) for row in wanted_checkpoints(list(names), find_model)]
    failed = []
    for row, path in wanted:
        try:
            if path.is_file():
                click.echo(f"{row.name}: already downloaded, sha256 {checked_sha256(path)}: {path}")
                continue
            with progress_bar(row.name) as on_progress:
                sha256 = download(row.url, path, row.sha256, on_progress)
            click.echo(f"{row.name}: sha256 {sha256}: {path}")
        except WeightsError as error:  # the others may still succeed
            failed.append(str(error))
        except KeyboardInterrupt:
            raise UserError(f"{row.name}: stopped; run the command again to resume", INTERRUPTED) from None
    if failed:
        raise UserError("\n".join(failed), ENVIRONMENT)


@weights.command()
@click.argument("source", metavar="IN", help="File, https address, checkpoint, or auto.")
@click.argument("target", type=FILE, metavar="OUT", help="File to write, a dict of tensors by name.")
@click.option("--model", required=True, metavar="NAME", help="Network of the weights; e.g. x3d-m.")
def convert(source: str, target: Path, model: str) -> None:
    """Write weights with our tensor names.

    For tools that expect the names of our tensors.

    Example: co3d-bench weights convert auto x3d_m.pth --model x3d-m
    """
    from ..bench.plan.weights import as_user_error, progress_bar
    from ..models.weights.convert import convert as write
    from ..models.weights.locate import locate

    spec = spec_of(model)
    with as_user_error(), progress_bar(source) as on_progress:
        report = write(locate(source, spec, on_progress), target, spec)
    without = f", without {', '.join(report.left_out)}" if report.left_out else ""
    click.echo(f"{target}: {report.tensors} tensors of {report.text} ({report.naming}) for {spec.name}{without}")
    for note in report.notes[len(report.left_out) :]:
        click.echo(note, err=True)


def state(checkpoint) -> str:
    """How much of a checkpoint is downloaded, for people."""
    from ..models.weights.cache import cached_path, part_path
    from ..models.weights.errors import NoCacheError
    from ..models.weights.fetch import megabytes

    try:
        path = cached_path(checkpoint)
    except NoCacheError:
        return "not fetched"
    for file, word in ((path, ""), (part_path(path), " so far")):
        if file.is_file():
            return f"{megabytes(file.stat().st_size)}{word}"
    return "not fetched"
