"""The two processes of a pair at the same time, of which one computes at a time: the machine's changes affect both.

Measured one after the other, equal code differs by as much as the machine changes meanwhile;
`tests/speed/interleaving.py` measures how much that is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

from ..measure.job import TurnPipes
from ..run.stop import Stop
from .runners import Measured

# Measures one process, which takes turns by the pipes and calls the function once it is ready for its first turn.
Measure = Callable[[TurnPipes, Callable[[], None]], Measured | None]


def measure_interleaved(first: Measure, second: Measure, stop: Stop) -> tuple[Measured | None, Measured | None]:
    """Start both, and once both are loaded give the first its turn. None: stopped.

    They load at the same time, since nothing is timed then; from there on only one computes at a time. Where one fails,
    the other goes on alone.
    """
    to_first, to_second = os.pipe(), os.pipe()
    with ThreadPoolExecutor(2) as pool:
        one, one_ready = _start(pool, first, TurnPipes(take=to_first[0], give=to_second[1]))
        two, two_ready = _start(pool, second, TurnPipes(take=to_second[0], give=to_first[1]))
        one_ready.wait()
        two_ready.wait()
        os.write(to_first[1], b".")
        for end in (*to_first, *to_second):  # kept open here, they would hide that one of the processes has ended
            os.close(end)
        return one.result(), two.result()


def _start(pool: ThreadPoolExecutor, measure: Measure, pipes: TurnPipes) -> tuple[Future[Measured | None], Event]:
    """Start one process. The event is set when it waits for its first turn, or has ended."""
    ready = Event()
    measured = pool.submit(measure, pipes, ready.set)
    measured.add_done_callback(lambda _: ready.set())
    return measured, ready
