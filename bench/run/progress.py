"""What a person sees while cases are measured: a line a case and round, on a terminal also one that says what is now.

Nothing here has a thread or a timer, and nothing is drawn while samples are taken: a picture that refreshes itself
would take CPU time from what is measured.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from statistics import median
from typing import TYPE_CHECKING, Protocol, TextIO

from ..measure.job import Event
from ..plan.plan import Search
from ..record.case import Case
from ..record.record import BatchSearch, Record
from ..stats.batch import by_batch, search_text
from ..stats.summary import warnings

if TYPE_CHECKING:
    from rich.console import Console

_CLEAR_LINE = "\r\x1b[2K"
# What tells cases apart besides network and engine, each with how it is written.
_DIFFER: dict[str, Callable[[Case], str]] = {
    "device": lambda case: f"on {case.device}",
    "precision": lambda case: case.precision,
    "batch": lambda case: f"b{case.batch}",
    "threads": lambda case: f"t{case.threads}",
}


class Progress(Protocol):
    """Told by the parent as a run goes on."""

    def searching(self, search: Search) -> None: ...

    def found(self, search: Search, found: BatchSearch) -> None: ...

    def begin(self, run_id: str, cases: Sequence[Case], until: str, done: int) -> None: ...

    def started(self, round_number: int, case: Case, left: str, at_host: bool) -> None: ...

    def event(self, event: Event) -> None: ...

    def finished(self, record: Record) -> None: ...

    def note(self, text: str) -> None: ...

    def away(self, why: str) -> None: ...

    def end(self) -> None: ...


class Silent:
    """Shows nothing: for Python callers."""

    def searching(self, search: Search) -> None: ...

    def found(self, search: Search, found: BatchSearch) -> None: ...

    def begin(self, run_id: str, cases: Sequence[Case], until: str, done: int) -> None: ...

    def started(self, round_number: int, case: Case, left: str, at_host: bool) -> None: ...

    def event(self, event: Event) -> None: ...

    def finished(self, record: Record) -> None: ...

    def note(self, text: str) -> None: ...

    def away(self, why: str) -> None: ...

    def end(self) -> None: ...


class Lines:
    """A line when a process ends. On a terminal, in later rounds one that is written over says which is running."""

    def __init__(self, stream: TextIO | None = None, live: bool | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty() if live is None else live
        self._console: Console | None = None
        self._labels: dict[Case, str] = {}
        self._differ: tuple[str, ...] = ()
        self._head, self._round = "", 1
        self._phases = False  # whether phases are shown: nothing is timed on this machine meanwhile

    def searching(self, search: Search) -> None:
        """A batch is looked for, before the cases begin."""
        self._head, self._phases = search.key, True
        self._now("looking for a batch")

    def found(self, search: Search, found: BatchSearch) -> None:
        """The batches of a case are known."""
        self._print(f"{search.key}  {search_text(found)}")
        if found.trials:
            self._print(f"       tried {by_batch(found.trials)}")

    def begin(self, run_id: str, cases: Sequence[Case], until: str, done: int) -> None:
        """Say which run this is, until when it goes on, and what it takes over from before."""
        self._differ = tuple(name for name in _DIFFER if len({getattr(case, name) for case in cases}) > 1)
        width = max((len(self._label(case)) for case in cases), default=0)
        self._labels = {case: self._label(case).ljust(width) for case in cases}
        kept = f"; {done} process{'es' if done != 1 else ''} measured before" if done else ""
        self._print(f"run {run_id}: {len(cases)} case{'s' if len(cases) != 1 else ''}, {until}{kept}")

    def _label(self, case: Case) -> str:
        return " ".join((case.model, case.backend, *(_DIFFER[name](case) for name in self._differ)))

    def started(self, round_number: int, case: Case, left: str, at_host: bool) -> None:
        """A process of a case begins; round 0 is the one that measures energy."""
        self._round, self._phases = round_number, at_host
        which = f"round {round_number}" if round_number else "energy "
        self._head = f"{which}  {self._labels.get(case) or self._label(case)}"
        self._now(left)

    def event(self, event: Event) -> None:
        """The case has come to another phase, or a few samples further."""
        if event.phase and self._phases:
            count = f" {event.done}/{event.total}" if event.total else ""
            self._now(event.phase + count)

    def finished(self, record: Record) -> None:
        """The process has a record. On a terminal, lines of later rounds would only push the table out of sight."""
        if self._live and self._round > 1 and record.ok:
            return
        self._print(f"{self._head}  {describe(record)}")
        if record.error:
            for note in record.notes:
                self._print(f"         {note}")

    def note(self, text: str) -> None:
        """Something about the run as a whole."""
        self._print(text)

    def away(self, why: str) -> None:
        """A board is lost, or not left as it was."""
        self._print(why)

    def end(self) -> None:
        """Leave no half line behind."""
        if self._live:
            self._write(_CLEAR_LINE)

    def _now(self, what: str) -> None:
        """The line that is written over; without a terminal there is none."""
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
        self._write(f"{_CLEAR_LINE if self._live else ''}{line}\n")

    def _write(self, text: str) -> None:
        # Whoever read this may have gone (`2>&1 | head`); that is no reason to stop measuring.
        with suppress(OSError):
            self._stream.write(text)
            self._stream.flush()


def describe(record: Record) -> str:
    """One line about a process: its latency and a mark if anything speaks against it, or why it has none."""
    if record.error is not None:
        return f"FAILED  {record.error.kind}: {record.error.message}"
    if record.timing is None:
        return "not timed"
    mark = "  !" if warnings(record) else ""
    return f"{1e3 * median(record.timing.samples.latency_s):.4g} ms{mark}"
