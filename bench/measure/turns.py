"""Two processes of which only one computes at a time: each passes the turn on after a sample, and waits for it.

What the machine does meanwhile is then in the samples of both alike. The turn is a byte in a pipe, so that nobody else
has to run when it goes over; where the other process is gone, the pipe says that too, and one goes on alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

# Shorter calls go on until this has passed: else they would mostly find a core that just woke up.
TURN_S = 0.005
# The phase of a process that has loaded its network and waits for its first turn.
WAITING = "waiting for its turn"


class Turns:
    """One process's part. `take` and `give` are file descriptors: where the turn comes from, and where it goes."""

    def __init__(self, take: int, give: int, clock: Callable[[], float] = time.perf_counter) -> None:
        for end in (take, give):  # whatever else this process starts must not seem to be it, once it is gone
            os.set_inheritable(end, False)
        self._take, self._give, self._clock = take, give, clock
        self._since = 0.0
        self._alone = False

    def wait(self) -> None:
        """Until it is our turn."""
        self._alone = self._alone or not os.read(self._take, 1)
        self._since = self._clock()

    def hand_over(self) -> bool:
        """Let the other one have its turn, and wait for ours; whether that was so, for a turn may go on."""
        if self._alone or self._clock() - self._since < TURN_S:
            return False
        try:
            os.write(self._give, b".")
        except BrokenPipeError:
            self._alone = True
            return False
        self.wait()
        return True


def settled(hand_over: Callable[[], bool], call: Callable[[], object]) -> Callable[[], bool]:
    """The same `hand_over`, and once the turn is back, one call that does not count.

    That call meets the caches full of the other one's data, and the other one's threads, which spin for a while where
    they wait for work: by that, slower code of one thread would seem slower than it is (`tests/speed/taking_turns.py`).
    Long calls hardly need it, but which are long each process would find by itself, and the two must be treated alike.
    """

    def and_settle() -> bool:
        handed = hand_over()
        if handed:
            call()
        return handed

    return and_settle
