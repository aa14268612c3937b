"""`co3d-bench export MODEL -o FILE`: a network as a file for use outside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..bench.errors import ENVIRONMENT, UserError
from . import options

if TYPE_CHECKING:
    from ..bench.export import Format


def export(
    model: Annotated[str, typer.Argument(help="Name of the network, or path/to/file.py:factory.", metavar="MODEL")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File to write.", metavar="FILE")],
    format: Annotated[
        str | None,
        typer.Option("--format", help="Kind of file.", show_default="what FILE ends with", metavar="NAME"),
    ] = None,
    opset: Annotated[int | None, typer.Option("--opset", help="Of ONNX's operators.", metavar="N")] = None,
    batch: Annotated[int, typer.Option("--batch", help="Clips, or streams, in one call.", metavar="N", min=1)] = 1,
    precision: Annotated[
        str, typer.Option("--precision", help="Of weights and arithmetic.", metavar="fp32|bf16|fp16")
    ] = "fp32",
    weights: options.Weights = None,
) -> None:
    """Write a network for use outside: a clip network as it is, a frame network as one step, state in, state out."""
    from ..bench.export import Options
    from ..bench.plan.complaints import nearest

    chosen = _format(format, out)
    if lacks := chosen.missing():
        raise UserError(f"--format {chosen.name}: {lacks}", ENVIRONMENT)
    if opset is not None and not chosen.takes_opset:
        raise UserError(f"--opset: {chosen.name} has none; leave it away")
    if not out.parent.is_dir():
        raise UserError(f"--out: {out.parent}: no such folder; make it first")

    import torch

    from ..bench.export.precision import DTYPES, dtype_of
    from ..bench.measure.passes import load
    from ..bench.plan.weights import find_file
    from ..models.zoo import UnknownModelError, find_model

    if precision not in DTYPES:
        raise UserError(f"--precision: {precision}: {nearest(precision, list(DTYPES))}")
    try:
        spec = find_model(model)
    except UnknownModelError as error:
        raise UserError(str(error)) from None
    dtype = dtype_of(precision)
    net = load(spec, find_file(weights, spec) if weights else None).net.to(dtype)
    example = torch.zeros(batch, *spec.input_shape, dtype=dtype)
    for file in chosen.write(net, example, out, Options(opset=opset)):
        typer.echo(f"{file}: {file.stat().st_size:,} bytes")


def _format(name: str | None, out: Path) -> Format:
    """The format of that name, else the one whose files end like this one."""
    from ..bench.export import get_format, list_formats
    from ..bench.plan.complaints import nearest

    rows = list_formats()
    if name is None:
        by_suffix = [row for row in rows if out.name.endswith(row.suffix)]
        if len(by_suffix) != 1:
            known = ", ".join(f"{row.name} ({row.suffix})" for row in rows)
            raise UserError(f"--out: {out.name}: no format has such files; name one by --format: {known}")
        return by_suffix[0]
    try:
        return get_format(name)
    except KeyError:
        raise UserError(f"--format: {name}: {nearest(name, [row.name for row in rows])}") from None
