"""Sensor readings in a record: around the timed samples, and the energy pass."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .case import Count, Duration, Frozen, Latency, Number


class Spread(Frozen):
    """The readings of a gauge while samples were taken."""

    min: Number
    median: Number
    max: Number
    count: Count


class InMinute(Frozen):
    """What one figure did in one minute of the samples; all empty where nothing of it was read."""

    during: Spread | None = Field(default=None, description="of a gauge")
    added: Number | None = Field(default=None, description="to a counter, between the last readings by its two ends")
    words: tuple[str, ...] = Field(default=(), description="of flags: each that was set")


class SensorFigure(Frozen):
    """One figure before, during and after the samples; where there is none, `reason` says why."""

    name: str = Field(description="with unit, after a slash the instance: temperature_c/GPU-therm")
    kind: Literal["gauge", "counter", "flags"] = "gauge"
    note: str | None = None
    before: Number | None = Field(default=None, description="the last reading before the first sample")
    during: Spread | None = Field(default=None, description="of a gauge")
    added: Number | None = Field(default=None, description="to a counter, between the readings around the samples")
    after: Number | None = None
    words: tuple[str, ...] = Field(default=(), description="of flags: each that was set during or after")
    words_before: tuple[str, ...] = ()
    minutes: tuple[InMinute, ...] = Field(
        default=(),
        description="minute by minute, of samples that took two or more; the last is longer where they do not end with "
        "a whole minute",
    )
    reason: str | None = None


class Sensors(Frozen):
    """The sensor readings around the timed samples, and what reading them cost."""

    figures: tuple[SensorFigure, ...] = ()
    interval_s: Duration = 0.0
    readings: Count = Field(default=0, description="of all figures, during the whole case")
    sampler_cpu_s: Duration = Field(default=0.0, description="CPU time of the reading process, during the whole case")
    watched_s: Duration = Field(default=0.0, description="from the first reading to the last")
    reason: str | None = Field(default=None, description="why nothing was read, where nothing was")

    def figure(self, name: str) -> SensorFigure | None:
        """One figure by its name; None where the device has no such sensor."""
        return next((figure for figure in self.figures if figure.name == name), None)

    def in_minute(self, number: int) -> Sensors:
        """What is known of one minute, from 0, in the form of the whole: with what was read before the samples."""
        return Sensors(
            figures=tuple(
                figure.model_copy(update={**dict(figure.minutes[number]), "minutes": (), "after": None})
                for figure in self.figures
                if number < len(figure.minutes)
            )
        )


class EnergyBlock(Frozen):
    """A block of predictions, or of idle time, long enough for the sensor."""

    seconds: Latency
    calls: Count = Field(description="of the network; 0 where it was idle")
    energy_j: Number
    fresh_readings: Count = Field(description="how often the sensor's value changed: at least so many were new")


class Energy(Frozen):
    """Energy of a case, from blocks of predictions with idle ones beside them."""

    source: str | None = Field(default=None, description="the sensor figure that was used")
    quantity: str | None = Field(default=None, description="what that sensor measures, which differs by device")
    busy: tuple[EnergyBlock, ...] = ()
    idle: tuple[EnergyBlock, ...] = ()
    reason: str | None = Field(default=None, description="why there is none, where there is none")
