"""The user's own ssh and scp: their configuration, keys and jump hosts. No shell here, and quoted words over there."""

from __future__ import annotations

import os
import selectors
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from ..processes import Guarded, run_guarded
from ..profile import check_host

# Nobody is there to answer a question, and a connection that is dead is noticed within a quarter of a minute.
OPTIONS = (
    *("-o", "BatchMode=yes"),
    *("-o", "ConnectTimeout=10"),
    *("-o", "ServerAliveInterval=5"),
    *("-o", "ServerAliveCountMax=3"),
)
# A command uses a shared connection that is open (`link.py`, or the user's own), and opens none, which would end with
# it.
_COMMAND = ("-o", "ControlMaster=no")
# What ssh ends with when the connection is at fault; anything else comes from the command over there.
LOST = 255
STDERR_CHARACTERS = 4000
# What a command there may print: in all, and in one of the lines that are read as they come. A line holds the answer to
# one input at most.
OUTPUT_BYTES = 1 << 30
LINE_BYTES = 64 << 20
_READ_BYTES = 1 << 16
# sftp reads its protocol from what the shell there prints.
_NOISE = "Received message too long"


class Unreachable(Exception):
    """There is no connection, or there is none any more; the message is what ssh says."""


class TooMuch(Exception):
    """A command there prints more than it may; the message is for people."""


@dataclass(frozen=True)
class Done:
    """How a command over there ended."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Ssh:
    """A host, and what is done there. Raises ValueError for a host that ssh could take for something else.

    `silence_s`: a command whose lines are read and that is silent for longer is taken for lost. `socket`: of a shared
    connection, used while it is open.
    """

    host: str
    silence_s: float | None = None
    socket: str | None = None

    def __post_init__(self) -> None:
        check_host(self.host)

    def command(self, words: Sequence[str]) -> list[str]:
        """What is run here to have those words run there."""
        return ["ssh", "-T", *self._options(), "--", self.host, shlex.join(words)]

    def run(self, words: Sequence[str], stdin: str = "", timeout_s: float = 120.0) -> Done:
        """Run a command there to its end. Raises Unreachable."""
        return self._call(self.command(words), stdin, timeout_s)

    def copy(self, files: Sequence[Path], folder: str, timeout_s: float = 1800.0) -> None:
        """Copy files into a folder there, whose name is made of plain characters. Raises Unreachable."""
        paths = [str(file.absolute()) for file in files]
        done = self._call(["scp", "-q", "-B", *self._options(), "--", *paths, f"{self.host}:{folder}/"], "", timeout_s)
        if done.returncode:
            raise Unreachable(last_line(done.stderr) or f"scp ended with exit code {done.returncode}")

    def users_connection_is_open(self) -> bool:
        """Whether a connection that the user's configuration shares (ControlPath) is open. Connects to nothing."""
        try:
            return self._call(["ssh", *_COMMAND, "-O", "check", "--", self.host], "", 10.0).returncode == 0
        except Unreachable:
            return False

    def _options(self) -> tuple[str, ...]:
        shared = ("-o", f"ControlPath={self.socket}") if self.socket and Path(self.socket).exists() else ()
        return (*_COMMAND, *shared, *OPTIONS)

    def lines(self, words: Sequence[str]) -> Iterator[bytes]:
        """The whole lines a command there prints, as they come, each with its end.

        Raises Unreachable where the connection breaks, OSError where the command fails.
        """
        process = subprocess.Popen(  # noqa: S603 - no shell here; the words for the one over there are quoted
            self.command(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        stdout, stderr = cast("tuple[IO[bytes], IO[bytes]]", (process.stdout, process.stderr))
        errors = bytearray()
        try:
            yield from self._lines(stdout, stderr, errors)
            process.wait()
            last = last_line(errors.decode(errors="replace"))
            if process.returncode == LOST:
                raise Unreachable(last or "the connection broke")
            if process.returncode:
                raise OSError(last or f"exit code {process.returncode}")
        finally:
            process.kill()
            process.wait()
            stdout.close()
            stderr.close()

    def _lines(self, stdout: IO[bytes], stderr: IO[bytes], errors: bytearray) -> Iterator[bytes]:
        """The whole lines of standard output; `errors` gets the end of the other. Raises Unreachable, TooMuch."""
        line, total = bytearray(), 0
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            selector.register(stderr, selectors.EVENT_READ)
            while stdout in {key.fileobj for key in selector.get_map().values()}:
                ready = selector.select(self.silence_s)
                if not ready:
                    raise Unreachable(f"nothing was received for {self.silence_s:g} s")
                for key, _ in ready:
                    data = os.read(key.fd, _READ_BYTES)
                    if not data:
                        selector.unregister(key.fileobj)
                    if key.fileobj is stderr:
                        errors += data
                        del errors[:-STDERR_CHARACTERS]
                        continue
                    total += len(data)
                    *ends, rest = data.split(b"\n")
                    for end in ends:
                        yield bytes(line + end + b"\n")
                        line.clear()
                    line += rest
                    _check(len(line), LINE_BYTES, "a line of what a command there prints")
                    _check(total, OUTPUT_BYTES, "what a command there prints")

    def _call(self, command: list[str], stdin: str, timeout_s: float) -> Done:
        output = bytearray()

        def keep(data: bytes) -> None:
            output.extend(data)
            _check(len(output), LINE_BYTES, "what a command there prints")

        try:
            done = run_guarded(Guarded(command, stdin.encode(), timeout_s=timeout_s), keep)
        except FileNotFoundError:
            raise Unreachable(f"{command[0]} is not installed here; on Debian: apt install openssh-client") from None
        except TooMuch as error:
            raise Unreachable(str(error)) from None
        if done.timed_out:
            raise Unreachable(f"no answer within {timeout_s:g} s")
        stderr = done.errors.decode(errors="replace")
        if done.returncode == LOST:
            raise Unreachable(last_line(stderr) or "the connection broke")
        return Done(done.returncode, output.decode(errors="replace"), stderr)


def _check(size: int, limit: int, what: str) -> None:
    if size > limit:
        raise TooMuch(f"{what} is longer than {limit >> 20} MiB")


def last_line(stderr: str) -> str:
    """The last line that is not empty; greetings and warnings come before it."""
    if _NOISE in stderr:
        return "its shell prints text without a login, which scp cannot read: make its .bashrc print nothing"
    lines = [line.strip() for line in stderr[-STDERR_CHARACTERS:].splitlines() if line.strip()]
    return lines[-1].removeprefix("scp: ") if lines else ""
