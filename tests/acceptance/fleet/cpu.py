"""CPU time by what a process is: a host process, a process of a case, ssh, and what runs on the simulated boards."""

from __future__ import annotations

import os
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

PERIOD_S = 1.0
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
FORKED = "forked for cases"
# The first that fits is a process's role: a word of its command line, and where it has to stand.
ROLES: tuple[tuple[str, Callable[[list[str]], bool]], ...] = (
    ("ssh and scp", lambda words: Path(words[0]).name in ("ssh", "scp", "sftp")),
    (FORKED, lambda words: any("fleet.warm" in word for word in words)),
    ("processes of cases", lambda words: any("boards.worker" in word or "join.py" in word for word in words)),
    ("networks described", lambda words: "custom-model" in words),
    ("host", lambda words: any(word.endswith(("co3d-bench", "named.py")) for word in words)),
)


class Census(threading.Thread):
    """Watches the descendants of the processes that `watch` names; a process's CPU time is what was seen last.

    What ends within a second of its beginning is seen in part or not at all: `seconds` has that as `not seen`, the rest
    of what the kernel counted for the host's whole tree. It counts nothing of what is forked for cases, for which
    nobody waits; of those the last second is missing.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.roots: set[int] = set()
        self._seen: dict[tuple[int, int], tuple[str, float]] = {}
        self._most: Counter[str] = Counter()
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(PERIOD_S):
            self._look()

    def stop(self) -> None:
        self._end.set()
        self.join()

    def _look(self) -> None:
        children: dict[int, list[int]] = defaultdict(list)
        facts: dict[int, tuple[int, float]] = {}
        for pid, parent, began, cpu_s in _processes():
            children[parent].append(pid)
            facts[pid] = (began, cpu_s)
        waiting, now = [root for root in self.roots if root in facts], Counter()
        while waiting:
            pid = waiting.pop()
            waiting += children[pid]
            began, cpu_s = facts[pid]
            known = self._seen.get((pid, began))
            role = known[0] if known and known[0] != "other" else role_of(pid)
            now[role] += 1
            self._seen[pid, began] = (role, cpu_s)
        self._most |= now

    def seconds(self, total_s: float) -> dict[str, float]:
        """CPU seconds by role. `total_s`: what the kernel counted for the host and all that was waited for."""
        found: defaultdict[str, float] = defaultdict(float)
        for role, cpu_s in self._seen.values():
            found[role] += cpu_s
        found["not seen"] = total_s - sum(cpu_s for role, cpu_s in found.items() if role != FORKED)
        return dict(found)

    @property
    def most(self) -> dict[str, int]:
        """The most processes of each role at a time."""
        return dict(self._most)


def role_of(pid: int) -> str:
    """What a process is, by its command line."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "other"
    return next((role for role, fits in ROLES if fits(words)), "other")


def _processes() -> Iterator[tuple[int, int, int, float]]:
    """(id, parent, when it began in ticks, own CPU seconds) of every process."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            yield int(folder.name), int(fields[1]), int(fields[19]), (int(fields[11]) + int(fields[12])) * _TICK_S
