"""Evidence that something else used the machine while a sample was taken, and this process's memory: from the kernel.

Boards that are reached over ssh run this file too, so it is written for Python 3.6 and imports nothing of ours.
"""
# ruff: noqa: UP035, UP045 - types as they were

import os
import resource
import time
from contextlib import suppress
from pathlib import Path
from typing import Callable, Collection, NamedTuple, Optional

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_STEAL_FIELD = 8  # of the "cpu" line: user nice system idle iowait irq softirq steal
_BUSY_FIELDS = (0, 1, 2, 5, 6)  # behind the name: all but idle, iowait, and what the hypervisor stole
_STAT, _STATUS, _TASKS = Path("/proc/stat"), Path("/proc/self/status"), Path("/proc/self/task")


class Disturbance(NamedTuple):
    """Counters since the process or the machine started; only differences mean something."""

    involuntary_switches: int = 0  # times a thread of this process was taken off its core although it had work
    steal_s: float = 0.0  # time the hypervisor gave this machine's CPUs to others, over all CPUs
    waited_s: float = 0.0  # time threads of this process could have run and waited for a core, summed


class KernelProbe:
    """Reads the counters of this process and this machine; one reading costs tens of microseconds.

    Create it after the warm-up: it reads the threads that exist then.
    """

    def __init__(self, stat: Path = _STAT, tasks: Path = _TASKS) -> None:
        self._stat = os.open(str(stat), os.O_RDONLY | os.O_CLOEXEC) if stat.exists() else None
        self._threads = []
        for file in tasks.glob("*/schedstat"):
            with suppress(OSError):  # it has just ended
                self._threads.append(os.open(str(file), os.O_RDONLY | os.O_CLOEXEC))

    def __call__(self) -> Disturbance:
        switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        steal_s = 0.0 if self._stat is None else steal_seconds(os.pread(self._stat, 256, 0))
        return Disturbance(switches, steal_s, sum(map(_waited_s, self._threads)))


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


def thread_seconds() -> float:
    """CPU time of this thread."""
    return time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)  # Python 3.7 has `time.thread_time`


class Use(NamedTuple):
    """How the cores were used since some origin, in seconds; only differences mean something."""

    at_s: float
    busy_s: float  # of the cores that this process may use, whoever used them
    own_s: float  # of this process, all its threads, and of those that it started


class UseProbe:
    """Reads how the cores that this process may use are used: the kernel's ticks, 10 ms each."""

    def __init__(
        self, cpu_clock: Callable[[], float], stat: Path = _STAT, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._cpu_clock, self._stat, self._clock = cpu_clock, stat, clock
        self._cores = frozenset(os.sched_getaffinity(0))

    def __call__(self) -> Optional[Use]:
        """None where the kernel does not show it."""
        try:
            text = self._stat.read_text()
        except OSError:
            return None
        return Use(self._clock(), busy_seconds(text, self._cores), self._cpu_clock())


def busy_seconds(stat: str, cores: Collection[int]) -> float:
    """How long these cores were busy, from the lines `cpuN user nice system idle iowait irq softirq ...` of
    /proc/stat."""
    ticks = 0
    for name, *fields in map(str.split, stat.splitlines()):
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cores:
            ticks += sum(int(fields[field]) for field in _BUSY_FIELDS if field < len(fields))
    return ticks / _TICKS_PER_SECOND


def background_load(before: Optional[Use], after: Optional[Use]) -> Optional[float]:
    """Cores that other processes kept busy between the two; None where that is not known."""
    if before is None or after is None or after.at_s <= before.at_s:
        return None
    theirs_s = after.busy_s - before.busy_s - (after.own_s - before.own_s)
    return max(0.0, theirs_s / (after.at_s - before.at_s))


def peak_rss_bytes(status: Path = _STATUS) -> Optional[int]:
    """The highest resident memory of this process so far (VmHWM), or None where the kernel does not show it."""
    return status_bytes("VmHWM", status)


def restart_peak_rss(clear_refs: Path = Path("/proc/self/clear_refs")) -> None:
    """Let the highest resident memory count from now on, where the kernel can (Documentation/filesystems/proc)."""
    with suppress(OSError):
        clear_refs.write_text("5")


def status_bytes(name: str, status: Path = _STATUS) -> Optional[int]:
    """One amount of memory in a file of the kernel, e.g. VmRSS of this process, or None where it is missing."""
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None
