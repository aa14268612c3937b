"""What the sensors saw that means: this machine was slowed down, so its speed is not what it can do."""

from __future__ import annotations

from collections.abc import Iterable

from .nvml import INVALID
from .watch import Seen

# A cap of the clock that fell by more than this is not rounding.
_CAP_FELL = 0.02
# Where a sign can come from, by the beginning of a figure's name.
_TELLING = frozenset(
    {
        "gpu_throttle",
        "cpu_throttle_events",
        "gpu_thermal_capped_s",
        "throttle_events",
        "cooling_state",
        "gpu_max_hz",
    }
)


def throttled(seen: Iterable[Seen]) -> tuple[str, ...]:
    """Every sign that the machine throttled meanwhile, in words; empty where there is none.

    A card under load that runs into its power limit is normal and no sign (NVML's software power cap); heat, current
    and voltage are.
    """
    return tuple(sign for each in seen if (sign := _sign(each)))


def could_tell(seen: Iterable[Seen]) -> bool:
    """Whether anything was read that throttling would have shown in: else no sign means nothing."""
    return any(each.figure.name.partition("/")[0] in _TELLING and _was_read(each) for each in seen)


def _was_read(seen: Seen) -> bool:
    if seen.figure.kind == "flags":
        return seen.reason is None
    return (seen.added if seen.figure.kind == "counter" else seen.during) is not None


def _sign(seen: Seen) -> str | None:
    name = seen.figure.name
    kind, _, which = name.partition("/")
    if seen.figure.kind == "flags":
        bad = [word for word in seen.words if word in INVALID]
        return f"GPU: {', '.join(bad)}" if bad else None
    if kind == "cpu_throttle_events" and seen.added:
        return f"the processor was throttled {seen.added:.0f} x"
    if kind == "gpu_thermal_capped_s" and seen.added:
        return f"GPU: slowed down by heat for {seen.added:.2g} s"
    if kind == "throttle_events" and seen.added:
        return f"over-current or under-voltage: {seen.added:.0f} x {which}"
    if kind == "cooling_state" and seen.during and seen.during.max > 0:
        return f"{which} was at work (state {seen.during.max:.0f})"
    if kind == "gpu_max_hz" and seen.during and seen.before and seen.during.min < seen.before * (1 - _CAP_FELL):
        return f"GPU: the cap of its clock fell from {seen.before / 1e6:.0f} to {seen.during.min / 1e6:.0f} MHz"
    return None
