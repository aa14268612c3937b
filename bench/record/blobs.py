"""What is too large for a line of a record: files that are named by their sha256.

A blob is on the disk before the record that names it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from ..errors import ENVIRONMENT, UserError
from .store import cannot_write, make_store, records_file


def blobs_folder(store: str | Path) -> Path:
    """The folder of a store's blobs."""
    return records_file(store).with_name("blobs")


def write_blob(folder: Path, data: bytes) -> str:
    """Write data durably under its sha256, and return that. Raises UserError if the disk does not take it."""
    name = hashlib.sha256(data).hexdigest()
    try:
        make_store(folder.parent)
        folder.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(file.name, folder / name)  # noqa: PTH105
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return name


def read_blob(folder: Path, name: str) -> bytes:
    """The data of that sha256. Raises UserError where it is missing or not what its name says."""
    try:
        data = (folder / name).read_bytes()
    except OSError as error:
        raise UserError(f"{folder / name}: cannot be read: {error.strerror}", ENVIRONMENT) from error
    if hashlib.sha256(data).hexdigest() != name:
        raise UserError(f"{folder / name}: not what was written: its content has another sha256", ENVIRONMENT)
    return data
