"""Links that are cut and hosts that are killed, at moments drawn by a seed."""

from __future__ import annotations

import random
import time
from collections import Counter

from .host import Host

AWAY_S = 5.0  # a cut link is back within this time
LOOK_S = 0.2
CUT, KILL = "link cut", "host killed"


def draw(seed: int, cuts: int, kills: int, span_s: float) -> list[tuple[float, str]]:
    """(seconds since the start, what happens), in order; all of it amid a span that no run is quicker than."""
    number = random.Random(seed)
    faults = [(number.uniform(0.02, 0.8) * span_s, CUT) for _ in range(cuts)]
    faults += [(number.uniform(0.05, 0.8) * span_s, KILL) for _ in range(kills)]
    return sorted(faults)


def endure(host: Host, seed: int, faults: list[tuple[float, str]], patience_s: float) -> Counter[str]:
    """Run to the end through all faults, resuming whenever the host has ended; returns how many of each were struck.

    A cut counts where there was a connection to break. Raises AssertionError where the run does not end in time.
    """
    number, begin, struck = random.Random(seed), time.monotonic(), Counter()
    host.start()
    for at_s, kind in faults:
        hold(host, begin + at_s)
        if kind == KILL:
            host.kill()
            host.start_again()
        else:
            while not cut(host, number):
                hold(host, time.monotonic() + LOOK_S)
        struck[kind] += 1
    while (code := host.wait(begin + patience_s)) != 0:
        assert code is not None, host.output[-3000:]
        host.start_again()
    return struck


def hold(host: Host, until: float) -> None:
    """Let the host run until then, resuming where it ended; that it did all of it before is an error of the draw."""
    while (code := host.wait(until)) is not None:
        assert code != 0, "the run was over before its faults were"
        host.start_again()


def cut(host: Host, number: random.Random) -> bool:
    """Cut one of the links that are in use; whether there was one."""
    used = host.shelf.links.used()
    return bool(used) and host.shelf.links.cut(number.choice(used), number.uniform(0, AWAY_S))
