"""Standard output and error that are closed, full or unread, or show text from outside; and rich output as text."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO, cast

from ..bench.record.plain import plain_lines

# What may stand in our output beside text: colours, and the line that progress overwrites.
_OURS = re.compile(r"(\r|\x1b\[[0-9;]*[mK])")
# A line that begins so, or text that holds this, is a command to the CI server that reads it.
_AT_BEGINNING, _ANYWHERE = re.compile(r"^(\s*):(?=:)", re.MULTILINE), re.compile(r"#(?=#\w*\[)")


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


class Guarded:
    """A stream of text that no terminal and no CI server takes for a command, whatever a name or message holds.

    Bytes for its `buffer` pass as they are: commands that are meant (click.echo writes them there).
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._begins = True  # whether the next character begins a line

    def write(self, text: str) -> int:
        parts = _OURS.split(text)
        parts[::2] = [self._harmless(part) for part in parts[::2]]
        self._stream.write("".join(parts))
        return len(text)

    def _harmless(self, text: str) -> str:
        found = _ANYWHERE.sub("# ", plain_lines(text))
        shown = _AT_BEGINNING.sub(r"\1: ", found if self._begins else f"-{found}")
        begins, self._begins = self._begins, text.endswith("\n") or (self._begins and not text.strip())
        return shown if begins else shown[1:]

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def guard() -> None:
    """From here on, text on standard output and error is harmless."""
    sys.stdout, sys.stderr = cast("TextIO", Guarded(sys.stdout)), cast("TextIO", Guarded(sys.stderr))


def discard_output() -> None:
    """Discard the rest of standard output, so that Python does not fail to flush it at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def drawn(renderable: Any) -> str:
    """What rich would print, as text. rich itself ends the process on a closed pipe."""
    from rich.console import Console

    console = Console(markup=False, emoji=False)  # names and commits come from anywhere
    with console.capture() as text:
        console.print(renderable)
    return text.get()
