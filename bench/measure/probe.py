"""Evidence that something else used the machine while a sample was taken, from the kernel's counters."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_STEAL_FIELD = 8  # of the "cpu" line: user nice system idle iowait irq softirq steal
_BUSY_FIELDS = (0, 1, 2, 5, 6)  # behind the name: all but idle, iowait, and what the hypervisor stole


@dataclass(frozen=True)
class Disturbance:
    """Counters since the process or the machine started; only differences mean something."""

    involuntary_switches: int = 0  # times a thread of this process was taken off its core although it had work
    steal_s: float = 0.0  # time the hypervisor gave this machine's CPUs to others, over all CPUs
    waited_s: float = 0.0  # time threads of this process could have run and waited for a core, summed


class KernelProbe:
    """Reads the counters of this process and this machine; one reading costs tens of microseconds.

    Make it after the warm-up: it watches the threads that are there then.
    """

    def __init__(self, stat: Path = Path("/proc/stat"), tasks: Path = Path("/proc/self/task")) -> None:
        self._stat = os.open(stat, os.O_RDONLY | os.O_CLOEXEC) if stat.exists() else None
        self._threads = [os.open(file, os.O_RDONLY | os.O_CLOEXEC) for file in tasks.glob("*/schedstat")]

    def __call__(self) -> Disturbance:
        switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        steal_s = 0.0 if self._stat is None else steal_seconds(os.pread(self._stat, 256, 0))
        return Disturbance(switches, steal_s, sum(_waited_s(fd) for fd in self._threads))


def own_seconds() -> float:
    """CPU time of this process and of what it started: a compiler that is done, a reader of sensors that goes on."""
    alive = 0.0
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            times = child.cpu_times()
            alive += times.user + times.system
    return sum(os.times()[:4]) + alive


@dataclass(frozen=True)
class Use:
    """How the cores were used since some origin, in seconds; only differences mean something."""

    at_s: float
    busy_s: float  # of the cores that this process may use, whoever used them
    own_s: float  # of this process, all its threads, and of those that it started


class UseProbe:
    """Reads how the cores that this process may use are used: the kernel's ticks, 10 ms each."""

    def __init__(
        self,
        stat: Path = Path("/proc/stat"),
        clock: Callable[[], float] = time.perf_counter,
        cpu_clock: Callable[[], float] = own_seconds,
    ) -> None:
        self._stat, self._clock, self._cpu_clock = stat, clock, cpu_clock
        self._cores = frozenset(os.sched_getaffinity(0))

    def __call__(self) -> Use | None:
        """None where the kernel does not tell."""
        try:
            text = self._stat.read_text()
        except OSError:
            return None
        return Use(self._clock(), busy_seconds(text, self._cores), self._cpu_clock())


def busy_seconds(stat: str, cores: Collection[int]) -> float:
    """What these cores worked, from the lines `cpuN user nice system idle iowait irq softirq ...` of /proc/stat."""
    ticks = 0
    for name, *fields in map(str.split, stat.splitlines()):
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cores:
            ticks += sum(int(fields[place]) for place in _BUSY_FIELDS if place < len(fields))
    return ticks / _TICKS_PER_SECOND


def background_load(before: Use | None, after: Use | None) -> float | None:
    """Cores that other processes kept busy between the two; None where that is not known."""
    if before is None or after is None or after.at_s <= before.at_s:
        return None
    theirs_s = after.busy_s - before.busy_s - (after.own_s - before.own_s)
    return max(0.0, theirs_s / (after.at_s - before.at_s))


def _waited_s(schedstat: int) -> float:
    """The second of the three numbers, in nanoseconds; a thread that has ended waits no more."""
    try:
        return int(os.pread(schedstat, 128, 0).split()[1]) / 1e9
    except (ProcessLookupError, IndexError):
        return 0.0


def steal_seconds(stat: bytes) -> float:
    """The stolen time in the first line of /proc/stat; 0 where the kernel does not count it."""
    fields = stat.split(b"\n", 1)[0].split()
    return int(fields[_STEAL_FIELD]) / _TICKS_PER_SECOND if len(fields) > _STEAL_FIELD else 0.0


def peak_rss_bytes(status: Path = Path("/proc/self/status")) -> int | None:
    """The highest resident memory of this process so far (VmHWM), or None where the kernel does not tell."""
    return status_bytes("VmHWM", status)


def restart_peak_rss(clear_refs: Path = Path("/proc/self/clear_refs")) -> None:
    """Let the highest resident memory count from now on, where the kernel can (Documentation/filesystems/proc)."""
    with suppress(OSError):
        clear_refs.write_text("5")


def status_bytes(name: str, status: Path = Path("/proc/self/status")) -> int | None:
    """One amount of memory of this process, e.g. VmRSS, or None where the kernel does not tell."""
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None
