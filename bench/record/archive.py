"""Bundles: what a store's records are and what their figures need, in one .zip that everybody packs to the same bytes.

A path may lead through one: `results.zip/records.jsonl` is that member. A bundle may come from anybody, so nothing is
unpacked. Its members are stored as they are, which leaves nothing to inflate; their names are those of the table below;
and each is what the manifest says before a byte of it is used.
"""

from __future__ import annotations

import errno
import hashlib
import re
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ENVIRONMENT, UserError
from .plain import plain

ENDING = ".zip"
FORMAT = 1

# What a bundle holds, by name: what it is.
MANIFEST, RECORDS, PROFILES = "manifest.json", "records.jsonl", "profiles.jsonl"
FIGURES, PAGE, ENVIRONMENTS, COMMANDS = "results.csv", "report.html", "environment.json", "repeat.txt"
BLOBS = "blobs/"
MEMBERS = {
    RECORDS: "the records, line by line as they stand in the store",
    PROFILES: "the operator profiles, likewise",
    BLOBS: "times of frames, scores of films, answers after a start: each file named by its sha256",
    FIGURES: "every figure of the tables, a row a case",
    PAGE: "the page",
    ENVIRONMENTS: "the machines, their settings and versions, as the records have them",
    COMMANDS: "the commands that measure all of it again",
    MANIFEST: "format, versions, and the sha256 of each of these",
}
_NAME = re.compile(rf"{BLOBS}[0-9a-f]{{64}}|" + "|".join(re.escape(name) for name in MEMBERS if name != BLOBS))

_TIME = (1980, 1, 1, 0, 0, 0)  # the first that the format knows
_UNIX, _REGULAR = 3, 0o100644
_CHUNK_BYTES = 1 << 20
_MOST_MANIFEST_BYTES = _MOST_DIRECTORY_BYTES = 1 << 24  # of 65,535 members, the most without ZIP64
_END = struct.Struct("<4s4H2LH")  # end of the central directory: signature, ..., size and place of the directory, ...
_END_MARK, _ZIP64_MARK, _ZIP64_BYTES = b"PK\5\6", b"PK\6\7", 20


class Manifest(BaseModel):
    """What a bundle says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    made_with: dict[str, str] = Field(description="versions of what its page is made with: co3d_bench and the plots")
    members: dict[str, str] = Field(description="sha256 of each other member, by name")


def archive_of(file: Path) -> Path | None:
    """The bundle that a path leads into; None where it is an ordinary path."""
    return next((each for each in file.parents if each.suffix == ENDING and each.is_file()), None)


@contextmanager
def open_file(file: Path) -> Iterator[IO[bytes]]:
    """A file of a store, to be read; it may be a member of a bundle. Raises OSError where it cannot be read, UserError
    for a bundle that is none or whose member is not what its manifest says."""
    archive = archive_of(file)
    if archive is None:
        with file.open("rb") as opened:
            yield opened
        return
    with opened_archive(archive) as (members, manifest):
        name = file.relative_to(archive).as_posix()
        if name not in manifest.members:
            raise FileNotFoundError(errno.ENOENT, "not in the bundle", str(file))
        if (sha256 := sha256_of(members, name)) != manifest.members[name]:
            raise UserError(f"{file}: not what was bundled: its sha256 is {sha256[:12]}...", ENVIRONMENT)
        with members.open(name) as opened:
            yield opened


@contextmanager
def opened_archive(path: Path) -> Iterator[tuple[ZipFile, Manifest]]:
    """A bundle whose list of members is right; what is in them was not looked at. Raises OSError, and UserError for
    anything that is no bundle."""
    try:
        with path.open("rb") as file:
            _check_end(path, file)
            with ZipFile(file) as members:
                _check_names(path, file, members)
                yield members, _manifest(path, members)
    except (BadZipFile, NotImplementedError, EOFError, ValueError, OverflowError, struct.error) as error:
        raise UserError(f"{path}: damaged, or no bundle: {plain(str(error))[:80]}", ENVIRONMENT) from error


def sha256_of(members: ZipFile, name: str) -> str:
    """Of a member's content."""
    found = hashlib.sha256()
    with members.open(name) as file:
        while data := file.read(_CHUNK_BYTES):
            found.update(data)
    return found.hexdigest()


def _no_bundle(path: Path, why: str) -> UserError:
    return UserError(f"{path}: no bundle ({why}); `co3d-bench bundle STORE -o {path.name}` writes one", ENVIRONMENT)


def _check_end(path: Path, file: IO[bytes]) -> None:
    """The list of members is read whole, so its size is looked at first: a file may claim anything."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END.size - _ZIP64_BYTES))
    tail = file.read()
    if len(tail) < _END.size or not tail[-_END.size :].startswith(_END_MARK):
        raise _no_bundle(path, "it does not end as a zip file without a comment")
    directory_bytes = _END.unpack(tail[-_END.size :])[5]
    if tail.startswith(_ZIP64_MARK) or directory_bytes > _MOST_DIRECTORY_BYTES:
        raise _no_bundle(path, "more than 65,535 members or 4 GiB")
    file.seek(0)


def _check_names(path: Path, file: IO[bytes], members: ZipFile) -> None:
    seen: set[str] = set()
    for each in members.infolist():
        name = plain(each.orig_filename)[:80]
        if not _NAME.fullmatch(each.orig_filename):
            raise _no_bundle(path, f"no bundle has a member {name!r}")
        if each.filename in seen:
            raise _no_bundle(path, f"{name} is in it twice")
        kind = each.external_attr >> 16
        if each.compress_type != ZIP_STORED or each.file_size != each.compress_size or each.flag_bits or each.extra:
            raise _no_bundle(path, f"{name} is not stored as it is")
        if kind not in (0, _REGULAR):
            raise _no_bundle(path, f"{name} is no plain file")
        seen.add(each.filename)
    if sum(each.file_size for each in members.infolist()) > file.seek(0, 2):
        raise _no_bundle(path, "its members overlap")
    if missing := next((name for name in (MANIFEST, RECORDS) if name not in seen), None):
        raise _no_bundle(path, f"{missing} is missing")


def _manifest(path: Path, members: ZipFile) -> Manifest:
    if members.getinfo(MANIFEST).file_size > _MOST_MANIFEST_BYTES:
        raise _no_bundle(path, f"{MANIFEST} is too large")
    try:
        manifest = Manifest.model_validate_json(members.read(MANIFEST))
    except ValidationError as error:
        raise _no_bundle(path, f"{MANIFEST} is none") from error
    if manifest.format > FORMAT:
        raise UserError(f"{path}: of a newer co3d-bench (format {manifest.format}); update this one", ENVIRONMENT)
    differs = set(manifest.members) ^ (set(members.namelist()) - {MANIFEST})
    if differs:
        raise _no_bundle(path, f"{MANIFEST} and the members differ: {plain(min(differs))[:80]}")
    return manifest


def manifest_text(members: dict[str, str], made_with: dict[str, str]) -> bytes:
    """The manifest of these members (name to sha256)."""
    manifest = Manifest(format=FORMAT, made_with=made_with, members=dict(sorted(members.items())))
    return manifest.model_dump_json(indent=1).encode() + b"\n"


def write_archive(file: IO[bytes], members: Iterable[tuple[str, bytes]]) -> None:
    """Pack these in their order, always to the same bytes.

    Not compressed: the bytes of a compressor are those of one version of zlib, and differ from machine to machine.
    """
    with ZipFile(file, "w", ZIP_STORED, allowZip64=False) as archive:
        for name, data in members:
            entry = ZipInfo(name, _TIME)
            entry.create_system = _UNIX
            entry.external_attr = _REGULAR << 16
            archive.writestr(entry, data)
