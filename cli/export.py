"""`co3d-bench export MODEL -o FILE`: a network as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..bench.errors import ENVIRONMENT, UserError
from .apart import apart
from .options import FILE, Given, model, spec_of, verb

if TYPE_CHECKING:
    from ..bench.export import Format


@verb("export", batch=1, precision="fp32")
@model
@click.option("-o", "--out", type=FILE, required=True, help="File to write; e.g. net.onnx.")
@click.option("--format", metavar="NAME", help="File format. Default: by the ending of FILE; e.g. onnx.")
@click.option("--opset", type=int, metavar="N", help="Version of the ONNX operators. Default: the exporter's; e.g. 18.")
@apart
def export(given: Given, model: str, out: Path, format: str | None, opset: int | None) -> list[str]:
    """Write a network to a file, for other programs.

    A clip network is written as it is; a frame network as one step, with its state as inputs and outputs.

    Example: co3d-bench export cox3d-m-64 -o net.onnx
    """
    from ..bench.export import Options
    from ..bench.plan.complaints import nearest

    chosen = _format(format, out)
    if lacks := chosen.missing():
        raise UserError(f"--format {chosen.name}: {lacks}", ENVIRONMENT)
    if opset is not None and not chosen.takes_opset:
        raise UserError(f"--opset: {chosen.name} has none; leave the option out")
    if not out.parent.is_dir():
        raise UserError(f"--out: {out.parent}: no such folder; make it first")

    import torch

    from ..bench.export.precision import DTYPES, dtype_of
    from ..bench.measure.passes import load
    from ..bench.plan.weights import find_file

    keys = ("batch", "precisions", "weights", "classes")
    batch, precision, weights, classes = (given.value(f"plan.{key}") for key in keys)
    if precision not in DTYPES:
        raise UserError(f"--precision: {precision}: {nearest(precision, list(DTYPES))}")
    spec = spec_of(model)
    dtype = dtype_of(precision)
    net = load(spec, find_file(weights, spec) if weights else None, classes).net.to(dtype)
    example = torch.zeros(batch, *spec.input_shape, dtype=dtype)
    written = chosen.write(net, example, out, Options(opset=opset))
    return [f"{file}: {file.stat().st_size:,} bytes" for file in written]


def _format(name: str | None, out: Path) -> Format:
    """The format of that name, or by the ending of the file."""
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
