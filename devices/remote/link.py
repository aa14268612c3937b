"""A connection to a host that stays open, for all commands there: to connect costs both sides more CPU time than most
commands, and a small board is slow at it.

It is ssh's own multiplexing. Where a connection is open that the user's configuration shares (ControlPath), commands
use that one.
"""

from __future__ import annotations

import re
import select
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from .ssh import OPTIONS, Ssh, Unreachable, last_line

# ssh takes 10 s to find out that nobody is there (`OPTIONS`); a board that is there may need longer to let us in.
OPEN_S = 30.0
_END_S = 5.0
# Of a socket, and ssh appends 17 characters while it makes it; the kernel takes 107.
_MOST_CHARACTERS = 90
_PLAIN = re.compile(r"[A-Za-z0-9/_.-]+")  # nothing that ssh expands in a path
# Ends with its standard input, which ends with this process, however that ends.
_COMMAND = "echo open; exec cat"
_SHARING = ("-o", "ControlMaster=yes", "-o", "ControlPersist=no")


class Link:
    """The connection. `socket` is where ssh finds it; commands that do not find it there connect by themselves."""

    def __init__(self, host: str, folder: Path) -> None:
        self.socket = folder / "ssh"
        self._host = host
        self._process: subprocess.Popen[bytes] | None = None

    def ssh(self) -> Ssh:
        """The host, reached through this connection."""
        return Ssh(self._host, socket=str(self.socket))

    def open(self) -> None:
        """Connect, where there is no connection or it broke. Raises Unreachable."""
        if self._process and self._process.poll() is None:
            return
        self.close()
        if not _is_plain(self.socket) or Ssh(self._host).users_connection_is_open():
            return
        with tempfile.TemporaryFile() as errors:
            options = (*_SHARING, "-o", f"ControlPath={self.socket}", *OPTIONS)
            try:
                self._process = subprocess.Popen(  # noqa: S603 - no shell here
                    ["ssh", "-T", *options, "--", self._host, _COMMAND],  # noqa: S607 - the user's own ssh
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    start_new_session=True,  # Ctrl-C reaches us alone
                )
            except FileNotFoundError:  # there is no ssh, as the first command reports
                return
            stdout = cast("IO[bytes]", self._process.stdout)
            ready = select.select([stdout], [], [], OPEN_S)[0]
            if ready and stdout.read(1):
                return
            self.close()
            errors.seek(0)
            silent = "its shell ends at once" if ready else f"no answer within {OPEN_S:g} s"
            raise Unreachable(last_line(errors.read().decode(errors="replace")) or silent)

    def close(self) -> None:
        """End the connection, and what still goes over it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                cast("IO[bytes]", pipe).close()
        self.socket.unlink(missing_ok=True)


@contextmanager
def linked(host: str) -> Iterator[Ssh]:
    """A host, reached through one connection for as long. Raises Unreachable."""
    with tempfile.TemporaryDirectory(prefix="co3d-bench-") as folder:
        link = Link(host, Path(folder))
        try:
            link.open()
            yield link.ssh()
        finally:
            link.close()


def _is_plain(socket: Path) -> bool:
    """Whether ssh takes the path of a socket as it is."""
    return len(str(socket)) <= _MOST_CHARACTERS and bool(_PLAIN.fullmatch(str(socket)))
