"""What sensors saw, in the form of a record: around the timed samples, and per prediction in a pass of its own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ...devices.sensors import Figure
from ...devices.sensors import watch as watching
from ...devices.sensors.sampler import Log
from ...devices.sensors.throttle import could_tell, throttled
from .case import Frozen


class Spread(Frozen):
    """The readings of a gauge while samples were taken."""

    min: float
    median: float
    max: float
    count: int


class SensorFigure(Frozen):
    """One figure before, during and after the samples; where there is none, `reason` says why."""

    name: str = Field(description="with its unit, and behind a slash which one: temperature_c/GPU-therm")
    kind: Literal["gauge", "counter", "flags"] = "gauge"
    note: str | None = None
    before: float | None = Field(default=None, description="the last reading before the first sample")
    during: Spread | None = Field(default=None, description="of a gauge")
    added: float | None = Field(default=None, description="to a counter, between the readings around the samples")
    after: float | None = None
    words: tuple[str, ...] = Field(default=(), description="of flags: each that was set during or after")
    words_before: tuple[str, ...] = ()
    reason: str | None = None


class Sensors(Frozen):
    """What the sensors saw around the timed samples, and what looking cost."""

    figures: tuple[SensorFigure, ...] = ()
    interval_s: float = 0.0
    readings: int = Field(default=0, description="of all figures together, the whole case long")
    sampler_cpu_s: float = Field(default=0.0, description="CPU time of the process that read, the whole case long")
    watched_s: float = Field(default=0.0, description="from the first reading to the last one")
    reason: str | None = Field(default=None, description="why nothing was read, where nothing was")

    def figure(self, name: str) -> SensorFigure | None:
        """One figure by its name; None where the device has no such sensor."""
        return next((figure for figure in self.figures if figure.name == name), None)


class EnergyBlock(Frozen):
    """Predictions one after the other, or nothing, long enough for the sensor."""

    seconds: float
    calls: int = Field(description="of the network; 0 where it was idle")
    energy_j: float
    fresh_readings: int = Field(description="times the sensor's value changed: at least so many readings were new")


class Energy(Frozen):
    """Energy of a case, from blocks of predictions with idle ones beside them."""

    source: str | None = Field(default=None, description="the figure it is taken from")
    quantity: str | None = Field(default=None, description="what that sensor measures; they differ by device")
    busy: tuple[EnergyBlock, ...] = ()
    idle: tuple[EnergyBlock, ...] = ()
    reason: str | None = Field(default=None, description="why there is none, where there is none")


def sensors_of(log: Log, begin: float, end: float) -> Sensors:
    """What a log says of the time between `begin` and `end` (of `time.perf_counter`)."""
    if log.reason:
        return Sensors(reason=log.reason)
    return Sensors(
        figures=tuple(_figure(seen) for seen in watching.around(log, begin, end)),
        interval_s=log.interval_s,
        readings=len(log.times),
        sampler_cpu_s=log.cpu_s,
        watched_s=log.times[-1] - log.times[0] if log.times else 0.0,
    )


def throttle_signs(sensors: Sensors | None) -> tuple[str, ...]:
    """Every sign that the machine was slowed down while samples were taken."""
    return throttled(_seen(figure) for figure in sensors.figures) if sensors else ()


def throttling_would_show(sensors: Sensors | None) -> bool:
    """Whether something was read that would have told of it; else the lack of signs means nothing."""
    return sensors is not None and could_tell(_seen(figure) for figure in sensors.figures)


def _figure(seen: watching.Seen) -> SensorFigure:
    during = seen.during
    return SensorFigure(
        name=seen.figure.name,
        kind=seen.figure.kind,
        note=seen.figure.note,
        before=seen.before,
        during=Spread(min=during.min, median=during.median, max=during.max, count=during.count) if during else None,
        added=seen.added,
        after=seen.after,
        words=seen.words,
        words_before=seen.words_before,
        reason=seen.reason,
    )


def _seen(figure: SensorFigure) -> watching.Seen:
    during = figure.during
    return watching.Seen(
        Figure(figure.name, figure.kind, figure.note),
        figure.before,
        watching.Spread(during.min, during.median, during.max, during.count) if during else None,
        figure.added,
        figure.after,
        figure.words,
        figure.words_before,
        figure.reason,
    )
