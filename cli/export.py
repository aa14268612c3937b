"""`co3d-bench export MODEL -o FILE`: a network as a file, or a C project, for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..bench.errors import ENVIRONMENT, UserError
from .apart import apart
from .options import STORE, Given, model, spec_of, verb

if TYPE_CHECKING:
    from ..bench.export import Format, Options
    from ..bench.measure.passes import Loaded


@verb("export", batch=1, precision="fp32")
@model
@click.option("-o", "--out", type=STORE, required=True, help="File to write, or folder; e.g. net.onnx.")
@click.option("--format", metavar="NAME", help="File format; c: a C project. Default: by the suffix of FILE; e.g. c.")
@click.option("--opset", type=int, metavar="N", help="Version of the ONNX operators. Default: the exporter's; e.g. 18.")
@click.option("--no-verify", is_flag=True, help="Do not run the file and compare its answers with the network's.")
@apart
def export(given: Given, model: str, out: Path, format: str | None, opset: int | None, no_verify: bool) -> list[str]:
    """Write a network as a file or a C project.

    A clip network is written as it is; a frame network as one step, with its state as inputs and outputs. The file is
    run and compared with the network; one that answers otherwise is not kept.

    Example: co3d-bench export cox3d-m-64 -o net.onnx
    """
    from ..bench.export import Options
    from ..bench.plan.complaints import nearest

    chosen = _format(format, out)
    if lacks := chosen.missing():
        raise UserError(f"--format {chosen.name}: {lacks}", ENVIRONMENT)
    if opset is not None and not chosen.takes_opset:
        raise UserError(f"--opset: {chosen.name} has none; leave the option out")
    _check_place(chosen, out)

    from ..bench.export.precision import DTYPES
    from ..bench.measure.passes import load
    from ..bench.plan.weights import find_file
    from ..bench.record.plain import plain

    keys = ("batch", "precisions", "weights", "classes")
    batch, precision, weights, classes = (given.value(f"plan.{key}") for key in keys)
    if precision not in DTYPES:
        raise UserError(f"--precision: {precision}: {nearest(precision, list(DTYPES))}")
    out = out.absolute()  # the network's code may go to another folder
    spec = spec_of(model)
    if spec.inputs and not chosen.any_input:
        raise UserError(
            f"--format {chosen.name}: takes one float32 tensor, and {spec.name} is called with {spec.inputs}"
        )
    file = find_file(weights, spec) if weights else None
    loaded = load(spec, file, classes)
    own = "those that its code makes" if spec.source else "random, from a seed, so its answers are chance (--weights)"
    order = Order(
        out, batch, precision, Options(opset, spec.name, spec.preprocessing, plain(file.text) if file else own)
    )
    try:
        files, verdict = _written(chosen, loaded, order, verify=not no_verify)
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror or error}", ENVIRONMENT) from error
    click.echo(verdict, err=True)
    return [f"{file}: {_bytes(file):,} bytes" for file in files]


def _check_place(chosen: Format, out: Path) -> None:
    """Raises UserError where the file or folder cannot go there."""
    if not out.absolute().parent.is_dir():
        raise UserError(f"--out: {out.parent}: no such folder; create it first")
    if not chosen.folder:
        if out.is_dir():
            raise UserError(f"--out: {out}: is a folder; --format {chosen.name} writes a file")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--out: {out}: exists and is not empty; name a new folder, or remove that one")


def _bytes(path: Path) -> int:
    """Of a file, or of all files below a folder."""
    return (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
    )


@dataclass(frozen=True)
class Order:
    """What is to be written."""

    out: Path
    batch: int
    precision: str
    options: Options


def _written(chosen: Format, loaded: Loaded, order: Order, *, verify: bool) -> tuple[tuple[Path, ...], str]:
    """The files, and whether they are right. They are written beside their place, and moved there when they are."""
    import copy
    import tempfile

    import torch

    from ..bench.export.precision import TOLERANCE, dtype_of
    from ..bench.measure.exported import check_file
    from ..models.inputs import moved

    dtype, net, example = dtype_of(order.precision), loaded.net, loaded.example
    with tempfile.TemporaryDirectory(prefix=".co3d-bench-", dir=order.out.parent) as folder:
        given = example.itself() if order.batch == 1 else example.draw(order.batch, torch.Generator().manual_seed(0))
        ready = net if dtype == torch.float32 else copy.deepcopy(net).to(dtype)
        files = chosen.write(ready, moved(given, dtype=dtype), Path(folder, order.out.name), order.options)
        verdict = "not verified (--no-verify)"
        if verify:
            # A C project is compiled for it: a minute for a large network, or more.
            click.echo(f"{order.out.name}: now run and compared with the network (--no-verify: without)", err=True)
            verdict = check_file(chosen, files, net, example, order.batch, dtype, TOLERANCE[order.precision])
        placed = tuple(order.out.parent / file.name for file in files)
        for file, place in zip(files, placed, strict=True):
            if place.is_dir():  # an empty folder, which may be the one that somebody stands in
                for part in file.iterdir():
                    part.replace(place / part.name)
            else:
                file.replace(place)
    return placed, verdict


def _format(name: str | None, out: Path) -> Format:
    """The format of that name, or by the ending of the file."""
    from ..bench.backends.native.c_project import FORMAT as C_PROJECT
    from ..bench.export import list_formats
    from ..bench.plan.complaints import nearest

    rows = sorted((*list_formats(), C_PROJECT), key=lambda row: row.name)
    if name is None:
        by_suffix = [row for row in rows if row.suffix and out.name.endswith(row.suffix)]
        if len(by_suffix) != 1:
            known = ", ".join(f"{row.name} ({row.suffix or 'a folder'})" for row in rows)
            raise UserError(f"--out: {out.name}: no format has this suffix; name a format by --format: {known}")
        return by_suffix[0]
    for row in rows:
        if row.name == name:
            return row
    raise UserError(f"--format: {name}: {nearest(name, [row.name for row in rows])}")
