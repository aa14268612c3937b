"""`co3d-bench weights`: the public checkpoints. `list` and `fetch` import no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..bench.errors import ENVIRONMENT, INTERRUPTED, UserError

weights = typer.Typer(help="Public weights: list, fetch or convert them.", rich_markup_mode=None)


@weights.command("list")
def list_() -> None:
    """List the public checkpoints, one a line: name, networks, whether it is here, address."""
    from ..models.weights.cache import cache_folder
    from ..models.weights.sources import CHECKPOINTS

    rows = [(row.name, ", ".join(row.networks), state(row), row.url) for row in CHECKPOINTS]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        typer.echo("  ".join(f"{text:<{width}}" for text, width in zip(row, [*widths, 0], strict=True)))
    typer.echo(
        f"kept in {cache_folder() / 'weights'}; frame networks take what their clip network takes; the first of a "
        "network is its `auto`",
        err=True,
    )


@weights.command()
def fetch(
    names: Annotated[
        list[str], typer.Argument(help="Network (x3d-m) or checkpoint (pytorchvideo/X3D_M).", metavar="NAME...")
    ],
) -> None:
    """Download public checkpoints into the cache; what broke off is resumed, what is there is checked."""
    from ..bench.plan.weights import progress_bar, told
    from ..models.weights.cache import cached_path, checked_sha256
    from ..models.weights.errors import WeightsError
    from ..models.weights.fetch import fetch as download
    from ..models.weights.locate import wanted_checkpoints
    from ..models.zoo import find_model

    with told():
        wanted = wanted_checkpoints(names, find_model)
    failed = []
    for row in wanted:
        path = cached_path(row)
        try:
            if path.is_file():
                typer.echo(f"{row.name}: here already, sha256 {checked_sha256(path)}: {path}")
                continue
            with progress_bar(row.name) as on_progress:
                sha256 = download(row.url, path, row.sha256, on_progress)
            typer.echo(f"{row.name}: sha256 {sha256}: {path}")
        except WeightsError as error:  # the others may still come
            failed.append(str(error))
        except KeyboardInterrupt:
            raise UserError(f"{row.name}: stopped; run it again for the rest", INTERRUPTED) from None
    if failed:
        raise UserError("\n".join(failed), ENVIRONMENT)


@weights.command()
def convert(
    source: Annotated[str, typer.Argument(help="File, https address, checkpoint, or auto.", metavar="IN")],
    target: Annotated[Path, typer.Argument(help="File to write, a torch file of tensors by name.", metavar="OUT")],
    model: Annotated[str, typer.Option("--model", help="Network the weights are for.", metavar="NAME")],
) -> None:
    """Write weights anew in our names, for tools that know nothing of other projects' names."""
    from ..bench.plan.weights import progress_bar, told
    from ..models.weights.convert import convert as write
    from ..models.weights.locate import locate
    from ..models.zoo import UnknownModelError, find_model

    try:
        spec = find_model(model)
    except UnknownModelError as error:
        raise UserError(str(error)) from None
    with told(), progress_bar(source) as on_progress:
        report = write(locate(source, spec, on_progress), target, spec)
    without = f", without {', '.join(report.left_out)}" if report.left_out else ""
    typer.echo(f"{target}: {report.tensors} tensors of {report.text} ({report.naming}) for {spec.name}{without}")


def state(checkpoint) -> str:
    """Whether that checkpoint is here, in a word or two."""
    from ..models.weights.cache import cached_path, part_path
    from ..models.weights.fetch import megabytes

    path = cached_path(checkpoint)
    for place, word in ((path, ""), (part_path(path), " so far")):
        if place.is_file():
            return f"{megabytes(place.stat().st_size)}{word}"
    return "not fetched"
