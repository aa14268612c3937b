"""Standard output and error where they are closed, full, or nobody reads them."""

from __future__ import annotations

import os
import sys


def open_missing() -> None:
    """Give closed standard streams to /dev/null.

    A closed descriptor goes to the next file that is opened, and what is printed would land in that file.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    sys.stdout = sys.stdout or os.fdopen(os.dup(1), "w")
    sys.stderr = sys.stderr or os.fdopen(os.dup(2), "w")


def discard_output() -> None:
    """Send what is left in standard output's buffer nowhere, so that the interpreter does not fail at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
