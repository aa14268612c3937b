"""A real sshd on loopback, with keys, a home and a network of its own, as the board of a test.

`ssh` and `scp` of the folder `bin` are the real ones with a configuration that knows the test's boards by name; a test
puts that folder first in PATH, as a user would have them in ~/.ssh/config. All boards are one home on this machine, and
differ in what their sessions find in the environment; one with OWN_HOME there has a home of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
TOOLS = {name: shutil.which(name) for name in ("ssh", "scp", "ssh-keygen")}
SFTP_SERVER = "/usr/lib/openssh/sftp-server"
PATIENCE_S = 10.0

MISSING = next(
    (
        f"{path} is missing: apt install openssh-server"
        for path in (SSHD, SFTP_SERVER, *(path or name for name, path in TOOLS.items()))
        if not Path(path).exists()
    ),
    None,
)

# HOME: a login shell reads the files of the tester's own home otherwise.
CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile {folder}/sshd.pid
StrictModes no
UsePAM no
PasswordAuthentication no
Subsystem sftp internal-sftp
ForceCommand {folder}/session
AcceptEnv BOARD
SetEnv HOME={home}
"""
CLIENT = """\
Host {board}
  HostName 127.0.0.1
  SetEnv BOARD={board}
  Port {port}
  User {user}
  IdentityFile {folder}/user
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
  StrictHostKeyChecking accept-new
"""
# Every session begins in a home of the test's, and sees the environment of its board.
SESSION = """\
#!/bin/sh
. "{folder}/environment.$BOARD"
HOME="${{OWN_HOME:-{home}}}"; export HOME
cd "$HOME" || exit 1
case "$SSH_ORIGINAL_COMMAND" in
  internal-sftp*|*sftp-server*) exec {sftp} ;;
esac
exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"
"""


class Sshd:
    """The server. `boards` are its names, with what sessions find in their environment."""

    def __init__(self, folder: Path, boards: dict[str, dict[str, str]]) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.port = free_port()
        for name in ("host", "user"):
            _run(str(TOOLS["ssh-keygen"]), "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
        user = psutil.Process().username()
        fill = {"port": self.port, "folder": folder, "home": self.home, "user": user, "sftp": SFTP_SERVER}
        (folder / "sshd_config").write_text(CONFIG.format(**fill))
        (folder / "ssh_config").write_text("".join(CLIENT.format(board=board, **fill) for board in boards))
        (folder / "session").write_text(SESSION.format(**fill))
        (folder / "session").chmod(0o700)
        for board, variables in boards.items():
            lines = {"PATH": f"{Path(sys.executable).parent}:$PATH", **variables}.items()
            text = "".join(f'{name}="{value}"; export {name}\n' for name, value in lines)
            (folder / f"environment.{board}").write_text(text)
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in ("ssh", "scp"):
            script = self.bin / name
            script.write_text(f'#!/bin/sh\nexec {TOOLS[name]} -F "{folder}/ssh_config" "$@"\n')
            script.chmod(0o700)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Listen, and return once it does."""
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")],
            stderr=(self.folder / "sshd.log").open("ab"),
        )
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:  # noqa: PERF203 - it is not there yet
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise RuntimeError((self.folder / "sshd.log").read_text()) from None
                time.sleep(0.02)
            else:
                return

    def sessions(self) -> list[psutil.Process]:
        """What sshd runs for its connections; not what those have set free."""
        return psutil.Process(self.process.pid).children() if self.process else []

    def cut(self) -> None:
        """Break every connection, as a pulled cable does in the end. What was started over them lives on."""
        for session in self.sessions():
            with suppress(psutil.NoSuchProcess):  # it may be on its way out from the last time
                for each in (*session.children(recursive=True), session):
                    if each.name().startswith("sshd"):
                        each.kill()

    def stop(self) -> None:
        """No connection any more, and no new one."""
        if self.process:
            self.cut()
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
            self.process = None


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)


@contextmanager
def serving(folder: Path, boards: dict[str, dict[str, str]]) -> Iterator[Sshd]:
    """The server, with our `ssh` and `scp` first in PATH. Skips the test where there is no sshd."""
    if MISSING:
        pytest.skip(MISSING)
    server = Sshd(folder, boards)
    server.start()
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{server.bin}:{before}"
    try:
        yield server
    finally:
        os.environ["PATH"] = before
        server.stop()
