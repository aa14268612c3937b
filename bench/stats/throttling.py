"""Sensor readings that show that the device was slowed down."""

from __future__ import annotations

from ...devices.sensors.nvml import INVALID
from ..record.sensing import SensorFigure, Sensors

# A smaller fall of the clock's cap may be rounding.
_CAP_FELL = 0.02
# Figures that can show throttling, by the first part of their names.
SIGN_FIGURES = frozenset(
    {
        "gpu_throttle",
        "cpu_throttle_events",
        "gpu_thermal_capped_s",
        "throttle_events",
        "cooling_state",
        "gpu_max_hz",
    }
)


def throttle_signs(sensors: Sensors | None) -> tuple[str, ...]:
    """Every sign that the device throttled during the samples, as text.

    A card under load at its power limit (NVML's software power cap) is normal and no sign.
    """
    return tuple(sign for figure in sensors.figures if (sign := _sign(figure))) if sensors else ()


def throttling_would_show(sensors: Sensors | None) -> bool:
    """Whether a figure was read that would show throttling; without one, no sign means nothing."""
    figures = sensors.figures if sensors else ()
    return any(figure.name.partition("/")[0] in SIGN_FIGURES and _was_read(figure) for figure in figures)


def _was_read(figure: SensorFigure) -> bool:
    if figure.kind == "flags":
        return figure.reason is None
    return (figure.added if figure.kind == "counter" else figure.during) is not None


def _sign(figure: SensorFigure) -> str | None:
    name = figure.name
    kind, _, which = name.partition("/")
    if figure.kind == "flags":
        bad = [word for word in figure.words if word in INVALID]
        return f"GPU: {', '.join(bad)}" if bad else None
    if kind == "cpu_throttle_events" and figure.added:
        return f"the processor was throttled {figure.added:.0f} x"
    if kind == "gpu_thermal_capped_s" and figure.added:
        return f"GPU: slowed down by heat for {figure.added:.2g} s"
    if kind == "throttle_events" and figure.added:
        return f"over-current or under-voltage: {figure.added:.0f} x {which}"
    if kind == "cooling_state" and figure.during and figure.during.max > 0:
        return f"{which} was at work (state {figure.during.max:.0f})"
    if kind == "gpu_max_hz" and figure.during and figure.before and figure.during.min < figure.before * (1 - _CAP_FELL):
        return f"GPU: the cap of its clock fell from {figure.before / 1e6:.0f} to {figure.during.min / 1e6:.0f} MHz"
    return None
