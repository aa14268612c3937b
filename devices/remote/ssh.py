"""The user's own ssh and scp: their configuration, keys and jump hosts. No shell here, and quoted words over there."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from ..profile import check_host

# Nobody is there to answer a question, and a connection that is dead is noticed within a quarter of a minute.
OPTIONS = (
    *("-o", "BatchMode=yes"),
    *("-o", "ConnectTimeout=10"),
    *("-o", "ServerAliveInterval=5"),
    *("-o", "ServerAliveCountMax=3"),
)
# What ssh ends with when the connection is at fault; anything else comes from the command over there.
LOST = 255
STDERR_CHARACTERS = 4000


class Unreachable(Exception):
    """There is no connection, or there is none any more; the message is what ssh says."""


@dataclass(frozen=True)
class Done:
    """How a command over there ended."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Ssh:
    """A host, and what is done there. Raises ValueError for a host that ssh could take for something else."""

    host: str

    def __post_init__(self) -> None:
        check_host(self.host)

    def command(self, words: Sequence[str]) -> list[str]:
        """What is run here to have those words run there."""
        return ["ssh", "-T", *OPTIONS, "--", self.host, shlex.join(words)]

    def run(self, words: Sequence[str], stdin: str = "", timeout_s: float = 120.0) -> Done:
        """Run a command there to its end. Raises Unreachable."""
        return self._call(self.command(words), stdin, timeout_s)

    def copy(self, files: Sequence[Path], folder: str, timeout_s: float = 1800.0) -> None:
        """Copy files into a folder there, whose name is made of plain characters. Raises Unreachable."""
        paths = [str(file.absolute()) for file in files]
        done = self._call(["scp", "-q", "-B", *OPTIONS, "--", *paths, f"{self.host}:{folder}/"], "", timeout_s)
        if done.returncode:
            raise Unreachable(_last_line(done.stderr) or f"scp ended with exit code {done.returncode}")

    def lines(self, words: Sequence[str]) -> Iterator[bytes]:
        """The whole lines a command there prints, as they come, each with its end.

        Raises Unreachable where the connection breaks, OSError where the command fails.
        """
        process = subprocess.Popen(  # noqa: S603 - no shell here; the words for the one over there are quoted
            self.command(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        stdout, stderr = cast("tuple[IO[bytes], IO[bytes]]", (process.stdout, process.stderr))
        try:
            for line in stdout:
                if line.endswith(b"\n"):
                    yield line
            errors = stderr.read().decode(errors="replace")
            if process.wait() == LOST:
                raise Unreachable(_last_line(errors) or "the connection broke")
            if process.returncode:
                raise OSError(_last_line(errors) or f"exit code {process.returncode}")
        finally:
            process.kill()
            process.wait()
            stdout.close()
            stderr.close()

    # A session of its own: a Ctrl-C that is meant for us must not end what we do about it.
    def _call(self, command: list[str], stdin: str, timeout_s: float) -> Done:
        try:
            done = subprocess.run(  # noqa: S603 - as above
                command,
                input=stdin.encode(),
                capture_output=True,
                timeout=timeout_s,
                check=False,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise Unreachable(f"{command[0]} is not installed here; on Debian: apt install openssh-client") from None
        except subprocess.TimeoutExpired:
            raise Unreachable(f"no answer within {timeout_s:g} s") from None
        stderr = done.stderr.decode(errors="replace")
        if done.returncode == LOST:
            raise Unreachable(_last_line(stderr) or "ssh could not connect")
        return Done(done.returncode, done.stdout.decode(errors="replace"), stderr)


def _last_line(stderr: str) -> str:
    """The last line that is not empty; greetings and warnings come before it."""
    lines = [line.strip() for line in stderr[-STDERR_CHARACTERS:].splitlines() if line.strip()]
    return lines[-1].removeprefix("scp: ") if lines else ""
