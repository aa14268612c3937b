"""The two processes of a pair at once, of which one computes at a time: what the machine does is in both alike.

Measured one after the other, equal code differs by as much as the machine changes meanwhile. How much that is in either
way, `tests/speed/taking_turns.py` tells.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

from ..measure.job import Seat
from ..run.stop import Stop
from .sides import Measured

# Measures one process, which sits there and calls the function once it is ready for its first turn.
Measure = Callable[[Seat, Callable[[], None]], Measured | None]


def measure_in_turn(first: Measure, second: Measure, stop: Stop) -> tuple[Measured | None, Measured | None]:
    """Start both, and once both are loaded give the first its turn. None: told to stop.

    They load side by side, for nothing is timed there; from then on only one of them computes at a time. Where one
    falls over, the other goes on alone.
    """
    to_first, to_second = os.pipe(), os.pipe()
    with ThreadPoolExecutor(2) as pool:
        one, one_ready = _start(pool, first, Seat(take=to_first[0], give=to_second[1]))
        two, two_ready = _start(pool, second, Seat(take=to_second[0], give=to_first[1]))
        one_ready.wait()
        two_ready.wait()
        os.write(to_first[1], b".")
        for end in (*to_first, *to_second):  # the processes have their own; ours would hide that one of them is gone
            os.close(end)
        return one.result(), two.result()


def _start(pool: ThreadPoolExecutor, measure: Measure, seat: Seat) -> tuple[Future[Measured | None], Event]:
    """The event comes when the process waits for its first turn, or is over."""
    ready = Event()
    found = pool.submit(measure, seat, ready.set)
    found.add_done_callback(lambda _: ready.set())
    return found, ready
