"""What a person sees while cases are measured: a line for each case and round; on a terminal also a live status line.

No thread, no timer, and nothing is drawn while samples are taken: that would take CPU time from what is measured.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from statistics import median
from typing import TYPE_CHECKING, Protocol, TextIO

from ..measure.job import Event
from ..plan.plan import Search
from ..record.case import CameraSetup, Case
from ..record.plain import plain_lines
from ..record.record import BatchSearch, Record
from ..stats.batch import by_batch, search_text
from ..stats.summary import warnings
from .rounds import duration_text

if TYPE_CHECKING:
    from rich.console import Console

LINE_EVERY_S = 60.0
_CLEAR_LINE = "\r\x1b[2K"
# What may differ between cases besides network and engine, and how it is written.
_DIFFER: dict[str, Callable[[Case], str]] = {
    "device": lambda case: f"on {case.device}",
    "precision": lambda case: case.precision,
    "batch": lambda case: f"b{case.batch}",
    "threads": lambda case: f"t{case.threads}",
    "camera": lambda case: _camera(case.camera) if case.camera else "",
}


def _camera(setup: CameraSetup) -> str:
    more = [f"{setup.states} states"] if setup.states > 1 else []
    more += [f"cameras: {setup.streams}"] if setup.streams != 1 else []
    return ", ".join([f"every {setup.every}", *more])


class Progress(Protocol):
    """What the parent reports during a run."""

    def searching(self, search: Search) -> None:
        """A search for a batch begins, before the cases do."""

    def batch_found(self, search: Search, result: BatchSearch) -> None:
        """The batches of a case are known."""

    def begin(self, run_id: str, cases: Sequence[Case], until: str, done: int) -> None:
        """The run begins: its id, when it ends, and how many processes a resumed run already has."""

    def started(self, round_number: int, case: Case, left: str, at_host: bool) -> None:
        """A process of a case begins; round 0 is the one that measures energy."""

    def event(self, event: Event) -> None:
        """The case has reached another phase, or taken more samples."""

    def finished(self, record: Record) -> None:
        """The process has a record."""

    def note(self, text: str) -> None:
        """Something about the run as a whole."""

    def board_problem(self, why: str) -> None:
        """A board is lost, or not left as it was."""

    def end(self) -> None:
        """Nothing more follows for now."""


class Silent(Progress):
    """Shows nothing: for Python callers."""


class Lines:
    """A line when a process ends; on a terminal also a status line that is overwritten."""

    def __init__(
        self,
        stream: TextIO | None = None,
        live: bool | None = None,
        untimed: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._untimed = untimed  # whether nothing is timed, so that phases may be shown, with the time left
        self._clock = clock
        self._since: tuple[float, int] | None = None  # when counting began, and at what count
        self._printed = clock()  # when a phase was last printed: without a terminal there is no status line
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty() if live is None else live
        self._console: Console | None = None
        self._labels: dict[Case, str] = {}
        self._differ: tuple[str, ...] = ()
        self._head, self._round = "", 1
        self._camera = False
        self._phases = False  # whether phases are shown: nothing is timed on this machine meanwhile

    def searching(self, search: Search) -> None:
        self._head, self._phases = search.key, True
        self._now("searching for a batch")

    def batch_found(self, search: Search, result: BatchSearch) -> None:
        self._print(f"{search.key}  {search_text(result)}")
        if result.trials:
            self._print(f"       tried {by_batch(result.trials)}")

    def begin(self, run_id: str, cases: Sequence[Case], until: str, done: int) -> None:
        self._differ = tuple(name for name in _DIFFER if len({getattr(case, name) for case in cases}) > 1)
        width = max((len(self._label(case)) for case in cases), default=0)
        self._labels = {case: self._label(case).ljust(width) for case in cases}
        kept = f"; {done} process{'es' if done != 1 else ''} measured before" if done else ""
        self._print(f"run {run_id}: {len(cases)} case{'s' if len(cases) != 1 else ''}, {until}{kept}")

    def _label(self, case: Case) -> str:
        return " ".join((case.model, case.backend, *(_DIFFER[name](case) for name in self._differ)))

    def started(self, round_number: int, case: Case, left: str, at_host: bool) -> None:
        self._round, self._phases, self._camera = round_number, at_host or self._untimed, case.camera is not None
        self._since = None
        which = f"round {round_number}" if round_number else "energy "
        self._head = f"{which}  {self._labels.get(case) or self._label(case)}"
        self._now(left)

    def event(self, event: Event) -> None:
        if event.event == "tried":
            if event.phase and not self._live:  # a number of cameras: a search for it takes minutes
                self._print(f"{self._head}  {event.phase}")
            return
        # Before a camera a line stands for a minute or an hour, and is changed before the first frame.
        if event.phase and (self._phases or (self._camera and event.phase != "sampling")):
            count = f" {event.done}/{event.total}" if event.total else ""
            text = event.phase + count + (self._left(event) if self._untimed else "")
            self._now(text)
            if self._untimed and event.total and not self._live and self._clock() - self._printed >= LINE_EVERY_S:
                self._printed = self._clock()
                self._print(f"{self._head}  {text}")

    def _left(self, event: Event) -> str:
        """How long the rest takes at the rate so far."""
        if not event.total or event.done is None:
            return ""
        now = self._clock()
        begin, first = self._since = self._since or (now, event.done)
        done = event.done - first
        return f", about {duration_text((now - begin) / done * (event.total - event.done))} left" if done else ""

    def finished(self, record: Record) -> None:
        """On a terminal, lines of later rounds would push the table out of sight."""
        if self._live and self._round > 1 and record.ok:
            return
        self._print(f"{self._head}  {describe(record)}")
        if record.error:
            for note in record.notes:
                self._print(f"         {note}")

    def note(self, text: str) -> None:
        self._print(text)

    def board_problem(self, why: str) -> None:
        self._print(why)

    def end(self) -> None:
        """Leave no half line behind."""
        if self._live:
            self._write(_CLEAR_LINE)

    def _now(self, what: str) -> None:
        """Overwrite the status line; without a terminal there is none."""
        if not self._live:
            return
        from rich.console import Console
        from rich.text import Text

        self._console = self._console or Console(file=self._stream, force_terminal=True)
        line = Text.assemble((self._head, "bold"), (f"  {what}" if what else "", "dim"), no_wrap=True)
        line.truncate(max(1, self._console.width - 1), overflow="ellipsis")
        with self._console.capture() as drawn:
            self._console.print(line, end="")
        self._write(_CLEAR_LINE + drawn.get())

    def _print(self, line: str) -> None:
        self._write(f"{_CLEAR_LINE if self._live else ''}{plain_lines(line)}\n")

    def _write(self, text: str) -> None:
        # The reader may be gone (`2>&1 | head`); that is no reason to stop measuring.
        with suppress(OSError):
            self._stream.write(text)
            self._stream.flush()


def describe(record: Record) -> str:
    """One line about a process: its latency, marked if it has a warning, or why it has none."""
    if record.error is not None:
        return f"FAILED  {record.error.kind}: {record.error.message}"
    if record.camera:
        found = record.camera.streams
        unknown = found and not found.count and found.shown and found.shown.verdict == "not known"
        cameras = f"cameras: {'not known' if unknown else found.count}; " if found else ""
        return f"{cameras}{record.camera.missed} of {record.camera.due} answers missed their deadline"
    if (found := record.evaluation) and (shown := found.top1 or found.mean_ap):
        return f"{'top-1' if found.top1 else 'mAP'} {100 * shown.value:.1f} % of {found.scored} films"
    if record.timing is None:
        return "not timed"
    mark = "  !" if warnings(record) else ""
    return f"{1e3 * median(record.timing.samples.latency_s):.4g} ms{mark}"
