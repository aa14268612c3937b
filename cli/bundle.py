"""`co3d-bench bundle`: a store as one file to send, and the check of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..bench.errors import ENVIRONMENT, FAILED, NOTHING, OK, USAGE, UserError
from .options import FILE, check_folder, store, verb

if TYPE_CHECKING:
    from ..reports.bundle.members import Contents

KEEP, LEAVE_OUT = "keep", "leave-out"
_MOST_NAMED = 20


@verb("bundle")
@store
@click.option("-o", "--output", type=FILE, help="File to write, needed without --check; e.g. results.zip.")
@click.option(
    "--private",
    type=click.Choice((KEEP, LEAVE_OUT)),
    help="Texts that name a person, a folder or a machine: keep them, or leave out their cases, each whole. "
    "Default: they are listed, and nothing is written; e.g. leave-out.",
)
@click.option("--check", "checked", type=FILE, help="Check this bundle instead; e.g. results.zip.")
def bundle(store: Path, output: Path | None, private: str | None, checked: Path | None) -> int:
    """Pack a store into one file, or check one.

    A bundle holds the records, what their figures are computed from, the page, and the commands that measure them
    again. `report`, `compare`, `choose` and `query` read it like a store. --check computes every figure again, packs
    all of it again, and says what differs; the exit code is 1 then.

    Example: co3d-bench bundle results -o results.zip
    """
    if checked:
        if output or private:
            raise UserError("--check reads a bundle and writes nothing: leave -o and --private out", USAGE)
        return _check(checked)
    if output is None:
        raise UserError("-o is missing: name the file to write, e.g. -o results.zip, or give --check FILE", USAGE)
    check_name(output)
    write(store, output, private)
    return OK


def check_name(output: Path) -> None:
    """Raises UserError for another ending, and where there is no folder."""
    if output.suffix != ".zip":
        raise UserError(f"{output}: the name of a bundle ends in .zip, e.g. results.zip", USAGE)
    check_folder(output)


def write(store: Path, output: Path, private: str | None = None) -> None:
    """Write the bundle of a store and say what is in it. Raises UserError."""
    from ..reports.bundle.members import read_contents, without_private, write_bundle

    contents = read_contents(store)
    if private == LEAVE_OUT:
        contents, keys = without_private(contents)
        if not contents.records:
            raise UserError(f"{store}: each case names a person, a folder or a machine; nothing was written", NOTHING)
        for key in keys:
            click.echo(f"left out: {key}", err=True)
    elif private is None:
        _refuse_private(store, output, contents)
    write_bundle(contents, output)
    cases = len({record.key for _, record in contents.records})
    click.echo(f"bundle: {output} ({_counted(len(contents.records), cases, len(contents.blobs))})")


def _refuse_private(store: Path, output: Path, contents: Contents) -> None:
    from ..reports.bundle.private import private_texts

    found = [str(each) for each in private_texts(contents.named)]
    if not found:
        return
    more = [f"  and {len(found) - _MOST_NAMED} more"] if len(found) > _MOST_NAMED else []
    lines = "\n".join([*(f"  {text}" for text in found[:_MOST_NAMED]), *more])
    again = f"co3d-bench bundle {store} -o {output} --private"
    raise UserError(
        f"{output}: not written, since records name persons, folders or machines:\n{lines}\n"
        f"`{again} {KEEP}` writes them too, `{again} {LEAVE_OUT}` leaves out those cases",
        ENVIRONMENT,
    )


def _counted(records: int, cases: int, blobs: int) -> str:
    return f"{records} record{'s' * (records != 1)} of {cases} case{'s' * (cases != 1)}, " + (
        f"{blobs} blob{'s' * (blobs != 1)}"
    )


def _check(path: Path) -> int:
    from ..reports.bundle.check import check_bundle

    found = check_bundle(path)
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    for difference in found.differences:
        click.echo(f"differs: {difference}")
    counted = _counted(found.records, found.cases, found.blobs)
    if found.differences:
        many = len(found.differences)
        click.echo(f"{path}: {many} difference{'s' * (many != 1)} ({counted})")
        return FAILED
    how = "" if found.notes else ", byte by byte"
    click.echo(f"{path}: {counted}: every figure computed again and all of it packed again, the same{how}")
    return OK
