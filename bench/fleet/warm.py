"""Processes of cases on boards, forked from one that has loaded torch: on a host with many boards, loading it for each
process would be most of the CPU time. The measuring process is the board's, and fresh as ever.

`python -m co3d_bench.bench.fleet.warm SOCKET` is the server; it ends with its standard input. Each process has a
keeper, which ends it, and all that it started, when the other end (`join.py`) is gone.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ...devices.guard import adopt_orphans, die_with_parent, end_descendants
from ...devices.host import read_host
from ...devices.own_path import python_command
from ..run.child import child_environment

JOIN = Path(__file__).with_name("join.py")
READY = b"ready\n"
READY_S = 120.0


class Warm:
    """The server of this process, started when it is first asked for."""

    def __init__(self, otherwise: Sequence[str]) -> None:
        """`otherwise`: the command of a process of its own, used where the server does not answer."""
        self._otherwise = tuple(otherwise)
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._socket = ""

    def command(self) -> tuple[str, ...]:
        """What to run for a process of a case."""
        with self._lock:
            if self._server is None:
                self._start()
        return (sys.executable, "-I", "-S", str(JOIN), self._socket, *self._otherwise)

    def _start(self) -> None:
        """Start the server, and wait until it listens. It removes its folder when it ends."""
        self._socket = str(Path(tempfile.mkdtemp(prefix="co3d-bench-")) / "socket")
        # As many threads as a process of its own would have; but for OpenBLAS, which would start its own before forks.
        variables = {**child_environment(read_host().usable_cores), "OPENBLAS_NUM_THREADS": "1"}
        self._server = subprocess.Popen(  # noqa: S603 - no shell
            python_command("-m", "co3d_bench.bench.fleet.warm", self._socket),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches us alone
            env={**os.environ, **variables},
        )
        stdout = self._server.stdout
        if stdout and select.select([stdout], [], [], READY_S)[0]:
            stdout.readline()


def serve(path: str, work: Callable[[], int]) -> None:
    """Fork a process that does `work` for everyone who connects, until standard input ends."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(128)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a keeper
    os.write(1, READY)
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if 0 in ready and not os.read(0, 1):
            Path(path).unlink()
            Path(path).parent.rmdir()
            return
        if listener in ready:
            connection, _ = listener.accept()
            if not os.fork():
                listener.close()
                keep(connection, work)
            connection.close()


def keep(connection: socket.socket, work: Callable[[], int]) -> None:
    """In the keeper: run the process, and say how it ended; end it where nobody wants to know any more."""
    code = -signal.SIGKILL
    try:
        woken, wakes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wakes)
        _, streams, _, _ = socket.recv_fds(connection, 1, 3)
        asked = _received(connection, int.from_bytes(_received(connection, 4), "big"))
        adopt_orphans()
        keeper, process = os.getpid(), os.fork()
        if not process:
            connection.close()
            become(keeper, streams, asked, work)
        for stream in streams:  # who reads them waits for their last end
            os.close(stream)
        while True:
            ready, _, _ = select.select([connection, woken], [], [])
            if connection in ready:
                break
            os.read(woken, 100)
            if (found := os.waitpid(process, os.WNOHANG)) != (0, 0):
                code = os.waitstatus_to_exitcode(found[1])
                break
    finally:
        end_descendants()
        with suppress(OSError):  # nobody is there any more
            connection.sendall(code.to_bytes(2, "big", signed=True))
        os._exit(0)


def become(keeper: int, streams: Sequence[int], asked: bytes, work: Callable[[], int]) -> None:
    """In the new process: take the streams and the environment of the other end, and work."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        die_with_parent(keeper)
        os.setsid()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        for stream in streams:
            os.close(stream)
        variables, folder = json.loads(asked)
        os.environ.clear()
        os.environ.update(variables)
        os.chdir(folder)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", 1)  # noqa: SIM115 - until its end
        code = work()
        atexit._run_exitfuncs()  # as leaving Python would
    except BaseException:  # noqa: BLE001 - whatever it is, it must not become a second server
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _received(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def main() -> None:
    """Load what a process of a case needs, and serve."""
    warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12 on: no thread is at work when we fork
    import torch  # noqa: F401 - this is what takes long

    from ...models import zoo  # noqa: F401
    from ..run.boards import worker

    gc.collect()
    gc.freeze()  # so that no process copies what all of them have
    serve(sys.argv[1], worker.main)


if __name__ == "__main__":
    main()
