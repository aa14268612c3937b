"""Links that are cut and hosts that are killed, at moments drawn by a seed."""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from dataclasses import dataclass

from .host import Host

AWAY_S = 5.0  # a cut link is back within this time
LOOK_S = 0.2
CUT, KILL = "link cut", "host killed"


@dataclass(frozen=True)
class Fault:
    """What happens so long after boards have begun so many cases: on a slow machine as on a quick one, amid the run."""

    begun: int
    after_s: float
    kind: str


def draw(seed: int, cuts: int, kills: int, cases: int, mean_s: float) -> list[Fault]:
    """Faults of a run of that many cases, each within half the time of a case from a begin, in order."""
    number = random.Random(seed)
    kinds = [CUT] * cuts + [KILL] * kills
    faults = [
        Fault(number.randrange(1, max(2, int(0.8 * cases))), number.uniform(0, mean_s / 2), kind) for kind in kinds
    ]
    return sorted(faults, key=lambda fault: fault.begun)


def endure(host: Host, seed: int, faults: list[Fault], patience_s: float) -> Counter[str]:
    """Run to the end through all faults, resuming whenever the host has ended; returns how many of each were struck.

    A cut counts where there was a connection to break. Raises AssertionError where the run does not end in time.
    """
    number, until, struck = random.Random(seed), time.monotonic() + patience_s, Counter()
    due: list[tuple[float, str]] = []
    waiting = deque(faults)
    host.start()
    while waiting or due:
        assert time.monotonic() < until, host.output[-3000:]
        hold(host, LOOK_S)
        begun, now = host.shelf.begun_count(), time.monotonic()
        while waiting and waiting[0].begun <= begun:
            fault = waiting.popleft()
            due.append((now + fault.after_s, fault.kind))
        for each in [each for each in due if each[0] <= now]:
            if strike(host, each[1], number):
                due.remove(each)
                struck[each[1]] += 1
    while (code := host.wait(until)) != 0:
        assert code is not None, host.output[-3000:]
        host.start_again()
    return struck


def hold(host: Host, seconds: float) -> None:
    """Let the host run so long, resuming where it has ended."""
    if (code := host.wait(time.monotonic() + seconds)) is not None:
        assert code != 0, "the run was over before all its faults were"
        host.start_again()


def strike(host: Host, kind: str, number: random.Random) -> bool:
    """Do it; whether it could be done."""
    if kind == CUT:
        return cut(host, number)
    host.kill()
    host.start_again()
    return True


def cut(host: Host, number: random.Random) -> bool:
    """Cut one of the links that are in use; whether there was one."""
    used = host.shelf.links.used()
    return bool(used) and host.shelf.links.cut(number.choice(used), number.uniform(0, AWAY_S))
