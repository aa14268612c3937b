"""Watching the sensors while something else runs, and what they saw before, during and after it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, cast

from ..profile import DeviceProfile
from . import Figure, Reading
from .sampler import Log, Order, parse_log

_START_S = 20.0
_END_S = 10.0


@dataclass(frozen=True)
class Spread:
    """The readings of a gauge while samples were taken."""

    min: float
    median: float
    max: float
    count: int


@dataclass(frozen=True)
class Seen:
    """One figure around and during a stretch of time. Where nothing was read, `reason` says why."""

    figure: Figure
    before: float | None = None
    during: Spread | None = None  # of a gauge
    added: float | None = None  # to a counter, from the last reading before to the first one after
    after: float | None = None
    words: tuple[str, ...] = ()  # of flags, every one that was set during or at an end
    words_before: tuple[str, ...] = ()
    reason: str | None = None


class Watch:
    """The sampler's process. Whatever goes wrong with it becomes the reason in the log; nothing is raised.

    It ends with us: its input closes when this process ends.
    """

    def __init__(
        self,
        profile: DeviceProfile,
        *,
        interval_s: float = 0.5,
        only: Sequence[str] = (),
        mine: Sequence[int] = (),
        sysroot: Path = Path("/"),
    ) -> None:
        order = Order(profile.model_dump(), interval_s, tuple(mine), tuple(only), str(sysroot))
        self._reason: str | None = None
        self._process: subprocess.Popen[str] | None = None
        self._is_ready = False
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "co3d_bench.devices.sensors.sampler"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                # A file of the current folder that is called like a library must not be imported in its place.
                env={**os.environ, "PYTHONSAFEPATH": "1"},
            )
            stdin = cast("IO[str]", self._process.stdin)
            stdin.write(json.dumps(asdict(order)) + "\n")
            stdin.flush()
        except BrokenPipeError:
            pass  # it ended before it heard what to read; `ready` says so
        except OSError as error:
            self._reason = f"the process that reads the sensors could not be started: {error}"

    def ready(self) -> None:
        """Wait for the first reading: what is timed then has a `before`, and its start disturbs nothing."""
        if self._process is None or self._reason or self._is_ready:
            return
        self._is_ready = True
        stdout = cast("IO[str]", self._process.stdout)
        if not select.select([stdout], [], [], _START_S)[0]:
            self._reason = f"the sensors were not ready after {_START_S:g} s"
        elif stdout.readline() != "ready\n":
            self._reason = "the process that reads the sensors ended at its start"

    def stop(self) -> Log:
        """End it; everything it read."""
        self.ready()
        if self._process is None:
            return Log(reason=self._reason)
        try:
            out, err = self._process.communicate(timeout=_END_S)  # closes its input, which ends it
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return Log(reason=self._reason or "the process that reads the sensors did not end")
        if self._reason or self._process.returncode:
            last = err.strip().splitlines()[-1:] or [f"exit code {self._process.returncode}"]
            return Log(reason=f"{self._reason or 'the process that reads the sensors failed'}: {last[0]}")
        try:
            return parse_log(out)
        except ValueError as error:
            return Log(reason=str(error))


def around(log: Log, begin: float, end: float) -> tuple[Seen, ...]:
    """What every figure was between `begin` and `end` (CLOCK_MONOTONIC), and at the reading next to each."""
    return tuple(_seen(figure, log.times, log.readings[figure.name], begin, end) for figure in log.figures)


def _seen(figure: Figure, times: Sequence[float], series: Sequence[Reading], begin: float, end: float) -> Seen:
    reasons = [reading.reason for reading in series if reading.reason]
    if len(reasons) == len(series):
        return Seen(figure, reason=reasons[0] if reasons else "nothing was read")
    pairs = [(time, reading) for time, reading in zip(times, series, strict=True) if reading.reason is None]
    before = next((reading for time, reading in reversed(pairs) if time <= begin), None)
    after = next((reading for time, reading in pairs if time >= end), None)
    inside = [reading for time, reading in pairs if begin < time < end]
    if figure.kind == "flags":
        ends = [reading for reading in (after,) if reading]
        words = dict.fromkeys(word for reading in (*inside, *ends) for word in reading.words)
        return Seen(figure, words=tuple(words), words_before=before.words if before else ())
    first, last = before.value if before else None, after.value if after else None
    if figure.kind == "counter":
        added = None if first is None or last is None else last - first
        return Seen(figure, first, None, added, last, reason=reasons[0] if reasons else None)
    values = sorted(reading.value for reading in inside if reading.value is not None)
    # So short a stretch that no reading fell into it: the ones beside it are all there is.
    values = values or sorted(value for value in (first, last) if value is not None)
    return Seen(figure, first, spread(values), None, last, reason=reasons[0] if reasons else None)


def spread(values: Sequence[float]) -> Spread | None:
    """Least, middle and greatest of sorted values; None where there are none."""
    if not values:
        return None
    half = len(values) // 2
    middle = values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2
    return Spread(values[0], middle, values[-1], len(values))
