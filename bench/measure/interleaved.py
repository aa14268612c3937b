"""Two interleaved processes, of which only one computes at a time: each hands the turn over after a sample, and waits.

So a change of the machine affects the samples of both alike. The turn is a byte in a pipe, so that no third process has
to run for it; where the other process has ended, the pipe shows that too, and this one goes on alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

# A turn lasts at least so long: shorter ones would mostly run on a core that just woke up.
TURN_S = 0.005
# The phase of a process that has loaded its network and waits for its first turn.
WAITING = "waiting for its turn"


class Turns:
    """The turns of one process. It reads its turn from the file descriptor `take`, and hands it over by `give`."""

    def __init__(self, take: int, give: int, clock: Callable[[], float] = time.perf_counter) -> None:
        for end in (take, give):  # a child that inherits them would hide that this process has ended
            os.set_inheritable(end, False)
        self._take, self._give, self._clock = take, give, clock
        self._since = 0.0
        self._alone = False

    def wait(self) -> None:
        """Wait for the turn."""
        self._alone = self._alone or not os.read(self._take, 1)
        self._since = self._clock()

    def hand_over(self) -> bool:
        """Hand the turn over and wait to get it back; False where this turn goes on."""
        if self._alone or self._clock() - self._since < TURN_S:
            return False
        try:
            os.write(self._give, b".")
        except BrokenPipeError:
            self._alone = True
            return False
        self.wait()
        return True


def with_uncounted_call(hand_over: Callable[[], bool], call: Callable[[], object]) -> Callable[[], bool]:
    """`hand_over`, followed by one call that does not count once the turn is back.

    That call finds the caches full of the other process's data, and its threads, which spin for a while as they wait:
    without it, slower code of one thread would seem even slower (`tests/speed/interleaving.py`). Long calls hardly need
    it, but both processes must be treated alike.
    """

    def hand_over_and_call() -> bool:
        handed = hand_over()
        if handed:
            call()
        return handed

    return hand_over_and_call
