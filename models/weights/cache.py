"""Where fetched weights lie, and whether they are still what was fetched.

    CACHE/weights/pyslowfast/x3d_m.pyth           the file
    CACHE/weights/pyslowfast/x3d_m.pyth.sha256    its hash, in the form `sha256sum -c` reads
    CACHE/weights/pyslowfast/x3d_m.pyth.part      what has come so far of a download that broke off

CACHE is $CO3D_BENCH_CACHE, else $XDG_CACHE_HOME/co3d-bench, else ~/.cache/co3d-bench. A file put there by hand is as
good as a fetched one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from .errors import NoCacheError, WeightsError
from .sources import CHECKPOINTS, PublicCheckpoint

_CHUNK_BYTES = 1 << 20


def cache_folder() -> Path:
    """The folder of everything co3d-bench keeps for later; it need not exist.

    Raises NoCacheError where none is named and the user has no home, as in a container with an arbitrary user id.
    """
    if folder := os.environ.get("CO3D_BENCH_CACHE"):
        return Path(folder)
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if shared.is_absolute():  # a relative one is to be ignored (XDG Base Directory Specification)
        return shared / "co3d-bench"
    try:
        return Path.home() / ".cache" / "co3d-bench"
    except RuntimeError:
        raise NoCacheError("there is no home folder to keep files in: set CO3D_BENCH_CACHE to a folder") from None


def cached_path(checkpoint: PublicCheckpoint) -> Path:
    """Where that checkpoint lies, or would."""
    return cache_folder() / "weights" / checkpoint.project.name / checkpoint.file


def url_path(url: str) -> Path:
    """Where the file of any other address lies, or would: two addresses never share a file."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", urlsplit(url).path.rsplit("/", 1)[-1])[-100:] or "weights"
    return cache_folder() / "weights" / "url" / hashlib.sha256(url.encode()).hexdigest()[:12] / name


def note_path(path: Path) -> Path:
    """The file that holds the hash of `path`."""
    return path.with_name(f"{path.name}.sha256")


def part_path(path: Path) -> Path:
    """The file that holds what has come of `path` so far."""
    return path.with_name(f"{path.name}.part")


def sha256_of(path: Path) -> str:
    """The file's hash. Raises WeightsError if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file") from None
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def write_note(path: Path, sha256: str) -> None:
    """Keep the hash of `path` beside it."""
    note_path(path).write_text(f"{sha256}  {path.name}\n", encoding="utf-8")


def checked_sha256(path: Path) -> str:
    """The file's hash, held against what is known of it.

    Known is what its project states, and what was noted when it was fetched or first used. Raises WeightsError if the
    file is another one.
    """
    found = sha256_of(path)
    try:
        cache = cache_folder()
    except NoCacheError:  # then the file is the user's own
        return found
    stated = next((row.sha256 for row in CHECKPOINTS if cached_path(row) == path), None)
    if stated and not found.startswith(stated):
        raise WeightsError(
            f"{path}: its sha256 is {found}, and its project states {stated}: damaged, or another file; remove it and "
            "fetch it again"
        )
    noted = _noted_sha256(path)
    if noted and found != noted:
        raise WeightsError(
            f"{path}: its sha256 is {found}, and {note_path(path).name} beside it has {noted}: it has changed since; "
            "remove both and fetch it again"
        )
    if noted is None and path.is_relative_to(cache):
        with contextlib.suppress(OSError):  # a cache that cannot be written to can still be read
            write_note(path, found)
    return found


def _noted_sha256(path: Path) -> str | None:
    try:
        words = note_path(path).read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return None
    return words[0].lower() if words and re.fullmatch(r"[0-9a-fA-F]{64}", words[0]) else None
