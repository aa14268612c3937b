"""A long run in front of a camera minute by minute, in words and as rows: its frames and the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..bench.record.sensing import Sensors
from ..bench.stats.camera import FrameTimes, Minute, kept_of_first, minutes
from ..bench.stats.device_minutes import DeviceMinute, device_minutes, unread_by_minute
from ..bench.stats.metrics import MS, PERCENT
from ..bench.stats.throttling import throttle_signs
from .device import CELSIUS, FIGURES, GHZ
from .notation import number
from .tables.table import WORDS, Cell, Column, Row, Table, cells, figure, filled


@dataclass(frozen=True)
class RunMinute:
    """One minute of a run."""

    place: int  # from 1
    frames: Minute
    kept: float | None  # its answers a second, as a share of the first minute's; None where that had none
    device: DeviceMinute | None  # None: no sensor was read minute by minute

    @property
    def signs(self) -> tuple[str, ...]:
        """That the device throttled in it."""
        return self.device.signs if self.device else ()

    @property
    def median_text(self) -> str:
        """The median latency with its unit."""
        median_s = self.frames.median_s
        if median_s is None:
            return "unknown"
        return "infinite (most were dropped)" if self.frames.mostly_dropped else f"{number(MS.of(median_s))} ms"


def run_minutes(times: FrameTimes, sensors: Sensors | None) -> tuple[RunMinute, ...]:
    """Every minute of a run; empty below two."""
    found = minutes(times)
    kept, device = kept_of_first(found), device_minutes(sensors, len(found))
    return tuple(
        RunMinute(
            place + 1,
            minute,
            kept[place] if kept else None,
            device[place] if place < len(device) else None,
        )
        for place, minute in enumerate(found)
    )


def _device(name: str, found: RunMinute) -> float | None:
    return getattr(found.device, name) if found.device else None


def _percent(share: float | None) -> Cell:
    return Cell() if share is None else Cell(number(100 * share), share)


def _median(found: RunMinute) -> Cell:
    median_s = found.frames.median_s
    if median_s is None:
        return Cell()
    return Cell("dropped" if found.frames.mostly_dropped else number(MS.of(median_s)), median_s)


COLUMNS: tuple[Column[RunMinute], ...] = (
    Column("Missed", lambda found: _percent(found.frames.missed_share), PERCENT),
    Column("p50", _median, MS),
    Column("Answers", lambda found: _percent(found.kept), PERCENT, "a second, of the first minute's"),
    figure("Heat", lambda found: _device("heat_c", found), CELSIUS, explains="the highest of the hottest zone"),
    figure("CPU clock", lambda found: _device("cpu_hz", found), GHZ),
    figure("GPU clock", lambda found: _device("gpu_hz", found), GHZ),
    Column("Throttled", lambda found: Cell("; ".join(found.signs), "yes" if found.signs else None), kind=WORDS),
)


def minutes_table(found: Sequence[RunMinute]) -> Table:
    """A row for each minute."""
    columns = filled(COLUMNS, found)
    return Table("Minute", columns, tuple(Row(str(each.place), cells(columns, each)) for each in found))


def minutes_text(found: Sequence[RunMinute], sensors: Sensors | None) -> str | None:
    """A run of two minutes or more in a sentence: what of its first minute is left in its last, and what the device
    did meanwhile."""
    return f"{len(found)} minutes: {'; '.join(_said(found, sensors))}" if found else None


def _said(found: Sequence[RunMinute], sensors: Sensors | None) -> Iterator[str]:
    first, last = found[0], found[-1]
    if last.kept is not None:
        yield f"the last minute has {number(100 * last.kept)} % of the first one's answers a second"
    yield f"median latency {first.median_text} in the first minute, {last.median_text} in the last"
    worst = max(found, key=lambda each: each.frames.missed_share or 0.0)
    share = worst.frames.missed_share
    yield f"most missed in minute {worst.place}: {number(100 * share)} %" if share else "no minute missed a frame"
    for column in COLUMNS:
        if column.head in _FROM_TO and column.cell(first).value is not None and column.cell(last).value is not None:
            begin, end = column.cell(first).text, column.cell(last).text
            ends = "in both" if begin == end else f"in the first, {end} in the last"
            yield f"{_FROM_TO[column.head]} {begin} {column.unit.text} {ends}"
    yield from _throttled(found, sensors)


# Columns whose first minute and last are named in the sentence, and how.
_FROM_TO = {"Heat": "hottest zone", "CPU clock": "CPU clock", "GPU clock": "GPU clock"}


def _throttled(found: Sequence[RunMinute], sensors: Sensors | None) -> Iterator[str]:
    slow = [each.place for each in found if each.signs]
    if slow:
        yield f"throttled in {len(slow)} of {len(found)} minutes, first in minute {slow[0]}: " + ", ".join(
            throttle_signs(sensors)
        )
    elif "throttling" not in unread_by_minute(sensors, len(found)):
        yield "not throttled"


def sensor_notes(every: Iterable[tuple[FrameTimes, Sensors | None]]) -> tuple[str, ...]:
    """Once for all long ones of these runs: what no sensor read minute by minute, and why; what the clocks are."""
    reasons: dict[str, dict[str, None]] = {}
    clocks: dict[str, None] = {}
    long = ((len(found), sensors) for times, sensors in every if (found := minutes(times)))
    for count, sensors in long:
        for what, why in unread_by_minute(sensors, count).items():
            reasons.setdefault(why, {})[what] = None
        for each in sensors.figures if sensors else ():
            if each.name in ("cpu_hz", "gpu_hz") and each.minutes and each.note:
                clocks[f"{FIGURES[each.name]}: {each.note}"] = None
    lacking = "; ".join(f"{', '.join(what)} ({why})" for why, what in reasons.items())
    return (*([f"Minute by minute without {lacking}"] if lacking else []), *clocks)
