"""One host process a store: a second one would take the cases of the first for those of a host that was killed."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ENVIRONMENT, UserError
from ..record.store import cannot_write, make_store, records_file

FILE_NAME = "fleet.lock"


def check_only_host(out: str | Path) -> None:
    """Before boards are asked, which another process may use. Raises UserError as `only_host` does; makes no store."""
    if records_file(out).with_name(FILE_NAME).exists():
        with only_host(out):
            pass


@contextmanager
def only_host(out: str | Path) -> Iterator[None]:
    """Hold the lock of a store; the kernel frees it when this process ends, however that happens. Raises UserError
    where another process holds it."""
    file = records_file(out).with_name(FILE_NAME)
    try:
        make_store(file.parent)
        lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise cannot_write(file, error) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 100, 0).decode(errors="replace").strip()
            raise UserError(
                f"{file.parent}: process {holder} measures a fleet into it; wait for it, or choose another folder with "
                "--out",
                ENVIRONMENT,
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)
