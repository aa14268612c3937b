"""Standard output and error that are closed, full or unread; and rich output as text."""

from __future__ import annotations

import io
import os
import sys
from typing import Any


def open_missing() -> None:
    """Open closed standard streams on /dev/null.

    Otherwise the next opened file would get the descriptor, and printed text would land in it.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    sys.stdout = sys.stdout or os.fdopen(os.dup(1), "w")
    sys.stderr = sys.stderr or os.fdopen(os.dup(2), "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that has no ü shows \xfc


def discard_output() -> None:
    """Discard the rest of standard output, so that Python does not fail to flush it at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def drawn(renderable: Any) -> str:
    """What rich would print, as text. rich itself ends the process on a closed pipe."""
    from rich.console import Console

    console = Console()
    with console.capture() as text:
        console.print(renderable)
    return text.get()
