"""Compiled kernels, kept from one process to the next in a private folder of the cache.

    CACHE/kernels/<hash>.so    the library, followed by the sha256 of its bytes

The hash is of all that determines the library: see `key`. A folder or file that somebody else could have written is not
used, nor is a damaged one: loading half a library would end the process. Libraries that were not used for 90 days are
removed when a new one is added.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import stat
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ....models.weights.cache import cache_folder
from ....models.weights.errors import NoCacheError

_FEATURES = ("vendor_id", "cpu family", "model", "flags", "Features", "CPU implementer", "CPU architecture", "CPU part")
DIGEST_BYTES = 32
UNUSED_S = 90 * 24 * 3600.0


def key(source: bytes, compiler: str, version: str, flags: Sequence[str]) -> str:
    """The name of the library that this compiler and version build of the source on this processor."""
    path = shutil.which(compiler) or compiler
    parts = (source, os.path.realpath(path).encode(), version.encode(), *map(os.fsencode, flags), _processor().encode())
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:40]


def find(name: str) -> Path | None:
    """The library of that name, if it exists, is whole, and only we could have written it."""
    folder = _folder()
    if folder is None:
        return None
    path = folder / f"{name}.so"
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            private = _is_private(facts) and stat.S_ISREG(facts.st_mode) and not path.is_symlink()
            content = file.read() if private else b""
            with suppress(OSError):
                os.utime(file.fileno())  # used
    except OSError:
        return None
    library, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    return path if library and _digest(library) == digest else None


def keep(name: str, library: Path) -> None:
    """Add a library, if possible; atomically, since other processes read at the same time."""
    folder = _folder()
    if folder is None:
        return
    content = library.read_bytes()
    new = None
    try:
        handle, new = tempfile.mkstemp(dir=folder, prefix=f"{name}.", suffix=".new")  # readable by us alone
        with os.fdopen(handle, "wb") as file:
            file.write(content + _digest(content))  # the loader ignores what follows the library
        Path(new).replace(folder / f"{name}.so")
        _remove_unused(folder)
    except OSError:
        if new:
            Path(new).unlink(missing_ok=True)


def _remove_unused(folder: Path) -> None:
    oldest = time.time() - UNUSED_S
    for file in folder.iterdir():
        with suppress(OSError):  # another process may remove it at the same time
            if file.lstat().st_mtime < oldest:
                file.unlink()


def _folder() -> Path | None:
    """The private folder, created if it does not exist; None where it cannot be."""
    try:
        folder = cache_folder().absolute() / "kernels"
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        facts = folder.lstat()
    except (OSError, NoCacheError):
        return None
    return folder if stat.S_ISDIR(facts.st_mode) and _is_private(facts) else None


def _is_private(facts: os.stat_result) -> bool:
    return facts.st_uid == os.geteuid() and not facts.st_mode & 0o077


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _processor() -> str:
    """What `-march=native` depends on: the first core's model and instruction sets."""
    features = {}
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in _FEATURES:
                features.setdefault(name.strip(), value.strip())
    except OSError:
        pass
    return f"{platform.machine()} {platform.processor()} {features}"
