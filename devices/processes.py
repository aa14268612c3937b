"""Processes of other people's code: started, listened to, and ended with all that they started (`guard.py`).

And `Channel`: how such a process answers, whatever its code prints, closes or leaves behind.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol, cast

GUARD = Path(__file__).with_name("guard.py")
STDERR_TAIL_BYTES = 16 << 10
_READ_BYTES = 1 << 16
# How long a process may take to end after its answer: its code may have left threads that never do.
EXIT_GRACE_S = 2.0
# Longer than the guard needs to end everything.
_GUARD_S = 8.0


class StopSignal(Protocol):
    """Readable (`fileno`) once it is set, a byte each time; `signal` is then not None."""

    @property
    def signal(self) -> int | None: ...

    def fileno(self) -> int: ...


@dataclass(frozen=True)
class Guarded:
    """A command: its words, what it reads on standard input, variables beside our own, descriptors it inherits, its
    time."""

    command: Sequence[str]
    stdin: bytes = b""
    environment: Mapping[str, str] = field(default_factory=dict)
    pass_fds: Sequence[int] = ()
    timeout_s: float = float("inf")


@dataclass(frozen=True)
class Ended:
    """How a command ended, and nothing of it is left. `returncode`: minus the number of a signal, as subprocess has it;
    `seconds`: from its start to its end."""

    returncode: int
    seconds: float
    errors: bytes  # the end of standard error
    timed_out: bool = False
    stopped: bool = False


def run_guarded(
    guarded: Guarded,
    on_output: Callable[[bytes], None],
    *,
    answered: Callable[[], bool] = lambda: False,
    stop: StopSignal | None = None,
    on_errors: Callable[[bytes], None] = lambda data: None,
    finishes: Callable[[], bool] | None = None,
) -> Ended:
    """Run a command until it ends, its time is over, or `stop` is signalled; then end all that it has started.

    Standard output goes to `on_output` as it comes. Once `answered`, the command has `EXIT_GRACE_S` left. `finishes`:
    whether it ends by itself, early, when `stop` is signalled. A line on its standard input, which stays open for that,
    asks it to; a second signal ends it at once. Raises OSError where it cannot be started.
    """
    status_read, status = os.pipe()
    begin = time.monotonic()
    try:
        guard = subprocess.Popen(  # noqa: S603 - no shell
            [sys.executable, "-I", "-S", str(GUARD), str(status), str(os.getpid()), *guarded.command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches us alone
            env={**os.environ, **guarded.environment},
            pass_fds=(status, *guarded.pass_fds),
        )
    finally:
        os.close(status)
    exchange = _Exchange(guard, status_read, guarded.stdin, on_output, on_errors, answered, finishes)
    try:
        timed_out = not exchange.read_until_end(begin + guarded.timeout_s, stop)
    finally:
        _end(guard)
        exchange.finish()
    if exchange.error_number is not None:
        raise OSError(exchange.error_number, os.strerror(exchange.error_number), guarded.command[0])
    returncode, seconds = exchange.ended or (-signal.SIGKILL, time.monotonic() - begin)
    stopped = stop is not None and stop.signal is not None
    return Ended(returncode, seconds, bytes(exchange.tail), timed_out, stopped)


def _end(guard: subprocess.Popen[bytes]) -> None:
    """Have the guard end everything, also where the code has stopped it."""
    for number in (signal.SIGTERM, signal.SIGCONT):
        guard.send_signal(number)  # nothing where it has ended
    try:
        guard.wait(_GUARD_S)
    except subprocess.TimeoutExpired:
        guard.kill()  # the command dies with it
        guard.wait()


class _Exchange:
    """The pipes between us and a guarded command."""

    def __init__(
        self,
        guard: subprocess.Popen[bytes],
        status: int,
        stdin: bytes,
        on_output: Callable[[bytes], None],
        on_errors: Callable[[bytes], None],
        answered: Callable[[], bool],
        finishes: Callable[[], bool] | None,
    ) -> None:
        self._pipes = cast("tuple[IO[bytes], IO[bytes], IO[bytes]]", (guard.stdin, guard.stdout, guard.stderr))
        self._status = status
        self._stdin = memoryview(stdin)
        self._on_output, self._on_errors, self._answered = on_output, on_errors, answered
        self._finishes = finishes
        self._status_text = b""
        self.tail = bytearray()
        self.ended: tuple[int, float] | None = None
        self.error_number: int | None = None

    def read_until_end(self, deadline: float, stop: StopSignal | None) -> bool:
        """Read until the command has ended or answered; False where its time was over first."""
        stdin, stdout, stderr = self._pipes
        last = float("inf")  # until when it may go on after its answer
        asked = False  # to end by itself
        with selectors.DefaultSelector() as selector:
            for source in (stdout, stderr, self._status, *([stop] if stop else [])):
                selector.register(source, selectors.EVENT_READ)
            os.set_blocking(stdin.fileno(), False)
            selector.register(stdin, selectors.EVENT_WRITE)
            while asked or not (stop and stop.signal) or (asked := self._ask_to_finish(stop)):
                left = min(deadline, last) - time.monotonic()
                if left <= 0:
                    return last <= deadline
                for key, _ in selector.select(left if left < float("inf") else None):
                    if key.fileobj is stdin:
                        self._write(selector)
                    elif key.fileobj is stop:
                        if asked:
                            return True
                    elif not self._read(key.fileobj):
                        selector.unregister(key.fileobj)
                        if key.fileobj == self._status:
                            return True
                if last == float("inf") and self._answered():
                    last = time.monotonic() + EXIT_GRACE_S
        return True

    def _ask_to_finish(self, stop: StopSignal) -> bool:
        """Ask the command to end; False where it cannot by itself."""
        if self._finishes is None or not self._finishes():
            return False
        os.read(stop.fileno(), 1)  # the next byte is of another signal
        with suppress(OSError):  # it may have ended
            os.write(self._pipes[0].fileno(), b"\n")
        return True

    def finish(self) -> None:
        """Take what is still in the pipes, whoever may hold them, and close them, also where nobody takes it."""
        try:
            for source in (*self._pipes[1:], self._status):
                os.set_blocking(source if isinstance(source, int) else source.fileno(), False)
                with suppress(BlockingIOError):
                    while self._read(source):
                        pass
        finally:
            os.close(self._status)
            for pipe in self._pipes:
                with suppress(BrokenPipeError):
                    pipe.close()
        for line in self._status_text.decode().splitlines():
            word, *values = line.split()
            if word == "error":
                self.error_number = int(values[0])
            else:
                self.ended = int(values[0]), float(values[1])

    def _read(self, source: object) -> bool:
        """Take the next bytes of a pipe; False at its end."""
        fd = self._status if source == self._status else cast("IO[bytes]", source).fileno()
        data = os.read(fd, _READ_BYTES)
        if source == self._status:
            self._status_text += data
        elif source is self._pipes[1]:
            if data:
                self._on_output(data)
        else:
            self.tail += data
            del self.tail[:-STDERR_TAIL_BYTES]
            self._on_errors(data)
        return bool(data)

    def _write(self, selector: selectors.BaseSelector) -> None:
        stdin = self._pipes[0]
        with suppress(BrokenPipeError):  # it ended, or does not want to know
            if self._stdin:
                self._stdin = self._stdin[os.write(stdin.fileno(), self._stdin[:_READ_BYTES]) :]
            if self._stdin:
                return
        selector.unregister(stdin)
        if self._finishes is None:
            stdin.close()


class Channel:
    """What a guarded process answers on: standard output as it was. Standard output itself is pointed at standard
    error, so that nothing that its code prints can come between.

    Code that closes all descriptors, as daemons do, may get this one for a file of its own. So it is checked before
    anything is written, and found again at the guard.
    """

    def __init__(self) -> None:
        self._fd = os.dup(1)
        self._pipe = _identity(self._fd)
        os.dup2(2, 1)

    def send(self, data: bytes) -> None:
        """Write all of it. Raises OSError where the channel is lost."""
        if _identity(self._fd) != self._pipe:
            self._fd = os.open(f"/proc/{os.getppid()}/fd/1", os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            if _identity(self._fd) != self._pipe:
                raise OSError("its code closed the descriptor on which its results are sent")
            os.set_blocking(self._fd, True)
        rest = memoryview(data)
        while rest:  # one write is not enough for a long record: a pipe takes what fits
            rest = rest[os.write(self._fd, rest) :]


def _identity(fd: int) -> tuple[int, int] | None:
    """What a descriptor stands for; None where it is closed."""
    try:
        stat = os.fstat(fd)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
