"""`co3d-bench export MODEL -o FILE`: a network as a file for use outside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import ENVIRONMENT, UserError
from . import options


def export(
    model: Annotated[str, typer.Argument(help="Name of the network, or path/to/file.py:factory.", metavar="MODEL")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File to write.", metavar="FILE")],
    format: Annotated[
        str, typer.Option("--format", help="Kind of file; a wrong name lists them.", metavar="NAME")
    ] = "torch-export",
    opset: Annotated[int | None, typer.Option("--opset", help="Of ONNX's operators.", metavar="N")] = None,
    batch: Annotated[int, typer.Option("--batch", help="Clips, or streams, in one call.", metavar="N", min=1)] = 1,
    precision: Annotated[
        str, typer.Option("--precision", help="Of weights and arithmetic.", metavar="fp32|bf16|fp16")
    ] = "fp32",
    weights: options.Weights = None,
) -> None:
    """Write a network for use outside: a clip network as it is, a frame network as one step, state in, state out."""
    from ..complaints import nearest
    from ..export import Options, get_format, list_formats

    try:
        chosen = get_format(format)
    except KeyError:
        raise UserError(f"--format: {format}: {nearest(format, [row.name for row in list_formats()])}") from None
    if lacks := chosen.missing():
        raise UserError(f"--format {format}: {lacks}", ENVIRONMENT)
    if opset is not None and not chosen.takes_opset:
        raise UserError(f"--opset: {format} has none; leave it away")
    if not out.parent.is_dir():
        raise UserError(f"--out: {out.parent}: no such folder; make it first")

    import torch

    from ...models.zoo import UnknownModelError, find_model
    from ..backends.eager import DTYPES
    from ..passes import load
    from ..weights import find_file

    if precision not in DTYPES:
        raise UserError(f"--precision: {precision}: {nearest(precision, list(DTYPES))}")
    try:
        spec = find_model(model)
    except UnknownModelError as error:
        raise UserError(str(error)) from None
    dtype = getattr(torch, DTYPES[precision])
    net = load(spec, find_file(weights, spec) if weights else None).net.to(dtype)
    example = torch.zeros(batch, *spec.input_shape, dtype=dtype)
    for file in chosen.write(net, example, out, Options(opset=opset)):
        typer.echo(f"{file}: {file.stat().st_size:,} bytes")
