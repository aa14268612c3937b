"""One measuring process, seen from the parent: start it, read its events, end it. Waits without spinning."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, cast

from ..export.telemetry import OFF as TELEMETRY_OFF
from ..measure.job import Event, Measurement, parse_event
from ..record.openmp import wait_settings
from .stop import Stop

STDERR_TAIL_BYTES = 16 << 10
_READ_BYTES = 1 << 16
_EXIT_GRACE_S = 10.0


@dataclass(frozen=True)
class Outcome:
    """How a process ended. `final` is its last event (done, failed or lost), if it sent one."""

    returncode: int
    timed_out: bool = False
    stopped: bool = False
    stderr_tail: str = ""
    final: Event | None = None
    measurement: Measurement = field(default_factory=Measurement)  # the parts that arrived
    sampling_cpu_s: float = 0.0  # CPU time of this process, the parent, while samples were taken

    @property
    def done(self) -> bool:
        """Whether the job was finished."""
        return self.final is not None and self.final.event == "done"


class Listener:
    """Collects the lines of the event channel, and our own CPU time between two of them."""

    def __init__(self, on_event: Callable[[Event], None], cpu_clock: Callable[[], float]) -> None:
        self.final: Event | None = None
        self.measurement = Measurement()
        self.sampling_cpu_s = 0.0
        self.unreadable = ""
        self._on_event = on_event
        self._cpu_clock = cpu_clock
        self._sampling_since: float | None = None
        self._partial = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Each line is an event; one that is not is kept for the diagnosis."""
        *lines, self._partial = (self._partial + data).split(b"\n") if b"\n" in data else [self._partial + data]
        for line in lines:
            self._read(line)

    def _read(self, line: bytes) -> None:
        try:
            event = parse_event(line)
        except ValueError as error:
            self.unreadable = f"an event could not be read: {error}"
        else:
            self._take(event)

    def _take(self, event: Event) -> None:
        if event.event == "sampled":
            if self._sampling_since is not None:
                self.sampling_cpu_s += self._cpu_clock() - self._sampling_since
            self._sampling_since = None
            return
        if event.event == "phase" and event.phase == "sampling" and self._sampling_since is None:
            self._sampling_since = self._cpu_clock()
        if event.event in ("done", "failed", "lost"):
            self.final = event
        if event.measurement:
            self.measurement = self.measurement.joined(event.measurement)
        self._on_event(event)


def run_child(
    command: Sequence[str],
    job: bytes,
    timeout_s: float,
    *,
    stop: Stop,
    on_event: Callable[[Event], None] = lambda event: None,
    environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Outcome:
    """Run one process in its own group until it ends, its time is over, or `stop` is signalled."""
    listener = Listener(on_event, time.process_time)
    tail = bytearray()
    deadline = time.monotonic() + timeout_s
    timed_out = False
    process = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C reaches us alone, and what it starts can be killed with it
        env={**os.environ, **(environment or {})},
        pass_fds=tuple(pass_fds),
    )
    stdin, stdout, stderr = cast(
        "tuple[IO[bytes], IO[bytes], IO[bytes]]", (process.stdin, process.stdout, process.stderr)
    )
    try:
        with suppress(BrokenPipeError):  # the process ended at once; `_read_to_end` notices
            stdin.write(job)
            stdin.close()
        timed_out = not _read_to_end(stdout, stderr, listener, tail, stop, deadline)
        if not (timed_out or stop.signal):
            with suppress(subprocess.TimeoutExpired):
                process.wait(_EXIT_GRACE_S)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        returncode = process.wait()
        _drain(stderr.fileno(), tail)
        stdout.close()
        stderr.close()
    return Outcome(
        returncode=returncode,
        timed_out=timed_out,
        stopped=stop.signal is not None,
        stderr_tail=f"{tail.decode(errors='replace')}\n{listener.unreadable}".strip(),
        final=listener.final,
        measurement=listener.measurement,
        sampling_cpu_s=listener.sampling_cpu_s,
    )


def _read_to_end(
    stdout: IO[bytes], stderr: IO[bytes], listener: Listener, tail: bytearray, stop: Stop, deadline: float
) -> bool:
    """Feed events to the listener until the channel is closed or `stop` is signalled; False where the deadline came
    first. `tail` gets the end of standard error."""
    with selectors.DefaultSelector() as selector:
        for source in (stdout, stderr, stop):
            selector.register(source, selectors.EVENT_READ)
        while not stop.signal:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            for key, _ in selector.select(remaining):
                if key.fileobj is stop:
                    continue
                data = os.read(key.fd, _READ_BYTES)
                if not data:
                    selector.unregister(key.fileobj)
                if key.fileobj is stderr:
                    _keep_tail(tail, data)
                elif data:
                    listener.feed(data)
                else:
                    return True
    return True


def _keep_tail(tail: bytearray, data: bytes) -> None:
    tail += data
    del tail[:-STDERR_TAIL_BYTES]


def _drain(fd: int, tail: bytearray) -> None:
    os.set_blocking(fd, False)
    with suppress(BlockingIOError):
        while data := os.read(fd, _READ_BYTES):
            _keep_tail(tail, data)


def child_environment(threads: int) -> dict[str, str]:
    """Environment variables of a measuring process: libraries size their thread pools when they are loaded."""
    return {**thread_environment(threads), **wait_settings(os.environ), **TELEMETRY_OFF}


def thread_environment(threads: int) -> dict[str, str]:
    """The same without how threads wait: on a board its own environment decides that."""
    count = str(threads)
    return {
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
        # A file in the current folder with a library's name must not be imported instead of the library.
        "PYTHONSAFEPATH": "1",
    }
