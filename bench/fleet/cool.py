"""A board cools down between two cases: to a temperature, or for a time. Clock and sensors are arguments."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ..plan.config import CoolDown
from ..record.fleet import CoolDownHeld

# How often the temperature is read, and for how long at most: a room may be warmer than what is asked.
READ_EVERY_S = 5.0
MOST_S = 900.0


@dataclass(frozen=True)
class Cooling:
    """What holding a cool-down needs."""

    read_c: Callable[[], float | None]  # the hottest zone of the board
    wait: Callable[[float], bool]  # (seconds): whether it was stopped meanwhile
    show: Callable[[float | None], None] = lambda temperature_c: None
    clock: Callable[[], float] = time.monotonic


def hold(asked: CoolDown, since_s: float | None, cooling: Cooling) -> CoolDownHeld:
    """Hold a cool-down, and say what was held. `since_s`: seconds since the board's last case of this run ended; None
    where this is its first."""
    begin = cooling.clock()
    if asked.temperature_c is None:
        reason = None
        if since_s is None:
            reason = "the first case of its board"
        elif (left_s := (asked.time_s or 0.0) - since_s) > 0 and cooling.wait(left_s):
            reason = "stopped"
        return CoolDownHeld(asked=asked.text, waited_s=cooling.clock() - begin, reason=reason)
    while True:
        now_c, passed_s = cooling.read_c(), cooling.clock() - begin
        cooling.show(now_c)
        reason = None
        if now_c is None:
            reason = "the board has no temperature that can be read"
        elif now_c > asked.temperature_c:
            if passed_s < MOST_S and not cooling.wait(READ_EVERY_S):
                continue
            reason = f"it did not cool further in {passed_s:.0f} s"
        return CoolDownHeld(asked=asked.text, waited_s=passed_s, temperature_c=now_c, reason=reason)
