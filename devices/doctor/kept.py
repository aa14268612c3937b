"""What `doctor --fix` changed, in a file that root alone can write: who can write it decides what is run as root."""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_MOST_BYTES = 1 << 20
_MINE = "; remove it if you restored the settings yourself"


class FixError(Exception):
    """A fix cannot be applied, and nothing was changed; the message is for people."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Change(_Strict):
    """A setting that was written, or a command that was run: what it was, and its undo."""

    path: str | None = None
    before: str | None = None
    value: str | None = None
    words: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()
    over_reboot: bool = False

    @property
    def text(self) -> str:
        """Its undo, for people."""
        return f"{self.path}: {self.value} -> {self.before}" if self.path else " ".join(self.undo)


class Changes(_Strict):
    """What was changed, oldest first, and the process that it is held for (0: nobody), by what tells it from a later
    one of the same number: the boot, and its start in ticks since then."""

    boot_id: str
    pid: int = Field(ge=0, lt=1 << 31)
    started: int | None = None
    done: list[Change] = Field(default_factory=list)


class Kept:
    """The file. `depth`: so many folders above it have to be safe as well, up to the machine's root."""

    def __init__(self, file: Path, depth: int) -> None:
        self.file = file
        self.store = file.with_name("jetson_clocks.conf")  # what the tool itself kept
        self._folders = list(file.parents)[:depth][::-1]  # the outermost first

    def read(self) -> Changes | None:
        """What it says; None without it. Raises FixError where it cannot be read, or somebody else could write it."""
        try:
            descriptor = os.open(self.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise FixError(f"{self.file}: cannot be read: {error.strerror}{_MINE}") from error
        try:
            self.check(self.file)
            data = os.read(descriptor, _MOST_BYTES)
        except OSError as error:
            raise FixError(f"{self.file}: cannot be read: {error.strerror}{_MINE}") from error
        finally:
            os.close(descriptor)
        try:
            return Changes.model_validate_json(data)
        except ValidationError as error:
            raise FixError(f"{self.file}: cannot be read: {error.errors()[0]['msg']}{_MINE}") from error

    def begin(self, changes: Changes) -> None:
        """Write it where there is none yet. Raises FixError where it cannot be written, or another doctor was first."""
        self._make_folders()
        self._write(changes, new=True)

    def write(self, changes: Changes) -> None:
        """Write it anew, whole or not at all. Raises FixError."""
        self._write(changes, new=False)

    def forget(self) -> None:
        """Nothing is changed any more."""
        for file in (self.file, self.store):
            file.unlink(missing_ok=True)

    def check(self, file: Path) -> None:
        """Raises FixError unless only root, or the user of this process, can write this file or replace it."""
        for each in (*self._folders, file):
            with suppress(FileNotFoundError):
                found = each.lstat()
                kind = stat.S_ISREG if each == file else stat.S_ISDIR
                # In a folder with the sticky bit others can write, but not replace what is not theirs.
                shared = found.st_mode & 0o022 and not (stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX)
                if not kind(found.st_mode) or shared or found.st_uid not in (0, os.geteuid()):
                    raise FixError(
                        f"{file}: is not used, since {each} is a link, or others than root can write it{_MINE}"
                    )

    def _make_folders(self) -> None:
        try:
            for folder in self._folders:
                with suppress(FileExistsError):
                    folder.mkdir(mode=0o755)
        except OSError as error:
            raise self._not_written(error) from error
        self.check(self.file)

    def _write(self, changes: Changes, new: bool) -> None:
        temporary = self.file.with_suffix(".new")
        try:
            temporary.unlink(missing_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            with os.fdopen(descriptor, "w") as file:
                json.dump(changes.model_dump(), file)
                file.flush()
                os.fsync(file.fileno())
            if new:
                os.link(temporary, self.file)
                temporary.unlink()
            else:
                temporary.replace(self.file)
            folder = os.open(self.file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except FileExistsError as error:
            raise FixError("another doctor is changing settings; wait until it ends") from error
        except OSError as error:
            raise self._not_written(error) from error

    def _not_written(self, error: OSError) -> FixError:
        return FixError(f"cannot write {self.file}: {error.strerror}; changing settings needs root (sudo)")


def start_of(pid: int) -> int | None:
    """When a process started, in ticks since the boot; None where there is none (0 is nobody)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[19])


def is_alive(changes: Changes) -> bool:
    """Whether the very process is there that the settings are held for."""
    now = start_of(changes.pid)
    return now is not None and changes.started in (None, now)
