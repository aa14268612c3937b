"""One measuring process, seen from the parent: its events, and how it ended. Waits without spinning."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ...devices.processes import Guarded, run_guarded
from ..export.telemetry import OFF as TELEMETRY_OFF
from ..measure.job import PREPARING, Event, Measurement, parse_event
from ..record.openmp import wait_settings
from .stop import Stop

# An event is as long as its samples, which are counted in millions at most.
EVENT_BYTES = 1 << 30


@dataclass(frozen=True)
class Outcome:
    """How a process ended. `final` is its last event (done, failed or lost), if it sent one."""

    returncode: int
    timed_out: bool = False
    stopped: bool = False
    stderr_tail: str = ""
    unreadable: str = ""  # why an event could not be read, the last of them
    final: Event | None = None
    measurement: Measurement = field(default_factory=Measurement)  # the parts that arrived
    sampling_cpu_s: float = 0.0  # CPU time of this process, the parent, while samples were taken
    prepared: bool = False  # its engine was given the network

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
        self.samples = False  # it has begun to: there is something to keep
        self.prepared = False
        self.unreadable = ""
        self._on_event = on_event
        self._cpu_clock = cpu_clock
        self._sampling_since: float | None = None
        self._partial = bytearray()

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Each line is an event; one that is not is kept for the diagnosis."""
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._read(bytes(self._partial + end))
            self._partial.clear()
        self._partial += rest
        if len(self._partial) > EVENT_BYTES:
            self.unreadable = f"an event is longer than {EVENT_BYTES >> 30} GiB"
            self._partial.clear()

    def _read(self, line: bytes) -> None:
        try:
            event = parse_event(line)
        except (ValueError, RecursionError) as error:
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
            self._sampling_since, self.samples = self._cpu_clock(), True
        self.prepared = self.prepared or event.phase == PREPARING
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
    finishing: Callable[[], None] | None = None,
) -> Outcome:
    """Run one process until it ends, its time is over, or `stop` is signalled; everything it started is ended too.

    `finishing`: this process keeps what it has when it is asked to end, by a line on its standard input. So it is asked
    when `stop` is signalled while it samples, and `finishing` is called; a second signal ends it.
    """
    listener = Listener(on_event, time.process_time)

    def finishes() -> bool:
        if listener.samples and finishing:
            finishing()
        return listener.samples

    ended = run_guarded(
        Guarded(command, job, environment or {}, pass_fds, timeout_s),
        listener.feed,
        answered=lambda: listener.final is not None,
        stop=stop,
        finishes=finishes if finishing else None,
    )
    return Outcome(
        returncode=ended.returncode,
        timed_out=ended.timed_out,
        stopped=ended.stopped,
        stderr_tail=ended.errors.decode(errors="replace").strip(),
        unreadable=listener.unreadable,
        final=listener.final,
        measurement=listener.measurement,
        sampling_cpu_s=listener.sampling_cpu_s,
        prepared=listener.prepared,
    )


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
