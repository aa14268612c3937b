"""The sensors beside one case: watched from its start, and read for the stretch in which samples were taken."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from ...devices.profile import DeviceProfile
from ...devices.sensors.watch import Watch
from ..record.sensing import Sensors, sensors_of
from .job import Event

INTERVAL_S = 0.5


class Watched:
    """Passes events on, and notes from them when the first sample began and the last one ended."""

    def __init__(
        self,
        profile: DeviceProfile,
        emit: Callable[[Event], None],
        *,
        clock: Callable[[], float] = time.perf_counter,
        start: Callable[..., Watch] = Watch,
    ) -> None:
        self._emit = emit
        self._clock = clock
        self._watch = start(profile, interval_s=INTERVAL_S, mine=(os.getpid(),))
        self._begin: float | None = None
        self._end: float | None = None

    def ready(self) -> None:
        """Wait until the sensors are being read: it is not to start while something is timed."""
        self._watch.ready()

    def emit(self, event: Event) -> None:
        """Hand the event on."""
        if event.phase == "sampling" and self._begin is None:
            self._begin = self._clock()
        if event.event == "sampled":
            self._end = self._clock()
        self._emit(event)

    def stop(self) -> Sensors:
        """End the watching; what was seen around the samples."""
        log = self._watch.stop()
        if self._begin is None or self._end is None:
            return Sensors(reason=log.reason or "no samples were taken")
        return sensors_of(log, self._begin, self._end)
