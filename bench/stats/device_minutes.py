"""What the device did minute by minute of a long run: heat, clocks, throttling. From the sensors in its record."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..record.sensing import SensorFigure, Sensors
from .throttling import SIGN_FIGURES, throttle_signs, throttling_would_show


@dataclass(frozen=True)
class DeviceMinute:
    """One minute; None where nothing of it was read."""

    heat_c: float | None  # the highest of the hottest zone
    zone: str  # which one that is
    cpu_hz: float | None  # median
    gpu_hz: float | None
    signs: tuple[str, ...]  # that the device throttled, as text


def device_minutes(sensors: Sensors | None, count: int) -> tuple[DeviceMinute, ...]:
    """Each minute of a run of so many; empty where nothing was read, or where the sensors are of a longer stretch."""
    read = max((len(figure.minutes) for figure in sensors.figures), default=0) if sensors else 0
    return tuple(_minute(sensors.in_minute(number)) for number in range(count)) if sensors and read == count else ()


def _minute(sensors: Sensors) -> DeviceMinute:
    zones = {
        f.name.partition("/")[2]: f.during.max for f in sensors.figures if _kind(f) == "temperature_c" and f.during
    }
    zone = max(zones, key=lambda name: zones[name], default="")
    return DeviceMinute(
        heat_c=zones.get(zone),
        zone=zone,
        cpu_hz=_median(sensors.figure("cpu_hz")),
        gpu_hz=_median(sensors.figure("gpu_hz")),
        signs=throttle_signs(sensors),
    )


def _kind(figure: SensorFigure) -> str:
    return figure.name.partition("/")[0]


def _median(figure: SensorFigure | None) -> float | None:
    return figure.during.median if figure and figure.during else None


_KINDS = {"heat": {"temperature_c"}, "clock": {"cpu_hz", "gpu_hz"}, "throttling": SIGN_FIGURES}


def unread_by_minute(sensors: Sensors | None, count: int) -> dict[str, str]:
    """What is not known of the minutes of such a run, and why: heat, clock, throttling."""
    minutes = device_minutes(sensors, count)
    known = {
        "heat": any(minute.heat_c is not None for minute in minutes),
        "clock": any(minute.cpu_hz is not None or minute.gpu_hz is not None for minute in minutes),
        "throttling": bool(minutes) and throttling_would_show(sensors),
    }
    return {name: _why(sensors, kinds) for name, kinds in _KINDS.items() if not known[name]}


def _why(sensors: Sensors | None, kinds: Collection[str]) -> str:
    if sensors is None or sensors.reason:
        return (sensors.reason if sensors else None) or "not read"
    reasons = (figure.reason for figure in sensors.figures if _kind(figure) in kinds and figure.reason)
    return next(reasons, "not read minute by minute")
