"""The only reading and writing of records: one line of JSON each, in `<folder>/records.jsonl`.

What holds, whatever is killed and whenever:
- a record that `append_record` has returned from is on the disk;
- two writers never mix their lines: each append is one write under an exclusive lock;
- a line torn by a power cut costs that line only: the next append starts on a fresh one, and readers skip it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from ..errors import ENVIRONMENT, NOTHING, UserError
from .archive import archive_of, open_file
from .garbage import paused_collector
from .migrate import migrate
from .plain import cleaned, needs_cleaning, plain
from .record import SCHEMA_VERSION, Record

FILE_NAME = "records.jsonl"
RUN_MARK = "newest-run"
T = TypeVar("T")

MOST_LINE_BYTES = 1 << 28
_MOST_SHOWN = 200
_MOST_NAMED = 20
_RUN_ID = re.compile(r"[A-Za-z0-9-]+")

# A record of the current version begins like this and can be validated without a migration.
_CURRENT_PREFIX = f'{{"schema_version":{SCHEMA_VERSION},'.encode()


class StoreWarning(UserWarning):
    """A line of a store could not be read and was skipped."""


def records_file(path: str | Path) -> Path:
    """The file of a store: `path` itself if it is a .jsonl, else `records.jsonl` in that folder or bundle (.zip)."""
    path = Path(path)
    return path if path.suffix == ".jsonl" else path / FILE_NAME


def make_store(folder: Path) -> None:
    """Create the folder of a store with a .gitignore, as virtual environments have; an existing folder stays as it is.
    Raises OSError if it cannot be created."""
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
        ignore(folder)


def ignore(folder: Path) -> None:
    """Write a .gitignore that hides everything in a folder, unless there is one."""
    with suppress(FileExistsError), (folder / ".gitignore").open("x") as file:
        file.write("*\n")


def append_record(path: str | Path, record: Record) -> None:
    """Write one record durably (flushed and fsynced). Raises UserError if it cannot be written."""
    append_line(records_file(path), record.model_dump_json())


def append_line(file: Path, text: str) -> None:
    """Write one line of JSON durably. Raises UserError if it cannot be written."""
    line = text.encode() + b"\n"
    try:
        make_store(file.parent)
        fd = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            size = os.fstat(fd).st_size
            torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            data = b"\n" + line if torn else line
            # One write for the whole line: a reader, or a second writer without locks, sees all of it or nothing.
            written = os.write(fd, data)
            if written != len(data):
                raise OSError(28, f"only {written} of {len(data)} bytes were written")
            os.fsync(fd)
            if size == 0:
                with suppress(FileNotFoundError):  # removed by somebody just now; the next line creates it again
                    _sync_folder(file.parent)
        finally:
            os.close(fd)
    except OSError as error:
        raise cannot_write(file, error) from error


def read_records(path: str | Path) -> list[Record]:
    """Every readable record of a store at once, as `each_record` gives them; raises what it raises."""
    with paused_collector():
        return list(each_record(path))


def each_record(path: str | Path) -> Iterator[Record]:
    """Every readable record of a store (a folder, a .jsonl file or a bundle), oldest first, one in memory at a time.

    A line that is no record is skipped with a StoreWarning. Raises UserError if there is no store,
    it cannot be read, or a record comes from a newer co3d-bench.
    """
    file = records_file(path)
    try:
        yield from each_line(file, parse_record)
    except FileNotFoundError:
        raise UserError(f"no records at {file}; `co3d-bench run` writes them", NOTHING) from None
    except NotADirectoryError:
        raise UserError(f"{path}: neither a folder of records nor a .jsonl file", ENVIRONMENT) from None
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}", ENVIRONMENT) from error


def parse_record(line: str | bytes) -> Record:
    """One line as a record, migrated if it is old. Raises ValueError (pydantic's included) if it is none."""
    data = line.encode() if isinstance(line, str) else line
    if data.startswith(_CURRENT_PREFIX) and not needs_cleaning(data):
        return Record.model_validate_json(data)
    raw = parse_object(data)
    try:
        return Record.model_validate_json(json.dumps(cleaned(migrate(raw))))
    except (TypeError, AttributeError, LookupError) as error:  # of a step that expected another type
        raise ValueError(f"not a record of version {raw.get('schema_version')}") from error


def parse_object(line: bytes) -> dict[str, Any]:
    """One line as a JSON object. Raises ValueError for anything else, deep nesting included."""
    try:
        raw = from_json(line)  # unlike `json`, it has a limit for nesting
    except ValueError as error:
        raise ValueError("torn (not whole JSON)") from error
    if not isinstance(raw, dict):
        raise ValueError("not a record")
    return raw


def each_line(file: Path, parse: Callable[[bytes], T]) -> Iterator[T]:
    """Every line of a file that is not empty, parsed; one that raises ValueError is skipped with a StoreWarning.

    Raises OSError where the file cannot be read, and the UserErrors of `parse` with file and line.
    """
    if file.exists() and not (file.is_file() or file.is_dir()):
        raise OSError(errno.EINVAL, "not a file of lines")  # a pipe or a device may have no end
    skipped = 0
    with open_file(file) as lines:
        for number, line in enumerate(_bounded(lines), start=1):
            if not line.strip():
                continue
            try:
                parsed = parse(line)
            except UserError as error:
                raise UserError(f"{file}, line {number}: {error.message}", error.exit_code) from error
            except ValueError as error:
                skipped += 1
                if skipped <= _MOST_NAMED:
                    warnings.warn(f"{file}, line {number}: {_why(error)}; skipped", StoreWarning, stacklevel=1)
            else:
                yield parsed
    if skipped > _MOST_NAMED:
        warnings.warn(f"{file}: {skipped - _MOST_NAMED} more lines skipped", StoreWarning, stacklevel=1)


def _bounded(lines: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file; of one that is longer than any record, only its beginning."""
    while line := lines.readline(MOST_LINE_BYTES):
        if not line.endswith(b"\n"):
            while (rest := lines.readline(MOST_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
        yield line


def check_writable(path: str | Path) -> None:
    """Check before measuring for minutes. Raises UserError if records cannot be written there."""
    file = records_file(path)
    try:
        make_store(file.parent)
        os.close(os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644))
    except OSError as error:
        raise cannot_write(file, error) from error


def mark_run(path: str | Path, run_id: str) -> None:
    """Note which run began last, so that `--resume` finds it even if it was killed before its first record."""
    mark = records_file(path).with_name(RUN_MARK)
    temporary = mark.with_name(f"{RUN_MARK}.{os.getpid()}")
    try:
        temporary.write_text(run_id + "\n")
        temporary.replace(mark)
    except OSError as error:
        raise cannot_write(mark, error) from error


def newest_run(path: str | Path) -> str | None:
    """The id of the run that began last in this store, or None if there is none."""
    mark = records_file(path).with_name(RUN_MARK)
    try:
        noted = mark.read_text(errors="replace").strip()
    except FileNotFoundError:
        noted = ""
    except OSError as error:
        raise UserError(f"cannot read {mark}: {error.strerror}", ENVIRONMENT) from error
    if _RUN_ID.fullmatch(noted):  # else it is damaged, and the records have it too
        return noted
    if not records_file(path).exists():
        return None
    records = read_records(path)
    return max(records, key=lambda record: record.started_at).run_id if records else None


def cannot_write(file: Path, error: OSError) -> UserError:
    """The error for a file that cannot be written."""
    reason = "a bundle is only read" if archive_of(file) else error.strerror or str(error)
    return UserError(f"cannot write {file}: {reason}; choose another folder with --out", ENVIRONMENT)


def _sync_folder(folder: Path) -> None:
    """A new file survives a power cut only once its folder is synced too."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _why(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        # the place may be a key, and the message a value, of whoever wrote the line
        return plain(f"not a record of this format ({_short(where) or 'torn'}: {_short(first['msg'])})")
    return plain(_short(str(error)))


def _short(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
