"""What is too large for a line of a record: files that are named by their sha256.

A blob is on the disk before the record that names it.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile, is_zipfile

from ..errors import ENVIRONMENT, UserError
from .archive import open_file
from .store import cannot_write, make_store, records_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NAME = re.compile(r"[0-9a-f]{64}")
MOST_ARRAY_BYTES = 1 << 30  # of a blob, unpacked: far more than the scores of Kinetics-700


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
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            except OSError:  # half a blob is of no use, and the disk may be full
                os.unlink(file.name)  # noqa: PTH108
                raise
        os.chmod(file.name, folder.stat().st_mode & 0o644)  # noqa: PTH101 - whoever may read the records, may read it
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
    if not _NAME.fullmatch(name):  # it may lead anywhere
        raise UserError(f"{folder}: holds no blob of the name {name[:80]!r}, which is no sha256", ENVIRONMENT)
    try:
        with open_file(folder / name) as file:
            data = file.read()
    except OSError as error:
        raise UserError(f"{folder / name}: cannot be read: {error.strerror}", ENVIRONMENT) from error
    if hashlib.sha256(data).hexdigest() != name:
        raise UserError(
            f"{folder / name}: was changed since it was written: its content has another sha256", ENVIRONMENT
        )
    return data


def read_arrays(folder: Path, name: str) -> Mapping[str, NDArray[np.float64]]:
    """The rows of numbers of a blob that `numpy.savez` wrote, by name. Raises UserError as `load_arrays`, and where it
    holds something else."""
    import numpy as np

    found = load_arrays(folder, name)
    if any(array.ndim != 1 or array.dtype != np.float64 for array in found.values()):
        raise UserError(f"{folder / name}: holds something else than rows of numbers", ENVIRONMENT)
    return found


def load_arrays(folder: Path, name: str) -> dict[str, NDArray[Any]]:
    """The arrays of a blob that `numpy.savez` wrote, by name. Raises UserError as `read_blob`, and where it is no such
    file."""
    import numpy as np

    data = read_blob(folder, name)
    wrong = UserError(f"{folder / name}: holds no arrays of numpy", ENVIRONMENT)
    if not is_zipfile(io.BytesIO(data)):
        raise wrong
    try:
        with ZipFile(io.BytesIO(data)) as packed:
            if sum(each.file_size for each in packed.infolist()) > MOST_ARRAY_BYTES:  # a few packed bytes may be many
                raise wrong
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            found = {each: file[each] for each in file.files}
    except Exception as error:  # whatever zipfile, its decompressors and numpy raise for what anybody may have written
        raise wrong from error
    if not all(isinstance(array, np.ndarray) for array in found.values()):
        raise wrong
    return found
