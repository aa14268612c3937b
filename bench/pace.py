"""How fast the machine itself is from moment to moment: a fixed piece of work, timed between the samples.

Whatever slows a core without taking it away (its clock, a neighbour on the other half of the core, the hypervisor
moving both virtual cores onto one) leaves no trace in the kernel's counters. The work is the same for every network,
so that where it takes longer than it usually does on this machine, slow samples around it are not the network's doing.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from statistics import fmean, median_low
from typing import NamedTuple

from ..devices.host import HostFacts
from ..models.weights.cache import cache_folder
from .pace_work import PaceWork

# Of which the mean counts. The first finds the caches full of the network, as the network's own layers do; the others
# find them full of the work, and tell less of what neighbours take of shared caches and bandwidth.
READINGS = 2
# Of earlier processes so many are looked at, the newest: some twelve cases.
REMEMBERED = 100
FEWEST = 3  # of which the middle one is not the one that stands out
# What was usual stays so while the middle of them is within this factor of it.
MOVED = 1.05
_TAIL_BYTES = 1 << 18


class Pace:
    """Seconds of a fixed piece of work, with the threads that torch has."""

    def __init__(self, work: PaceWork, clock: Callable[[], float] = time.perf_counter) -> None:
        self.work, self._clock = work.make(), clock
        self()  # the first call finds its code

    def __call__(self) -> float:
        return fmean(self._seconds() for _ in range(READINGS))

    def _seconds(self) -> float:
        start = self._clock()
        self.work()
        return self._clock() - start


class Memory(NamedTuple):
    """What is known of a machine from earlier processes."""

    paces: tuple[float, ...] = ()  # oldest first
    usual_s: float | None = None  # what the newest of them took for usual


def usual(memory: Memory) -> float | None:
    """The pace that figures are told at; None where too few are known.

    It is the middle one of the newest, which with two states is of that in which the machine mostly was; and it stays
    what it was until that has moved, since two runs look alike only at the same one.
    """
    lately, kept = memory.paces[-REMEMBERED:], memory.usual_s
    if len(lately) < FEWEST:
        return kept
    middle = median_low(lately)
    return kept if kept is not None and kept / MOVED <= middle <= kept * MOVED else middle


def pace_key(host: HostFacts, backend: str, threads: int, work: str) -> str:
    """What must agree before paces of two processes may be compared: an engine has threads too."""
    cores = ",".join(map(str, host.affinity))
    return f"{host.cpu_model}; cores {cores}; {backend}, {threads} threads; torch {metadata.version('torch')}; {work}"


def memory_file() -> Path:
    """Where paces are kept from process to process."""
    return cache_folder() / "pace.jsonl"


def remembered(key: str, file: Path) -> Memory:
    """What is kept for this key. What cannot be read is passed over: it is only a help."""
    try:
        with file.open("rb") as lines:
            lines.seek(max(0, lines.seek(0, os.SEEK_END) - _TAIL_BYTES))
            data = lines.read()
    except OSError:
        return Memory()
    paces, usual_s = [], None
    for line in data.splitlines():
        with suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line)
            if entry["key"] == key:
                paces.append(float(entry["pace_s"]))
                usual_s = float(entry["usual_s"]) if entry["usual_s"] is not None else usual_s
    return Memory(tuple(paces), usual_s)


def remember(key: str, pace_s: float, usual_s: float | None, file: Path) -> None:
    """Keep a pace and what was usual, if that is possible; where the file has grown large, its newest half."""
    line = json.dumps({"key": key, "pace_s": pace_s, "usual_s": usual_s}) + "\n"
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size > 2 * _TAIL_BYTES:
            tail = file.read_bytes()[-_TAIL_BYTES:].partition(b"\n")[2]
            part = file.with_name(f"{file.name}.{os.getpid()}")
            part.write_bytes(tail)
            part.replace(file)
        with file.open("a") as lines:
            lines.write(line)
