"""One command from start to end, with all processes that it starts: its output, and how long it took."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, cast

from ..run.stop import Stop

_READ_BYTES = 1 << 16


@dataclass(frozen=True)
class CommandResult:
    """How a command ended; `returncode` is None where it took too long or was stopped."""

    output: bytes
    errors: bytes
    returncode: int | None
    seconds: float


def run_command(words: Sequence[str], timeout_s: float, stop: Stop) -> CommandResult:
    """Run a command in its own process group; what is left of the group is killed afterwards. Raises OSError."""
    begin = end = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - the user's own words, split and without a shell
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    pipes = cast("tuple[IO[bytes], IO[bytes]]", (process.stdout, process.stderr))
    output = {pipe: bytearray() for pipe in pipes}
    ended = False
    try:
        with selectors.DefaultSelector() as selector:
            for source in (*pipes, stop):
                selector.register(source, selectors.EVENT_READ)
            while len(selector.get_map()) > 1 and not stop.signal:
                left = begin + timeout_s - time.perf_counter()
                if left <= 0:
                    break
                for key, _ in selector.select(left):
                    if key.fileobj is stop:
                        continue
                    data = os.read(key.fd, _READ_BYTES)
                    output[cast("IO[bytes]", key.fileobj)] += data
                    if not data:
                        selector.unregister(key.fileobj)
            else:
                ended = not stop.signal
        if ended:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, begin + timeout_s - time.perf_counter()))
            end = time.perf_counter()
    finally:
        returncode = process.poll()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in pipes:
            pipe.close()
    printed, errors = (bytes(output[pipe]) for pipe in pipes)
    return CommandResult(printed, errors, returncode if ended else None, end - begin)
