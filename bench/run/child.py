"""The parent's side of one measuring process: start it, listen, and end it. Blocks while it waits; never spins."""

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

from ..measure.job import Event, Measurement, parse_event
from ..record.openmp import wait_settings
from .stop import Stop

STDERR_TAIL_BYTES = 16 << 10
_READ_BYTES = 1 << 16
_EXIT_GRACE_S = 10.0


@dataclass(frozen=True)
class Outcome:
    """How a process ended. `final` is its last word (done or failed), if it said one."""

    returncode: int
    timed_out: bool = False
    stopped: bool = False
    stderr_tail: str = ""
    final: Event | None = None
    measurement: Measurement = field(default_factory=Measurement)  # as far as it came
    sampling_cpu_s: float = 0.0  # CPU time of this process, the parent, while samples were taken

    @property
    def done(self) -> bool:
        """Whether it came to its end."""
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
        """Take the next bytes; whole lines are events, anything else is kept for the diagnosis."""
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
    """Run one process in its own group until it ends, takes too long, or we are told to stop."""
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
        with suppress(BrokenPipeError):  # it died at once; that is found out below
            stdin.write(job)
            stdin.close()
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            selector.register(stderr, selectors.EVENT_READ)
            selector.register(stop, selectors.EVENT_READ)
            channel_open = True
            while channel_open and not stop.signal:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    timed_out = True
                    break
                for key, _ in selector.select(remaining):
                    if key.fileobj is stop:
                        continue
                    data = os.read(key.fd, _READ_BYTES)
                    if not data:
                        selector.unregister(key.fileobj)
                    if key.fileobj is stdout:
                        channel_open = bool(data)
                        listener.feed(data)
                    else:
                        _keep_tail(tail, data)
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


def _keep_tail(tail: bytearray, data: bytes) -> None:
    tail += data
    del tail[:-STDERR_TAIL_BYTES]


def _drain(fd: int, tail: bytearray) -> None:
    os.set_blocking(fd, False)
    with suppress(BlockingIOError):
        while data := os.read(fd, _READ_BYTES):
            _keep_tail(tail, data)


def child_environment(threads: int) -> dict[str, str]:
    """Thread pools are sized when their libraries load, so this must stand before the process starts."""
    return {**thread_environment(threads), **wait_settings(os.environ)}


def thread_environment(threads: int) -> dict[str, str]:
    """The same without how they wait: on a board it is the board's own environment that may say so."""
    count = str(threads)
    return {
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
        # A file of the current folder that is called like a library must not be imported in its place.
        "PYTHONSAFEPATH": "1",
    }
