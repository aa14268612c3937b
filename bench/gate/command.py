"""One command from start to end, with all processes that it starts: its output, and how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...devices.processes import Guarded, run_guarded
from ..run.stop import Stop

# Of the output only the end is read.
OUTPUT_BYTES = 64 << 20


@dataclass(frozen=True)
class CommandResult:
    """How a command ended; `returncode` is None where it took too long or was stopped."""

    output: bytes  # the end of it
    errors: bytes  # the end of it
    returncode: int | None
    seconds: float


def run_command(words: Sequence[str], timeout_s: float, stop: Stop) -> CommandResult:
    """Run a command; everything it started is ended too. Raises OSError."""
    output = bytearray()

    def keep(data: bytes) -> None:
        output.extend(data)
        del output[:-OUTPUT_BYTES]

    ended = run_guarded(Guarded(words, timeout_s=timeout_s), keep, stop=stop)
    whole = not (ended.timed_out or ended.stopped)
    return CommandResult(bytes(output), ended.errors, ended.returncode if whole else None, ended.seconds)
