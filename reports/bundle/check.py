"""A bundle made again from its own records and blobs, and what of it differs: nothing in it is taken on trust."""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import ZipFile

from ...bench.errors import ENVIRONMENT, UserError
from ...bench.record import archive
from ...bench.record.blobs import blobs_folder
from ...bench.record.plain import plain
from ...bench.record.record import Record
from .blobs import Difference, blob_differences
from .members import Contents, made_with, read_contents, texts_of

# What differs where other versions made a bundle: how it looks, not what was measured.
_LOOKS = (archive.PAGE, archive.ENVIRONMENTS, archive.COMMANDS)


@dataclass(frozen=True)
class Checked:
    """What came of a check."""

    records: int
    cases: int
    blobs: int
    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = field(default=())  # what could not be compared, and why


def check_bundle(path: Path) -> Checked:
    """Compute every figure of a bundle again and pack it again. Raises UserError for a file that is none, or that has
    no readable record."""
    try:
        with tempfile.TemporaryDirectory() as folder, archive.opened_archive(path) as (members, manifest):
            store = Path(folder)
            found = [*_unpack(members, manifest, store), *_packed_otherwise(path, members)]
            contents, skipped = _read(path, store)
            found += [Difference(archive.RECORDS, what=why) for why in skipped]
            texts = texts_of(contents)
            other = {name: version for name, version in made_with().items() if manifest.made_with.get(name) != version}
            found += _missing(contents, members, texts)
            found += _texts_apart(members, texts, same_versions=not other)
            found += _blobs_apart(contents)
            cases = len({record.key for _, record in contents.records})
            return Checked(len(contents.records), cases, len(contents.blobs), tuple(found), _notes(manifest, other))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}", ENVIRONMENT) from error


def _notes(manifest: archive.Manifest, other: Mapping[str, str]) -> tuple[str, ...]:
    if not other:
        return ()
    versions = ", ".join(f"{name} {plain(manifest.made_with.get(name, 'unknown'))[:40]}" for name in other)
    here = ", ".join(f"{name} {version}" for name, version in other.items())
    looks = ", ".join(_LOOKS)
    return (f"made with {versions}, this is {here}: {looks} were not compared; every figure of {archive.FIGURES} was",)


def _unpack(members: ZipFile, manifest: archive.Manifest, store: Path) -> Iterator[Difference]:
    """Records, profiles and blobs as an ordinary store: opening the bundle has seen to their names and sizes."""
    blobs_folder(store).mkdir()
    for name, stated in manifest.members.items():
        sha256 = archive.sha256_of(members, name)
        if sha256 != stated:
            yield Difference(name, what=f"its sha256 is {sha256[:12]}..., the manifest says {plain(stated)[:12]}...")
        if name.startswith(archive.BLOBS) and name != f"{archive.BLOBS}{sha256}":
            yield Difference(name, what=f"its name is not its sha256, {sha256[:12]}...")
        if name in (archive.RECORDS, archive.PROFILES) or name.startswith(archive.BLOBS):
            with members.open(name) as packed, (store / name).open("wb") as file:
                shutil.copyfileobj(packed, file)


def _read(path: Path, store: Path) -> tuple[Contents, list[str]]:
    """The records of an unpacked bundle, and why lines of them were skipped."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            contents = read_contents(store)
        except UserError as error:
            raise UserError(error.message.replace(str(store), str(path)), error.exit_code) from None
    return contents, [str(each.message).replace(f"{store}/{archive.RECORDS}, ", "") for each in caught]


def _packed_otherwise(path: Path, members: ZipFile) -> Iterator[Difference]:
    """The members packed again, byte by byte: order, times, permissions, and nothing between them."""
    with tempfile.TemporaryFile() as again, path.open("rb") as file:
        archive.write_archive(again, ((name, members.read(name)) for name in sorted(members.namelist())))
        again.seek(0)
        while (held := file.read(_CHUNK_BYTES)) == (packed := again.read(_CHUNK_BYTES)):
            if not held and not packed:
                return
    yield Difference(path.name, what="packed in another way: order, times or permissions of its members")


_CHUNK_BYTES = 1 << 20


def _missing(contents: Contents, members: ZipFile, texts: Mapping[str, bytes]) -> Iterator[Difference]:
    expected = {archive.MANIFEST, *texts, *(f"{archive.BLOBS}{name}" for name in contents.blobs)}
    for name in sorted(expected - set(members.namelist())):
        yield Difference(name, what="missing")
    for name in sorted(set(members.namelist()) - expected):
        yield Difference(name, what="no record names it")


def _texts_apart(members: ZipFile, texts: Mapping[str, bytes], *, same_versions: bool) -> Iterator[Difference]:
    """The members that are computed. Where versions differ, of the figures those that both know."""
    there = set(members.namelist())
    for name, computed in texts.items():
        if name not in there or (name in _LOOKS and not same_versions):
            continue
        held = members.read(name)
        if held == computed:
            continue
        if name == archive.FIGURES:
            apart = tuple(_figures_apart(held, computed, same_versions=same_versions))
            yield from apart
            if apart or not same_versions:
                continue
        yield Difference(name, what=f"computed again it differs, from byte {_first(held, computed):,} on")


def _first(held: bytes, computed: bytes) -> int:
    pairs = enumerate(zip(held, computed, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(held), len(computed)))


def _figures_apart(held: bytes, computed: bytes, *, same_versions: bool) -> Iterator[Difference]:
    """Row by row, figure by figure."""
    try:
        before, after = (_rows(each) for each in (held, computed))
    except (UnicodeDecodeError, csv.Error, KeyError):
        yield Difference(archive.FIGURES, what="no table of figures")
        return
    for case in {**after, **before}:
        mine, other = after.get(case), before.get(case)
        if mine is None or other is None:
            yield Difference(archive.FIGURES, plain(case), what="no record has it" if mine is None else "it is missing")
            continue
        names = [name for name in {**mine, **other} if same_versions or (name in mine and name in other)]
        for name in names:
            if mine.get(name) != other.get(name):
                yield Difference(archive.FIGURES, plain(case), plain(name), _held(other, name), mine.get(name))


def _held(row: Mapping[str, str], name: str) -> str | None:
    value = row.get(name)
    return None if value is None else plain(f"{value}")


def _rows(data: bytes) -> dict[str, dict[str, str]]:
    """By case."""
    rows = csv.DictReader(io.StringIO(data.decode()), restkey="beyond its last column", restval="")
    return {row["case"]: row for row in rows}


def _blobs_apart(contents: Contents) -> Iterator[Difference]:
    """The figures of records that are functions of blobs."""
    folder = blobs_folder(contents.store)
    for _, record in contents.records:
        yield from _blob_apart(contents, record, folder)


def _blob_apart(contents: Contents, record: Record, folder: Path) -> Iterator[Difference]:
    try:
        yield from blob_differences(record, folder, archive.RECORDS)
    except UserError as error:
        yield Difference(archive.RECORDS, record.key, what=error.message.replace(f"{contents.store}/", ""))
