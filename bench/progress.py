"""What a person sees while cases are measured: a line a case, and on a terminal what it is doing now.

Nothing here has a thread or a timer. A picture that refreshes itself would take CPU time from what is measured.
"""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress
from typing import Protocol, TextIO

from .batch import by_batch, told
from .case import Case
from .job import Event
from .plan import Search
from .record import BatchSearch, Record
from .stats import doubts, pace_remark, summarise

_CLEAR_LINE = "\r\x1b[2K"


class Progress(Protocol):
    """Told by the parent as a run goes on."""

    def searching(self, search: Search) -> None: ...

    def found(self, search: Search, found: BatchSearch) -> None: ...

    def begin(self, run_id: str, cases: int, total: int, done: int) -> None: ...

    def started(self, number: int, total: int, case: Case) -> None: ...

    def event(self, event: Event) -> None: ...

    def finished(self, number: int, record: Record) -> None: ...

    def away(self, why: str) -> None: ...

    def end(self) -> None: ...


class Silent:
    """Shows nothing: for Python callers."""

    def searching(self, search: Search) -> None: ...

    def found(self, search: Search, found: BatchSearch) -> None: ...

    def begin(self, run_id: str, cases: int, total: int, done: int) -> None: ...

    def started(self, number: int, total: int, case: Case) -> None: ...

    def event(self, event: Event) -> None: ...

    def finished(self, number: int, record: Record) -> None: ...

    def away(self, why: str) -> None: ...

    def end(self) -> None: ...


class Lines:
    """A line when a case starts and one when it ends; on a terminal one line that is written over."""

    def __init__(self, stream: TextIO = sys.stderr, live: bool | None = None) -> None:
        self._stream = stream
        self._live = stream.isatty() if live is None else live
        self._head = ""

    def searching(self, search: Search) -> None:
        """A batch is looked for, before the cases begin."""
        self._head = search.key
        self._show("looking for a batch")

    def found(self, search: Search, found: BatchSearch) -> None:
        """The batches of a case are known."""
        self._print(f"{search.key}  {told(found)}")
        if found.trials:
            self._print(f"       tried {by_batch(found.trials)}")

    def begin(self, run_id: str, cases: int, total: int, done: int) -> None:
        """Say which run this is, how many fresh processes there will be, and what it takes over from before."""
        often = f", in {total // cases} fresh processes each" if total > cases else ""
        kept = f", {done} already measured" if done else ""
        self._print(f"run {run_id}: {cases} case{'s' if cases != 1 else ''}{often}{kept}")

    def started(self, number: int, total: int, case: Case) -> None:
        """A process of a case begins: which one, of how many as far as is known by now."""
        self._head = f"[{number}/{total}] {case.key}"
        self._show("starting")

    def event(self, event: Event) -> None:
        """The case has come to another phase, or a few samples further."""
        if event.phase and self._live:
            count = f" {event.done}/{event.total}" if event.total else ""
            self._show(event.phase + count)

    def finished(self, number: int, record: Record) -> None:
        """The case has a record."""
        self._print(f"{'ok    ' if record.ok else 'FAILED'} {self._head}  {describe(record)}")
        for remark in remarks(record):
            self._print(f"       {remark}")

    def away(self, why: str) -> None:
        """A board is lost, or not left as it was."""
        self._print(why)

    def end(self) -> None:
        """Leave no half line behind."""
        if self._live:
            self._write(_CLEAR_LINE)

    def _show(self, what: str) -> None:
        if self._live:
            # A line longer than the terminal would wrap, and only its last part be written over: cut the case's key.
            room = shutil.get_terminal_size().columns - 1
            head = f"       {self._head}"[: max(0, room - len(what) - 2)]
            self._write(_CLEAR_LINE + f"{head}  {what}"[:room])
        else:
            self._print(f"       {self._head}  {what}")

    def _print(self, line: str) -> None:
        self._write(f"{_CLEAR_LINE if self._live else ''}{line}\n")

    def _write(self, text: str) -> None:
        # Whoever read this may have gone (`2>&1 | head`); that is no reason to stop measuring.
        with suppress(OSError):
            self._stream.write(text)
            self._stream.flush()


def describe(record: Record) -> str:
    """One line about a record: its speed, or why it has none."""
    if record.error is not None:
        return f"{record.error.kind}: {record.error.message}"
    if record.timing is None:
        return "not timed"
    summary = summarise(record.timing.samples)
    rate = summary.throughput(record.case.batch)
    return f"{1e3 * summary.median_s:.4g} ms, {rate:.4g} predictions/s, {record.duration_s:.0f} s"


def remarks(record: Record) -> tuple[str, ...]:
    """What speaks against a record's numbers, one line each."""
    if record.error:
        return record.notes
    pace = pace_remark(record.timing.samples) if record.timing else None
    return (*doubts(record), *([pace] if pace else []), *record.notes)
