"""The files that describe a machine: this one's, an invented one's for tests, or those a board sent over.

All that recognises, describes and checks a machine is a function of a `Root`, so one code serves all three. Paths
are absolute, as on that machine (`/sys/class/thermal/...`). Text is stripped of white space around it.
"""

from __future__ import annotations

import errno
import fnmatch
import glob
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol


class Reason(str, Enum):
    """Why a file has no text. A board sends these values over."""

    MISSING = "missing"
    FORBIDDEN = "not permitted"
    GATED = "gated"  # the part of the chip that it belongs to is switched off: EAGAIN
    FAILED = "failed"


_REASONS = {
    errno.ENOENT: Reason.MISSING,
    errno.ENOTDIR: Reason.MISSING,
    errno.EISDIR: Reason.MISSING,
    errno.EACCES: Reason.FORBIDDEN,
    errno.EPERM: Reason.FORBIDDEN,
    errno.EROFS: Reason.FORBIDDEN,
    errno.EAGAIN: Reason.GATED,
    errno.EBUSY: Reason.GATED,
    errno.ENODATA: Reason.GATED,
}


@dataclass(frozen=True)
class Contents:
    """The contents of one file: its text, or why there is none; never both."""

    text: str | None = None
    reason: Reason | None = None


class Root(Protocol):
    """Where the files of a machine are read."""

    def contents(self, path: str) -> Contents:
        """The text of a file, or why there is none."""
        ...

    def read(self, path: str) -> str | None:
        """The text of a file; None where there is none, for whatever reason."""
        ...

    def glob(self, pattern: str) -> tuple[str, ...]:
        """The files and folders that match, sorted. `*` stays within one part of the path."""
        ...


class Writable(Root, Protocol):
    """A root whose settings can be changed."""

    def write(self, path: str, text: str) -> Reason | None:
        """Write a setting; why it could not be done, or None. No file is made that is not there."""
        ...


def reason_of(error: OSError) -> Reason:
    """The reason for an error of the kernel."""
    return _REASONS.get(error.errno or 0, Reason.FAILED)


@dataclass(frozen=True)
class Local:
    """The machine we run on; or, below another folder, an invented one."""

    sysroot: Path = Path("/")

    def contents(self, path: str) -> Contents:
        try:
            data = self._file(path).read_bytes()
        except OSError as error:
            return Contents(reason=reason_of(error))
        return Contents(data.decode(errors="replace").strip())

    def read(self, path: str) -> str | None:
        return self.contents(path).text

    def glob(self, pattern: str) -> tuple[str, ...]:
        found = glob.glob(pattern.lstrip("/"), root_dir=self.sysroot)  # noqa: PTH207 - relative to a root, in one call
        return tuple(sorted(f"/{path}" for path in found))

    def write(self, path: str, text: str) -> Reason | None:
        try:
            descriptor = os.open(self._file(path), os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        except OSError as error:
            return reason_of(error)
        try:
            os.write(descriptor, text.encode())
        except OSError as error:
            return reason_of(error)
        finally:
            os.close(descriptor)
        return None

    def _file(self, path: str) -> Path:
        return self.sysroot / path.lstrip("/")


@dataclass(frozen=True)
class Snapshot:
    """Files as they were on another machine when it was asked."""

    files: Mapping[str, str]
    unread: Mapping[str, Reason] = field(default_factory=dict)  # files that are there, and gave no text

    def contents(self, path: str) -> Contents:
        if path in self.files:
            return Contents(self.files[path].strip())
        return Contents(reason=self.unread.get(path, Reason.MISSING))

    def read(self, path: str) -> str | None:
        return self.contents(path).text

    def glob(self, pattern: str) -> tuple[str, ...]:
        wanted = pattern.strip("/").split("/")
        found = set()
        for path in (*self.files, *self.unread):
            parts = path.strip("/").split("/")[: len(wanted)]  # a folder is there because something in it is
            if len(parts) == len(wanted) and all(map(_fits, parts, wanted)):
                found.add("/" + "/".join(parts))
        return tuple(sorted(found))


def _fits(name: str, pattern: str) -> bool:
    # As the shell's and glob's: a name that begins with a dot is not meant by a star.
    return fnmatch.fnmatchcase(name, pattern) and (not name.startswith(".") or pattern.startswith("."))


def number(root: Root, path: str) -> int | None:
    """The whole number in a file; None where there is none."""
    return whole(root.read(path))


def whole(text: str | None) -> int | None:
    """A whole number in text, with its sign; None for anything else."""
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


THIS_MACHINE = Local()
