"""The sensors during one case: read from its start, and summarised for the time of the samples."""

from __future__ import annotations

import os
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from ...devices.profile import DeviceProfile
from ...devices.sensors import Figure, Reading
from ...devices.sensors.sampler import Log
from ...devices.sensors.watch import Watch
from ..record.sensing import InMinute, SensorFigure, Sensors, Spread
from ..stats.camera import minute_edges
from .job import Event
from .loop import median

INTERVAL_S = 0.5


class SensorWatch:
    """Reads sensors during a case. Passes events on, and takes from them when sampling began and ended."""

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
        """Wait until the sensors are being read, which must not start while something is timed."""
        self._watch.ready()

    def emit(self, event: Event) -> None:
        """Pass the event on."""
        if event.phase == "sampling" and self._begin is None:
            self._begin = self._clock()
        if event.event == "sampled":
            self._end = self._clock()
        self._emit(event)

    def stop(self, length_s: float | None = None) -> Sensors:
        """Stop reading; returns the sensors during the samples, or during their first `length_s`."""
        log = self._watch.stop()
        if self._begin is None or self._end is None:
            return Sensors(reason=log.reason or "no samples were taken")
        return sensors_of(log, self._begin, self._end if length_s is None else self._begin + length_s)


def sensors_of(log: Log, begin: float, end: float) -> Sensors:
    """The sensors between `begin` and `end` (CLOCK_MONOTONIC, which is `time.perf_counter` on Linux), and at the
    readings next to these."""
    if log.reason:
        return Sensors(reason=log.reason)
    return Sensors(
        figures=tuple(_figure(each, log.times, log.readings[each.name], begin, end) for each in log.figures),
        interval_s=log.interval_s,
        readings=len(log.times),
        sampler_cpu_s=log.cpu_s,
        watched_s=log.times[-1] - log.times[0] if log.times else 0.0,
    )


def _figure(of: Figure, times: Sequence[float], series: Sequence[Reading], begin: float, end: float) -> SensorFigure:
    figure = partial(SensorFigure, name=of.name, kind=of.kind, note=of.note)
    reasons = [reading.reason for reading in series if reading.reason]
    if len(reasons) == len(series):
        return figure(reason=reasons[0] if reasons else "nothing was read")
    pairs = [(time, reading) for time, reading in zip(times, series, strict=True) if reading.reason is None]
    before = next((reading for time, reading in reversed(pairs) if time <= begin), None)
    after = next((reading for time, reading in pairs if time >= end), None)
    figure = partial(figure, minutes=_minutes(of, pairs, begin, end))
    inside = [reading for time, reading in pairs if begin < time < end]
    if of.kind == "flags":
        words = dict.fromkeys(word for reading in (*inside, after) if reading for word in reading.words)
        return figure(words=tuple(words), words_before=before.words if before else ())
    first, last = before.value if before else None, after.value if after else None
    figure = partial(figure, before=first, after=last, reason=reasons[0] if reasons else None)
    if of.kind == "counter":
        return figure(added=None if first is None or last is None else last - first)
    values = [reading.value for reading in inside if reading.value is not None]
    # Sampling may be so short that no reading fell into it: then the readings next to it are used.
    return figure(during=spread(values or [value for value in (first, last) if value is not None]))


def _minutes(of: Figure, pairs: Sequence[tuple[float, Reading]], begin: float, end: float) -> tuple[InMinute, ...]:
    """A figure minute by minute; `pairs` are its readings with their times."""
    edges = [begin + edge for edge in minute_edges(end - begin)]
    edge_indices = [bisect_right(pairs, edge, key=lambda pair: pair[0]) for edge in edges]
    readings = [reading for _, reading in pairs]
    return tuple(
        _in_minute(of, readings[first:last], readings[first - 1].value if first else None)
        for first, last in pairwise(edge_indices)
    )


def _in_minute(of: Figure, inside: Sequence[Reading], before: float | None) -> InMinute:
    """What was read in a minute; a counter's increase is from the last reading before it."""
    if of.kind == "flags":
        return InMinute(words=tuple(dict.fromkeys(word for reading in inside for word in reading.words)))
    values = [reading.value for reading in inside if reading.value is not None]
    if of.kind == "gauge":
        return InMinute(during=spread(values))
    return InMinute(added=values[-1] - before if values and before is not None else None)


def spread(values: Sequence[float]) -> Spread | None:
    """Minimum, median and maximum; None of no values."""
    if not values:
        return None
    return Spread(min=min(values), median=median(values), max=max(values), count=len(values))
